"use strict";
// The page is complete without this script; it adds sorting, filters, groups, means over seeds and
// open-on-link.
const table = document.getElementById("leaderboard");
const body = table.tBodies[0];
const rows = [...body.rows];
const tools = document.querySelector(".tools");
const find = document.getElementById("find");
const group = document.getElementById("group");
const means = document.getElementById("means");
const shown = document.getElementById("shown");
const selects = [...document.querySelectorAll("[data-filter]")];
const headers = [...table.tHead.rows[0].cells];
const score = headers.findIndex((h) => h.hasAttribute("data-score"));
const better = headers[score].dataset.first;
// Scores in several metrics have no common order: rows stay as they stand until the reader chooses.
const ranked = headers.findIndex((h) => h.hasAttribute("aria-sort"));
const order = { column: ranked, kind: "number", sign: better === "ascending" ? 1 : -1 };
// Columns of other metrics, of which the reader may have one shown.
const others = headers.flatMap((h, column) => (h.dataset.metric ? [column] : []));
const also = document.getElementById("also");

const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value ?? (cell.querySelector("a") ?? cell).textContent.trim();
};

// Numbers as numbers, words as words; a missing value comes last whichever way one sorts.
const compare = (a, b) => {
  if (order.column < 0) return 0;
  const [x, y] = [valueOf(a, order.column), valueOf(b, order.column)];
  if (x === "" || y === "") return (x === "") - (y === "");
  if (order.kind === "number") return order.sign * (Number(x) - Number(y));
  return order.sign * x.localeCompare(y, undefined, { numeric: true });
};

const groupsOf = (list, key) => {
  const parts = new Map();
  for (const row of list) {
    const name = key(row);
    if (!parts.has(name)) parts.set(name, []);
    parts.get(name).push(row);
  }
  return parts;
};

const numbers = (part, column) => part.map((row) => valueOf(row, column)).filter((v) => v !== "").map(Number);
const scores = (part) => numbers(part, score);
const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
const spread = (values) => {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - middle) ** 2, 0) / (values.length - 1));
};
const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

// One row for all seeds of a network: the mean of those that have a score, and their spread.
const meanRow = (part) => {
  const row = part[0].cloneNode(true);
  const values = scores(part);
  const cell = row.cells[score];
  const middle = values.length ? mean(values) : NaN;
  const metric = cell.querySelector(".quiet"); // only where scores are in several
  cell.dataset.value = values.length ? middle : "";
  const told = values.length < part.length ? `${values.length} of ${part.length} seeds` : plural(part.length, "seed");
  const sd = values.length > 1 ? `SD ${spread(values).toFixed(3)}, ` : "";
  cell.textContent = values.length ? `${middle.toFixed(3)} (${sd}${told})` : `– (${told})`;
  if (metric) cell.prepend(metric, " ");
  for (const column of others) {
    const own = numbers(part, column);
    row.cells[column].dataset.value = own.length ? mean(own) : "";
    row.cells[column].textContent = own.length ? mean(own).toFixed(3) : "–";
  }
  const seeds = row.querySelector(".seed");
  const links = part.map((one) => [one.querySelector(".seed").textContent, one.querySelector("a")]);
  links.sort((a, b) => a[0] - b[0]);
  seeds.replaceChildren(...links.flatMap(([seed, link], i) => {
    const own = document.createElement("a");
    // Of a large study not every cell has a section.
    if (link.hasAttribute("href")) own.href = link.href;
    own.title = link.title;
    own.textContent = seed;
    return i ? [" ", own] : [own];
  }));
  seeds.dataset.value = part.length;
  const path = row.querySelector(".barcell path");
  if (path && values.length) {
    const [low, high] = [Number(table.dataset.low), Number(table.dataset.high)];
    const place = (v) => 100 * (v - low) / (high - low);
    path.setAttribute("d", `M${place(Math.min(...values))} 6H${place(Math.max(...values))}`);
    row.querySelector(".barcell circle").setAttribute("cx", place(middle));
  }
  return row;
};

const groupRow = (name, part) => {
  const row = document.createElement("tr");
  row.className = "group";
  const cell = document.createElement("th");
  cell.colSpan = headers.length;
  cell.scope = "rowgroup";
  const title = document.createElement("b");
  title.textContent = `${group.value} ${name}`;
  const told = [plural(part.length, means?.value ? "network" : "cell")];
  const values = scores(part);
  // A mean over data sets says nothing.
  const mixed = groupsOf(part, (one) => one.getAttribute("data-dataset")).size > 1;
  if (values.length > 1 && !mixed) told.push(`mean ${mean(values).toFixed(3)}`, `SD ${spread(values).toFixed(3)}`);
  cell.append(title, ` ${told.join(", ")}`);
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
  const averaged = Boolean(means?.value);
  table.classList.toggle("means", averaged);
  const parts = averaged ? [...groupsOf(kept, (row) => row.dataset.network).values()].map(meanRow) : kept;
  const sorted = [...parts].sort(compare);
  const lines = group.value
    ? [...groupsOf(sorted, (row) => row.getAttribute(`data-${group.value}`))].flatMap(
        ([name, part]) => [groupRow(name, part), ...part])
    : sorted;
  body.replaceChildren(...lines);
  const of = kept.length === rows.length ? `${rows.length} cells` : `${kept.length} of ${rows.length} cells`;
  shown.textContent = averaged ? `${of}, ${plural(parts.length, "network")}` : of;
};

headers.forEach((header, column) => {
  const kind = header.dataset.sort;
  if (!kind) return;
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  header.append(button);
  button.addEventListener("click", () => {
    const first = header.dataset.first ?? (kind === "number" ? "descending" : "ascending");
    const other = first === "ascending" ? "descending" : "ascending";
    const way = header.getAttribute("aria-sort") === first ? other : first;
    headers.forEach((h) => h.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", way);
    Object.assign(order, { column, kind, sign: way === "ascending" ? 1 : -1 });
    draw();
  });
});

// A link to a cell opens its page.
const open = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    for (let box = target; box; box = box.parentElement.closest("details")) box.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  }
};

tools.addEventListener("submit", (event) => event.preventDefault());
tools.addEventListener("input", draw);
// Grouped rows are networks, unless the reader has chosen.
group.addEventListener("input", () => {
  if (means && group.value && !means.dataset.chosen) means.value = "means";
});
means?.addEventListener("input", () => { means.dataset.chosen = "yes"; });
also?.addEventListener("input", () => {
  table.classList.toggle("two", Boolean(also.value));
  for (const line of [table.tHead.rows[0], ...rows]) {
    for (const column of others) line.cells[column].hidden = headers[column].dataset.metric !== also.value;
  }
});
window.addEventListener("hashchange", open);
tools.hidden = false;
draw();
open();
