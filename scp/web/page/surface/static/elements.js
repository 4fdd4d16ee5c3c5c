// The elements of an instance, those alone that have a text in them.
"use strict";
(() => {
  const rows = [...document.querySelectorAll("#tree tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const field = document.getElementById("filter");
  const count = document.getElementById("filter-count");
  field.closest(".filter").hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, number) => {
      row.hidden = !texts[number].includes(wanted);
      shown += !row.hidden;
    });
    count.textContent = wanted ? `${shown} / ${rows.length}` : "";
  });
})();
