"use strict";
(() => {
  // ---- heat maps: the one that is chosen is shown

  const maps = document.getElementById("maps");
  if (!maps) return;
  const chosen = (name) => maps.querySelector(`select[name=${name}]`);
  const [figure, down, across] = ["figure", "down", "across"].map(chosen);

  function show(event) {
    let pair = "0-1";
    if (down) {
      // a parameter has no map with itself: the other one moves on
      if (down.value === across.value) {
        const other = event && event.target === across ? down : across;
        other.selectedIndex = (other.selectedIndex + 1) % other.options.length;
      }
      pair = [down.value, across.value].sort((a, b) => a - b).join("-");
    }
    for (const map of maps.querySelectorAll("[data-pair]")) {
      map.hidden = map.dataset.pair !== pair || map.dataset.figure !== figure.value;
    }
  }

  maps.addEventListener("change", show);
  show(); // a browser may come back with what was chosen before
})();
