// New arrivals: told by a stream of events while somebody looks, and by one for all windows of a
// browser that can agree on that; else, or where there is no room for one, asked for now and then.
"use strict";
(() => {
  const POLL_SECONDS = 5, AGAIN_SECONDS = 30, FRESH_SECONDS = 8;
  const list = document.getElementById("studies");
  const news = document.getElementById("news");
  const body = () => list.querySelector("tbody");
  const rows = (of) => [...of.querySelectorAll("tr[data-study]")];
  let source = null, timer = 0, giveUp = null, isLooking = false, missed = "";

  // ---- What is new, put in its place
  async function show(state) {
    if (state === list.dataset.latest || document.hidden) return;
    if (isLooking) { missed = state; return; } // one after the other, the last of them in any case
    isLooking = true;
    try {
      const page = await fetch(location.href, { cache: "no-cache" });
      if (page.status === 401) { location.reload(); return; } // whoever looks has to log in again
      if (!page.ok) return; // the next time
      const made = new DOMParser().parseFromString(await page.text(), "text/html");
      const fresh = made.getElementById("studies");
      if (!fresh || fresh.dataset.kind !== list.dataset.kind) { location.reload(); return; }
      take(fresh);
    } catch { /* the node is away for a moment: the stream comes back, or the next look */
    } finally {
      isLooking = false;
      const next = missed;
      missed = "";
      if (next) show(next);
    }
  }

  function take(fresh) {
    const focused = document.activeElement?.closest?.("tr[data-study]")?.dataset.study;
    const old = new Map(rows(list).map((row) => [row.dataset.study, row]));
    const isNew = rows(fresh).filter((row) => old.get(row.dataset.study)?.innerHTML !== row.innerHTML);
    const added = isNew.filter((row) => !old.has(row.dataset.study)).length;
    list.dataset.latest = fresh.dataset.latest;
    list.replaceChildren(...[...fresh.childNodes].map((node) => document.adoptNode(node)));
    for (const row of isNew) {
      row.classList.add("fresh");
      setTimeout(() => row.classList.remove("fresh"), FRESH_SECONDS * 1000);
    }
    if (focused) {
      rows(list).find((row) => row.dataset.study === focused)?.querySelector("a")?.focus({ preventScroll: true });
    }
    if (isNew.length) say(added, isNew.length - added);
  }

  // Said by a screen reader once it has nothing else to say.
  function say(added, changed) {
    const texts = [[added, news.dataset.added], [changed, news.dataset.changed]];
    news.textContent = texts.filter(([count]) => count).map(([count, text]) => text.replace("{0}", count)).join(" ");
  }

  // ---- How it is heard of
  async function poll() {
    const answer = await fetch(list.dataset.watch, { cache: "no-cache" });
    if (answer.ok) await show(await answer.text());
    else if (answer.status === 401) location.reload();
  }
  function pollOn() {
    clearTimeout(timer);
    timer = setTimeout(() => poll().catch(() => {}).finally(() => { if (!document.hidden && !source) pollOn(); }), POLL_SECONDS * 1000);
  }

  const channel = "BroadcastChannel" in window ? new BroadcastChannel("minipacs-arrivals") : null;
  if (channel) channel.onmessage = (event) => show(event.data);

  function open() {
    source = new EventSource(`${list.dataset.events}?known=${encodeURIComponent(list.dataset.latest)}`);
    source.addEventListener("arrived", (event) => {
      channel?.postMessage(event.data);
      show(event.data);
    });
    source.addEventListener("error", () => {
      if (!source || source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      source = null; // there is no room, or nobody may: look now and then, and try later
      pollOn();
      timer && setTimeout(() => { if (!document.hidden && !source) { clearTimeout(timer); open(); } }, AGAIN_SECONDS * 1000);
    });
  }
  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
    giveUp?.();
    giveUp = null;
  }
  function listen() {
    close();
    if (document.hidden) return;
    poll().catch(() => {}); // what came while nobody looked
    if (!("EventSource" in window)) { pollOn(); return; }
    // A browser opens few connections to a server: of all windows one listens, and tells the others.
    if (!navigator.locks || !channel) { open(); return; }
    const given = new AbortController();
    giveUp = () => given.abort();
    navigator.locks.request("minipacs-arrivals", { signal: given.signal }, () => new Promise((done) => {
      if (given.signal.aborted) { done(); return; }
      giveUp = done;
      open();
    })).catch(() => {}); // given up
  }
  if (list.dataset.watch) {
    listen();
    document.addEventListener("visibilitychange", listen);
    addEventListener("pagehide", close);
    addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  }

  // Not where that would have a keyboard cover half of the page.
  const first = document.querySelector(".search input");
  if (first && matchMedia("(pointer: fine)").matches) first.focus({ preventScroll: true });
})();
