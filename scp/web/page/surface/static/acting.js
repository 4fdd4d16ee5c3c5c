// How far something is that was begun: asked for every second, and the view fetched anew at its end.
"use strict";
(() => {
  const SECONDS = 1;
  const act = document.getElementById("act");
  const bar = act.querySelector("progress");
  const again = () => setTimeout(() => look().catch(again), SECONDS * 1000);

  async function look() {
    const answer = await fetch(act.dataset.watch, { cache: "no-store" });
    const [state, done, total] = (await answer.text()).split(" ");
    if (answer.ok && state !== "under_way") return location.reload();
    if (answer.ok && Number(total)) {
      bar.max = Number(total);
      bar.value = Number(done);
    }
    again();
  }
  again();
})();
