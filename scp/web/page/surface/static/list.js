// New arrivals: asked for every few seconds while somebody looks, and only then fetched.
"use strict";
(() => {
  const SECONDS = 5;
  const list = () => document.getElementById("studies");
  const known = () => new Set([...list().querySelectorAll("[data-study]")].map((row) => row.dataset.study));

  async function look() {
    if (document.hidden || !list().dataset.watch) return;
    const answer = await fetch(list().dataset.watch, { cache: "no-cache" });
    if (!answer.ok || (await answer.text()) === list().dataset.latest) return;
    const page = await fetch(location.href, { cache: "no-cache" });
    if (!page.ok) return;
    const made = new DOMParser().parseFromString(await page.text(), "text/html");
    const fresh = made.getElementById("studies");
    if (!fresh || list().contains(document.activeElement)) return;
    const before = known();
    list().replaceWith(document.adoptNode(fresh));
    for (const row of list().querySelectorAll("[data-study]")) {
      if (before.has(row.dataset.study)) continue;
      row.classList.add("fresh");
      setTimeout(() => row.classList.remove("fresh"), 8000);
    }
  }

  // Not where that would have a keyboard cover half of the page.
  const first = document.querySelector(".search input");
  if (first && matchMedia("(pointer: fine)").matches) first.focus();
  const again = () => setTimeout(() => look().catch(() => {}).finally(again), SECONDS * 1000);
  again();
  document.addEventListener("visibilitychange", () => look().catch(() => {}));
})();
