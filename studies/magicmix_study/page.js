"use strict";
// The data, all of it in this file: axes with labels, cells as [value of each axis..., picture, error], pictures in base64.
const read = id => JSON.parse(document.getElementById(id).textContent);
const data = read("data"), small = read("small");
const $ = selector => document.querySelector(selector);
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const source = code => "data:image/webp;base64," + code;
const axes = data.axes, picture = axes.length, error = axes.length + 1;
const large = {};
const largeOf = place => {
  if (!data.perPart) return small[place];
  const part = Math.floor(place / data.perPart);
  large[part] ??= document.getElementById("large-" + part).textContent.trim().split("\n");
  return large[part][place % data.perPart];
};
const shown = { x: data.x, y: data.y, allowed: axes.map(() => null), text: "" };
const texts = data.cells.map((cell, place) =>
  [...axes.map((axis, a) => axis.name + " " + axis.values[cell[a]]), data.ids[place], cell[error] < 0 ? "" : data.errors[cell[error]]].join("\n").toLowerCase());
let picks = [], current = -1, neighbours = new Map();
const elements = new Map();

const label = (a, value) => axes[a].labels[value];
const visible = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    target.src = source(small[target.dataset.place]);
    visible.unobserve(target);
  }
}, { rootMargin: "300px" });

function matches(place) {
  const cell = data.cells[place];
  return shown.allowed.every((set, a) => set === null || set.has(cell[a])) && (!shown.text || texts[place].includes(shown.text));
}

function draw() {
  visible.disconnect();
  elements.clear();
  neighbours = new Map();
  const { x, y } = shown, rest = axes.map((_, a) => a).filter(a => a !== x && a !== y);
  const sections = new Map();
  let count = 0;
  data.cells.forEach((cell, place) => {
    if (!matches(place)) return;
    count++;
    const key = rest.map(a => cell[a]).join(" ");
    if (!sections.has(key)) sections.set(key, []);
    sections.get(key).push(place);
  });
  const columns = used(x), rows = y < 0 ? [0] : used(y);
  const parts = [...sections].map(([key, places]) => section(rest, places, columns, rows));
  $("#grid").replaceChildren(...parts);
  $("#count").value = count === data.cells.length ? `${count} pictures` : `${count} of ${data.cells.length} pictures`;
}

function used(a) {
  return axes[a].labels.map((_, value) => value).filter(value => shown.allowed[a] === null || shown.allowed[a].has(value));
}

function section(rest, places, columns, rows) {
  const { x, y } = shown, part = make("section"), grid = make("div", "cells");
  const telling = rest.filter(a => axes[a].labels.length > 1);
  if (telling.length) part.append(make("h2", "", telling.map(a => `${axes[a].name} ${label(a, data.cells[places[0]][a])}`).join(" · ")));
  grid.style.gridTemplateColumns = (y < 0 ? "" : "minmax(60px, 160px) ") + `repeat(${columns.length}, var(--cell))`;
  const at = new Map(places.map(place => [data.cells[place][x] + " " + (y < 0 ? 0 : data.cells[place][y]), place]));
  if (y >= 0) grid.append(make("div", "left"));
  for (const column of columns) grid.append(make("div", "top", `${axes[x].name} ${label(x, column)}`));
  for (const row of rows) {
    if (y >= 0) grid.append(make("div", "left", `${axes[y].name} ${label(y, row)}`));
    for (const column of columns) {
      const place = at.get(column + " " + row);
      grid.append(place === undefined ? make("div", "none") : button(place));
    }
  }
  const near = (place, step, list, a) => {
    const cell = data.cells[place], other = list[list.indexOf(cell[a]) + step];
    return other === undefined ? undefined : at.get(a === x ? other + " " + (y < 0 ? 0 : cell[y]) : cell[x] + " " + other);
  };
  for (const place of places) {
    neighbours.set(place, {
      ArrowLeft: () => near(place, -1, columns, x), ArrowRight: () => near(place, 1, columns, x),
      ArrowUp: () => y < 0 ? undefined : near(place, -1, rows, y), ArrowDown: () => y < 0 ? undefined : near(place, 1, rows, y),
    });
  }
  part.style.containIntrinsicSize = `auto ${40 + (rows.length + 0.3) * (Number($("#size").value) + 4)}px`;
  part.append(grid);
  return part;
}

function button(place) {
  const cell = data.cells[place], element = make("button", "cell");
  element.type = "button";
  element.dataset.cell = place;
  element.setAttribute("aria-label", axes.map((axis, a) => `${axis.name} ${label(a, cell[a])}`).join(", "));
  if (cell[picture] >= 0) {
    const image = make("img");
    image.alt = "";
    image.dataset.place = cell[picture];
    element.append(image);
    visible.observe(image);
  } else {
    element.classList.add("failed");
    element.textContent = cell[error] < 0 ? "no picture" : data.errors[cell[error]];
  }
  element.classList.toggle("picked", picks.includes(place));
  elements.set(place, element);
  return element;
}

function values(place, other) {
  const cell = data.cells[place];
  return axes.flatMap((axis, a) => {
    const differs = other !== undefined && data.cells[other][a] !== cell[a];
    return [make("dt", "", axis.name), make("dd", differs ? "differs" : "", axis.values[cell[a]])];
  });
}

function command(place) {
  return `${data.again} ${data.ids[place]}`;
}

function open(place) {
  const cell = data.cells[place], box = $("#large"), image = box.querySelector("img");
  current = place;
  if (cell[picture] >= 0) image.src = source(largeOf(cell[picture]));
  else image.removeAttribute("src");
  box.querySelector(".error").textContent = cell[picture] >= 0 || cell[error] < 0 ? "" : data.errors[cell[error]];
  box.querySelector("dl").replaceChildren(...values(place), make("dt", "", "id"), make("dd", "", data.ids[place]));
  box.querySelector("code").textContent = command(place);
  box.querySelector(".pick").disabled = cell[picture] < 0;
  box.querySelector(".copy").textContent = "Copy";
  if (!box.open) box.showModal();
}

function pick(place) {
  if (data.cells[place][picture] < 0) return;
  picks = picks.includes(place) ? picks.filter(each => each !== place) : [...picks, place].slice(-2);
  for (const [each, element] of elements) element.classList.toggle("picked", picks.includes(each));
  $("#tray").hidden = !picks.length;
  $("#compare").disabled = picks.length !== 2;
  $("#picks").replaceChildren(...picks.map(each => {
    const image = make("img");
    image.alt = axes.map((axis, a) => `${axis.name} ${label(a, data.cells[each][a])}`).join(", ");
    image.src = source(small[data.cells[each][picture]]);
    return image;
  }));
}

function slide() {
  const share = $("#slider input").value / 1000, over = $("#slider .over"), edge = $("#slider .edge");
  over.style.clipPath = `inset(0 ${100 - share * 100}% 0 0)`;
  edge.style.left = `calc(50% - ${over.clientWidth / 2}px + ${share * over.clientWidth}px)`;
}

function compare() {
  const [left, right] = picks;
  $("#slider .over").src = source(largeOf(data.cells[left][picture]));
  $("#slider .under").src = source(largeOf(data.cells[right][picture]));
  $("#slider .left").replaceChildren(...values(left, right));
  $("#slider .right").replaceChildren(...values(right, left));
  $("#slider").showModal();
  slide();
}

function choices(select, chosen, none) {
  if (none) select.append(new Option("nothing", -1, false, chosen === -1));
  axes.forEach((axis, a) => {
    if (axis.labels.length > 1 || a === chosen) select.append(new Option(axis.name, a, false, a === chosen));
  });
}

function filters() {
  $("#filters div").replaceChildren(...axes.map((axis, a) => {
    const set = make("fieldset");
    set.append(make("legend", "", axis.name));
    const boxes = axis.labels.map((text, value) => {
      const row = make("label"), box = make("input");
      box.type = "checkbox";
      box.checked = true;
      box.dataset.axis = a;
      box.dataset.value = value;
      row.append(box, text);
      return row;
    });
    for (const [text, checked] of [["all", true], ["none", false]]) {
      const all = make("button", "", text);
      all.type = "button";
      all.addEventListener("click", () => {
        for (const row of boxes) row.firstChild.checked = checked;
        filter(a);
      });
      set.append(all);
    }
    set.append(...boxes);
    set.addEventListener("change", () => filter(a));
    return set;
  }));
}

function filter(a) {
  const boxes = [...document.querySelectorAll(`#filters input[data-axis="${a}"]`)];
  const checked = boxes.filter(box => box.checked).map(box => Number(box.dataset.value));
  shown.allowed[a] = checked.length === boxes.length ? null : new Set(checked);
  draw();
}

$("h1").textContent = data.title;
choices($("#x"), shown.x, false);
choices($("#y"), shown.y, true);
filters();
for (const [own, other] of [["x", "y"], ["y", "x"]]) {
  $("#" + own).addEventListener("change", event => {
    const before = shown[own];
    shown[own] = Number(event.target.value);
    if (shown[own] === shown[other]) {
      const next = axes.findIndex((axis, a) => a !== shown[own] && axis.labels.length > 1);
      if (before < 0 && next < 0) shown[own] = before; // nothing else could go across
      else shown[other] = before < 0 ? next : before;
      $("#" + own).value = shown[own];
      $("#" + other).value = shown[other];
    }
    draw();
  });
}
$("#size").addEventListener("input", event => document.documentElement.style.setProperty("--cell", event.target.value + "px"));
let typing;
$("#search").addEventListener("input", event => {
  clearTimeout(typing);
  typing = setTimeout(() => { shown.text = event.target.value.trim().toLowerCase(); draw(); }, 150);
});
$("#grid").addEventListener("click", event => {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  const place = Number(cell.dataset.cell);
  if (event.shiftKey) pick(place);
  else open(place);
});
document.addEventListener("keydown", event => {
  if (!$("#large").open || !event.key.startsWith("Arrow")) return;
  const next = neighbours.get(current)?.[event.key]?.();
  event.preventDefault();
  if (next !== undefined) open(next);
});
$("#large .pick").addEventListener("click", () => { pick(current); $("#large").close(); });
$("#large .copy").addEventListener("click", async event => {
  try {
    await navigator.clipboard.writeText(command(current));
    event.target.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("#large code"));
  }
});
$("#compare").addEventListener("click", compare);
$("#unpick").addEventListener("click", () => { for (const place of [...picks]) pick(place); });
$("#slider input").addEventListener("input", slide);
$("#slider .over").addEventListener("load", slide);
for (const box of document.querySelectorAll("dialog")) {
  box.querySelector(".close").addEventListener("click", () => box.close());
  box.addEventListener("click", event => { if (event.target === box) box.close(); });
}
draw();
// For whoever measures: when the first pictures could be seen, in milliseconds since the page was asked for.
requestAnimationFrame(() => requestAnimationFrame(async () => {
  await Promise.all([...document.querySelectorAll(".cell img[src]")].map(image => image.decode().catch(() => {})));
  document.documentElement.dataset.ready = performance.now();
}));
