"use strict";
// The page is complete without this script; it adds sorting, filters, groups and open-on-link.
const table = document.getElementById("leaderboard");
const body = table.tBodies[0];
const rows = [...body.rows];
const tools = document.querySelector(".tools");
const find = document.getElementById("find");
const group = document.getElementById("group");
const shown = document.getElementById("shown");
const selects = [...document.querySelectorAll("[data-filter]")];
const headers = [...table.tHead.rows[0].cells];

const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value ?? (cell.querySelector("a") ?? cell).textContent.trim();
};

// Numbers as numbers, words as words; a missing value comes last whichever way one sorts.
const compare = (column, kind, sign) => (a, b) => {
  const [x, y] = [valueOf(a, column), valueOf(b, column)];
  if (x === "" || y === "") return (x === "") - (y === "");
  if (kind === "number") return sign * (Number(x) - Number(y));
  return sign * x.localeCompare(y, undefined, { numeric: true });
};

const groupRow = (name, count) => {
  const row = document.createElement("tr");
  row.className = "group";
  const cell = document.createElement("th");
  cell.colSpan = headers.length;
  cell.scope = "rowgroup";
  cell.textContent = `${group.value}: ${name} (${count})`;
  row.append(cell);
  return row;
};

const draw = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = rows.filter((row) => {
    const text = `${row.textContent} ${row.querySelector("a").title}`.toLowerCase();
    return words.every((word) => text.includes(word))
      && selects.every((s) => !s.value || row.getAttribute(`data-${s.dataset.filter}`) === s.value);
  });
  const parts = new Map();
  for (const row of kept) {
    const key = group.value ? row.getAttribute(`data-${group.value}`) : "";
    parts.set(key, [...(parts.get(key) ?? []), row]);
  }
  const lines = [...parts].flatMap(([key, part]) =>
    group.value ? [groupRow(key, part.length), ...part] : part);
  body.replaceChildren(...lines);
  shown.textContent = kept.length === rows.length ? `${rows.length} cells` : `${kept.length} of ${rows.length} cells`;
};

headers.forEach((header, column) => {
  const kind = header.dataset.sort;
  if (!kind) return;
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  header.append(button);
  button.addEventListener("click", () => {
    const first = kind === "number" ? "descending" : "ascending";
    const other = kind === "number" ? "ascending" : "descending";
    const order = header.getAttribute("aria-sort") === first ? other : first;
    headers.forEach((h) => h.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", order);
    rows.sort(compare(column, kind, order === "ascending" ? 1 : -1));
    draw();
  });
});

// A link to a cell opens its section.
const open = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
};

tools.addEventListener("submit", (event) => event.preventDefault());
tools.addEventListener("input", draw);
window.addEventListener("hashchange", open);
tools.hidden = false;
draw();
open();
