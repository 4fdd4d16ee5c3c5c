// A light viewer: pictures come rendered from the node (PS3.18 10.4), so that any browser shows them.
"use strict";
(async () => {
  const viewer = document.getElementById("viewer");
  const stage = document.getElementById("stage");
  const picture = document.getElementById("picture");
  const slider = document.getElementById("slider");
  const shown = (name, text) => { document.getElementById(name).textContent = text; };
  const HELD_PIXELS = 150e6, AHEAD = 4, AT_ONCE = 4;

  const list = await (await fetch(viewer.dataset.list)).json();
  // A step is a frame of an instance.
  const steps = list.instances.flatMap(([uid, frames]) =>
    Array.from({ length: frames }, (_, number) => ({ uid, frame: frames > 1 ? number + 1 : 0 })));
  const first = () => ({ window: null, zoom: 1, x: 0, y: 0, inverted: false });
  let view = first();
  let at = Math.min(Math.max(Number(slider.value) - 1, 0), steps.length - 1);
  let tool = "window", cine = 0, direction = 1;
  const given = new URLSearchParams(location.search).get("window");
  if (given && /^-?[\d.]+,[\d.]+$/.test(given)) view.window = given.split(",").map(Number);

  function url(step) {
    const frame = step.frame ? `/frames/${step.frame}` : "";
    const window = view.window ? `&window=${view.window.map((one) => Math.round(one * 100) / 100).join(",")},linear` : "";
    return `${list.base}/instances/${encodeURIComponent(step.uid)}${frame}/rendered?accept=image/jpeg&quality=90${window}`;
  }

  // Pictures by URL, the latest used last. What is looked at goes before what may be next.
  const held = new Map();
  let loading = 0, pixels = 0;
  function load(address) {
    let found = held.get(address);
    if (found) held.delete(address);
    else {
      const image = new Image();
      loading += 1;
      image.src = address;
      const kept = { pixels: 0, image };
      kept.done = image.decode().then(() => {
        if (held.get(address) === kept) { // not let go of meanwhile
          kept.pixels = image.naturalWidth * image.naturalHeight;
          pixels += kept.pixels;
        }
        return true;
      }, () => false).finally(() => { loading -= 1; });
      found = kept;
    }
    held.set(address, found);
    for (const [old, one] of held) {
      if (pixels <= HELD_PIXELS || old === address) break;
      held.delete(old);
      pixels -= one.pixels;
      one.pixels = 0;
    }
    return found.done;
  }

  let wanted = "", isBusy = false;
  async function draw() {
    slider.value = at + 1;
    shown("step-shown", at + 1);
    shown("zoom-shown", view.zoom === 1 ? "" : `× ${view.zoom.toFixed(2)}`);
    shown("window-shown", view.window ? `C ${Math.round(view.window[0])}  W ${Math.round(view.window[1])}` : "");
    stage.classList.toggle("inverted", view.inverted);
    document.querySelector('[data-do="invert"]').setAttribute("aria-pressed", view.inverted);
    picture.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
    const elements = document.getElementById("elements");
    elements.href = elements.dataset.base + encodeURIComponent(steps[at].uid);
    wanted = url(steps[at]);
    if (isBusy) return; // one after the other: a drag asks for the last only
    isBusy = true;
    while (picture.dataset.shown !== wanted) {
      const address = wanted;
      const isGood = await load(address);
      picture.dataset.shown = address;
      if (isGood) picture.src = address;
      else held.delete(address);
      shown("fault", isGood || address !== wanted ? "" : "⚠");
    }
    isBusy = false;
    ahead();
  }
  function ahead() {
    for (let number = 1; number <= AHEAD && loading < AT_ONCE; number += 1) {
      const next = at + number * direction;
      if (next >= 0 && next < steps.length) load(url(steps[next]));
    }
  }

  function go(to) {
    const next = Math.min(Math.max(to, 0), steps.length - 1);
    if (next === at) return;
    direction = next > at ? 1 : -1;
    at = next;
    draw();
  }
  function windowed() {
    if (!view.window) view.window = [...list.window];
    return view.window;
  }
  function zoom(factor) {
    view.zoom = Math.min(Math.max(view.zoom * factor, 0.2), 20);
    draw();
  }
  const DRAG = {
    window(x, y) {
      const [center, width] = windowed();
      const pace = Math.max(width, list.range / 64) / 300;
      view.window = [center + y * pace, Math.max(width + x * pace, 1)];
      draw();
    },
    zoom(x, y) { zoom(Math.exp(-y / 200)); },
    pan(x, y) { view.x += x; view.y += y; draw(); },
    scroll(x, y) {
      travelled += y;
      const pace = Math.max(stage.clientHeight / (steps.length + 1), 4);
      const whole = Math.trunc(travelled / pace);
      if (whole) { travelled -= whole * pace; go(at + whole); }
    },
  };
  let travelled = 0;

  function play(isOn) {
    clearInterval(cine);
    cine = isOn && steps.length > 1 ? setInterval(() => {
      if (!isBusy) { direction = 1; at = (at + 1) % steps.length; draw(); }
    }, 1000 / list.rate) : 0;
    document.querySelector('[data-do="cine"]').setAttribute("aria-pressed", Boolean(cine));
  }
  const DO = {
    cine() { play(!cine); },
    invert() { view.inverted = !view.inverted; draw(); },
    reset() { play(false); view = first(); draw(); },
  };
  function take(name) {
    tool = name;
    for (const button of viewer.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", button.dataset.tool === name);
    }
  }
  const presets = [...viewer.querySelectorAll("[data-window]")];
  function preset(link) {
    view.window = link.dataset.window.split(",").map(Number);
    draw();
  }

  for (const button of viewer.querySelectorAll("[data-tool]")) button.addEventListener("click", () => take(button.dataset.tool));
  for (const button of viewer.querySelectorAll("[data-do]")) button.addEventListener("click", () => DO[button.dataset.do]());
  for (const link of presets) link.addEventListener("click", (event) => { event.preventDefault(); preset(link); });
  for (const link of viewer.querySelectorAll('[rel="prev"], [rel="next"]')) link.hidden = true;

  const pointers = new Map();
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    travelled = 0;
    stage.focus({ preventScroll: true });
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const x = event.clientX - last.clientX, y = event.clientY - last.clientY;
    pointers.set(event.pointerId, event);
    if (pointers.size === 2) { // two fingers: what is between them
      const [one, other] = [...pointers.values()];
      const still = one === event ? other : one;
      const far = (of) => Math.hypot(of.clientX - still.clientX, of.clientY - still.clientY) || 1;
      zoom(far(event) / far(last));
      DRAG.pan(x / 2, y / 2);
      return;
    }
    const name = event.buttons & 4 || event.shiftKey ? "pan" : event.buttons & 2 ? "zoom" : tool;
    DRAG[name](x, y);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", () => { Object.assign(view, { zoom: 1, x: 0, y: 0 }); draw(); });
  let turned = 0;
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) { zoom(Math.exp(-event.deltaY / 300)); return; }
    // A wheel's notch is one slice, however far it scrolls; of a touchpad some way is.
    const isNotch = event.deltaMode || Math.abs(event.deltaY) >= 80;
    turned = isNotch ? 0 : turned + event.deltaY;
    const whole = isNotch ? Math.sign(event.deltaY) : Math.trunc(turned / 30);
    if (whole) { turned = 0; go(at + whole); }
  }, { passive: false });

  const KEYS = {
    ArrowDown: () => go(at + 1), ArrowRight: () => go(at + 1), ArrowUp: () => go(at - 1), ArrowLeft: () => go(at - 1),
    PageDown: () => go(at + 10), PageUp: () => go(at - 10), Home: () => go(0), End: () => go(steps.length - 1),
    "+": () => zoom(1.2), "-": () => zoom(1 / 1.2), " ": DO.cine, i: DO.invert, r: DO.reset,
    w: () => take("window"), z: () => take("zoom"), p: () => take("pan"), s: () => take("scroll"),
  };
  document.addEventListener("keydown", (event) => {
    const isElsewhere = event.target.closest("input, button, a, summary");
    if (event.ctrlKey || event.altKey || event.metaKey || (isElsewhere && event.key !== "Escape")) return;
    const preset_ = presets[Number(event.key) - 1];
    const act = preset_ ? () => preset(preset_) : KEYS[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  slider.hidden = steps.length < 2;
  slider.addEventListener("input", () => go(Number(slider.value) - 1));
  draw();
})();
