"use strict";
// The choices made on the page, and their listeners. REPORT (data.js) is never changed.

const MOST_SHOWN = 4; // experiments shown initially
const NUM_COLORS = 8;

const state = { set: REPORT.sets[0], metric: REPORT.metric, shown: new Set() };
const listeners = [];

function onChange(listener) {
  listeners.push(listener);
}

function change(values) {
  Object.assign(state, values);
  for (const listener of listeners) listener();
}

const systemsOf = (set) => REPORT.systems.map((system, index) => ({ ...system, index })).filter((s) => s.set === set);
const systemsOfSet = () => systemsOf(state.set);
const shownSystems = () => systemsOfSet().filter((system) => state.shown.has(system.index));
const clipsOfSet = () => REPORT.clips.filter((clip) => clip.set === state.set);
const metricNamed = (name) => REPORT.metrics.find((metric) => metric.name === name);
const meanOf = (system, metric) => (system.summary[metric] ? system.summary[metric][0] : null);

function byMean(metric) {
  const sign = metricNamed(metric).higher ? -1 : 1;
  return (a, b) => {
    const [x, y] = [meanOf(a, metric), meanOf(b, metric)];
    if (!isNumber(x) || !isNumber(y)) return isNumber(y) - isNumber(x);
    return sign * (x - y);
  };
}

function mainSystems() {
  const shown = new Set();
  for (const set of REPORT.sets) {
    const own = systemsOf(set);
    const experiments = own.filter((system) => system.kind === "experiment").sort(byMean(state.metric));
    const others = own.filter((system) => system.kind === "noisy" || system.kind === "ceiling");
    for (const system of [...others, ...experiments.slice(0, MOST_SHOWN)]) shown.add(system.index);
  }
  return shown;
}

// One hue per section, paler for its second and third row; the mixture and the codecs are grey.
function colorOf(index) {
  const system = REPORT.systems[index];
  if (!system) return "var(--text)";
  const alike = REPORT.systems.filter((other) => other.kind === system.kind);
  const sections = [...new Set(alike.map((other) => other.section))];
  const labels = [...new Set(alike.filter((other) => other.section === system.section).map(bareLabel))];
  const hue = system.kind === "experiment" ? `hue-${sections.indexOf(system.section) % NUM_COLORS}` : system.kind;
  const share = Math.max(30, 100 - 45 * labels.indexOf(bareLabel(system)));
  return `color-mix(in oklab, var(--${hue}) ${share}%, var(--pale))`;
}

const bareLabel = (system) => system.label.slice(system.label.lastIndexOf("/") + 1);
const swatch = (index) => html("span", { class: "swatch", style: `background: ${colorOf(index)}` });

state.shown = mainSystems();
