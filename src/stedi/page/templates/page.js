"use strict";
// Opens tables, lights up lineage, searches the dictionary. Without it all is there to read.
(() => {
  const lineage = JSON.parse(document.getElementById("lineage").textContent);
  const find = (selector) => [...document.querySelectorAll(selector)];
  const turned = (edges) => {
    const back = {};
    for (const [from, all] of Object.entries(edges))
      for (const to of all) (back[to] ??= []).push(from);
    return back;
  };
  const outputs = turned(lineage.inputs);
  const before = turned(lineage.next);

  const reach = (start, next) => {
    const seen = new Set([start]);
    for (const one of seen) for (const other of next[one] ?? []) seen.add(other);
    return [...seen];
  };

  const light = (tables) => {
    for (const node of find(".flow [data-table]")) {
      node.classList.toggle("lit", tables !== null && tables.has(node.dataset.table));
      node.classList.toggle("dim", tables !== null && !tables.has(node.dataset.table));
    }
    for (const arrow of find(".flow [data-from]")) {
      const is_lit = tables !== null && tables.has(arrow.dataset.from) && tables.has(arrow.dataset.to);
      arrow.classList.toggle("lit", is_lit);
      arrow.classList.toggle("dim", tables !== null && !is_lit);
    }
  };

  const follow = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = document.getElementById(id);
    for (let part = target; part; part = part.parentElement)
      if (part.tagName === "DETAILS") part.open = true;
    if (id.startsWith("table-")) {
      const table = id.slice("table-".length);
      light(new Set([...reach(table, lineage.inputs), ...reach(table, outputs)]));
    } else if (id.startsWith("column-")) {
      const column = id.slice("column-".length);
      const passed = [...reach(column, before), ...reach(column, lineage.next)];
      light(new Set(passed.map((name) => name.split(".")[0])));
    } else light(null);
    if (target && target.tagName === "DETAILS") target.querySelector("summary").focus({ preventScroll: true });
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  if (location.hash) follow();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = find("details.table:not([open])");
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });

  const box = document.getElementById("search");
  box.parentElement.hidden = false;
  const rows = find("#dictionary-rows tr").map((row) => [row, row.textContent.toLowerCase()]);
  const found = document.getElementById("found");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    found.textContent = words.length ? `${count} of ${rows.length} columns` : "";
  });
})();
