"use strict";
// The summary: one row per system, sorted by any column; the ticks select what the charts and players show.

const sorting = { metric: null, descending: false };

function headCell(name, title, text) {
  const active = sorting.metric === name;
  const order = active ? (sorting.descending ? "descending" : "ascending") : "none";
  const mark = active ? (sorting.descending ? " ↓" : " ↑") : "";
  return html("th", { scope: "col", "aria-sort": order },
    html("button", { type: "button", title, "data-sort": name, onclick: () => sortBy(name) }, text + mark));
}

function sortBy(name) {
  if (sorting.metric === name) {
    sorting.descending = !sorting.descending;
  } else {
    // The first click sorts the best to the top.
    const metric = metricNamed(name);
    Object.assign(sorting, { metric: name, descending: Boolean(metric && metric.higher) });
  }
  drawTable();
  document.querySelector(`#table [data-sort="${name}"]`).focus();
}

function sortedSystems() {
  const words = byId("filter").value.toLowerCase().split(/\s+/);
  const matches = (system) => words.every((word) => `${system.section} ${system.label}`.toLowerCase().includes(word));
  const systems = systemsOfSet().filter(matches);
  const { metric, descending } = sorting;
  if (metric === null) return systems;
  if (metric === "system") systems.sort((a, b) => a.name.localeCompare(b.name));
  else systems.sort((a, b) => (meanOf(a, metric) ?? Infinity) - (meanOf(b, metric) ?? Infinity));
  if (descending) systems.reverse();
  // Rows without a value come last in both directions.
  if (metric !== "system") systems.sort((a, b) => isNumber(meanOf(b, metric)) - isNumber(meanOf(a, metric)));
  return systems;
}

function scoreCell(system, metric) {
  const summary = system.summary[metric];
  const chosen = metric === state.metric ? "chosen" : null;
  if (!summary) return html("td", { class: chosen }, "–");
  const [mean, low, high, count, missing] = summary;
  const isBest = REPORT.best.some(([index, name]) => index === system.index && name === metric);
  const title = `${count} utterances${missing ? `, ${missing} without a value` : ""}`;
  return html("td", { class: chosen, title },
    html(isBest ? "strong" : "span", {}, format(metric, mean)), missing ? "*" : null,
    html("small", {}, `${format(metric, low)} – ${format(metric, high)}`));
}

function drawTable() {
  const metrics = REPORT.metrics.filter((metric) => systemsOfSet().some((system) => system.summary[metric.name]));
  const head = metrics.map(({ name, description }) => headCell(name, description, name.replaceAll("_", " ")));
  byId("table").tHead.replaceChildren(html("tr", {}, headCell("system", "Name", "System"), head));
  byId("table").tBodies[0].replaceChildren(...sortedSystems().map((system) => {
    const tick = html("input", {
      type: "checkbox", "data-system": system.index,
      onchange: (event) => showSystem(system.index, event.target.checked),
    });
    tick.checked = state.shown.has(system.index);
    const title = `${system.section}: ${system.label}`;
    const name = html("label", { title }, tick, swatch(system.index), system.name);
    return html("tr", { class: system.kind }, html("th", { scope: "row" }, name),
      metrics.map((metric) => scoreCell(system, metric.name)));
  }));
}

function showSystem(index, shown) {
  const next = new Set(state.shown);
  if (shown) next.add(index);
  else next.delete(index);
  change({ shown: next });
  document.querySelector(`[data-system="${index}"]`).focus();
}

byId("filter").addEventListener("input", drawTable);
byId("show-main").addEventListener("click", () => change({ shown: mainSystems() }));
byId("show-all").addEventListener("click", () => change({ shown: new Set(REPORT.systems.keys()) }));
byId("show-none").addEventListener("click", () => change({ shown: new Set() }));
onChange(drawTable);
