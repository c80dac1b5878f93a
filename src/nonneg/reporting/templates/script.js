"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // tabs: without this script every part is shown below the last
  const tabs = all("[role=tab]");
  const select = (tab, focus) => {
    for (const other of tabs) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
  };
  tabs.forEach((tab, number) => {
    tab.addEventListener("click", () => select(tab, false));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: -1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      select(tabs.at(to % tabs.length), true);
    });
  });
  if (tabs.length) {
    document.querySelector("[role=tablist]").hidden = false;
    select(tabs[0], false);
  }

  // tables: a click on a head sorts by its column, a second one the other way round
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  for (const button of all("table.sorts thead button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const body = head.closest("table").tBodies[0];
      const first = head.dataset.first || "descending";
      const last = first === "ascending" ? "descending" : "ascending";
      const way = head.getAttribute("aria-sort") === first ? last : first;
      for (const other of all("th", head.parentNode)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", way);
      const sign = way === "ascending" ? 1 : -1;
      const compare = (a, b) => {
        const [x, y] = [value(a, head.cellIndex), value(b, head.cellIndex)];
        if (typeof x === "string" || typeof y === "string")
          return sign * String(x).localeCompare(String(y), undefined, { numeric: true });
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return sign * (x - y);
      };
      body.append(...[...body.rows].sort(compare));
    });
  }

  // components: search and order
  const search = document.getElementById("search");
  const order = document.getElementById("order");
  const cards = document.querySelector(".cards");
  if (search && cards) {
    const count = document.getElementById("count");
    const show = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const card of cards.children) {
        card.hidden = !words.every((word) => card.dataset.words.includes(word));
        shown += !card.hidden;
      }
      count.textContent = `${shown} of ${cards.children.length} components`;
    };
    search.addEventListener("input", show);
    order.addEventListener("change", () => {
      const name = order.value;
      const sign = name === "number" ? 1 : -1;
      const key = (card) => Number(card.dataset[name]);
      cards.append(...[...cards.children].sort((a, b) => sign * (key(a) - key(b))));
    });
    show();
  }

  // the picture of W: the names of what is under the pointer, or is reached by arrow keys
  const map = document.getElementById("map");
  if (map) {
    const facts = JSON.parse(document.getElementById("map-facts").textContent);
    const line = document.getElementById("map-line");
    let place = [0, 0];
    const tell = (i, t) => {
      const within = (number, list) => Math.min(Math.max(number, 0), list.length - 1);
      place = [within(i, facts.rows), within(t, facts.components)];
      [i, t] = place;
      line.textContent =
        `${facts.rows[i]}, component ${facts.components[t]}: ${facts.percent[t][i]} %`;
    };
    map.addEventListener("pointermove", (event) => {
      const box = map.getBoundingClientRect();
      tell(
        Math.floor(((event.clientX - box.left) / box.width) * facts.rows.length),
        Math.floor(((event.clientY - box.top) / box.height) * facts.components.length),
      );
    });
    map.addEventListener("keydown", (event) => {
      const move = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
      if (!(event.key in move)) return;
      event.preventDefault();
      tell(place[0] + move[event.key][0], place[1] + move[event.key][1]);
    });
  }
})();
