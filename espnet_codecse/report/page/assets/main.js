"use strict";
// The page header, the keyboard shortcuts, and the initial drawing.

function drawHead() {
  document.title = REPORT.title;
  byId("title").textContent = REPORT.title;
  byId("made").replaceChildren(html("details", {}, html("summary", {}, "How this page was made"),
    REPORT.made.map((line) => html("p", {}, line))));
  options(byId("set"), REPORT.sets, REPORT.sets.map((set) => set || "test"));
  byId("set-choice").hidden = REPORT.sets.length < 2;
  options(byId("metric"), REPORT.metrics.map((metric) => metric.name));
  byId("metric").value = state.metric;
}

const inTrial = {
  a: () => hear("a"),
  b: () => hear("b"),
  x: () => hear("x"),
  1: () => answer({ answer: "a" }),
  2: () => answer({ answer: "b" }),
  Enter: nextTrial,
};

const inPage = {
  j: () => player.clip && stepVersion(1),
  k: () => player.clip && stepVersion(-1),
  n: () => stepClip(1),
  p: () => stepClip(-1),
  l: () => byId("loop").click(),
  m: () => byId("match").click(),
};

const everywhere = {
  " ": () => {
    if (player.clip) player.toggle();
    else if (!blind.running && clipsOfSet().length) toggleClip(clipsOfSet()[0]);
  },
  ArrowLeft: () => player.seek(player.position - 1),
  ArrowRight: () => player.seek(player.position + 1),
  t: toggleTheme,
  "?": () => byId("keys").showModal(),
};

// Keys that an element handles itself; buttons of a player leave the space bar to the player.
function keysOf(element) {
  if (element.matches(".wide")) return ["ArrowLeft", "ArrowRight"];
  if (element.matches(".version, .play, .abx button")) return ["Enter"];
  return element.matches("button, a, summary, [type=checkbox]") ? [" ", "Enter"] : [];
}

function onKey(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  const isTyped = target.matches("select, input:not([type=checkbox], [type=range])");
  if (isTyped || keysOf(target).includes(key)) return;
  let action = { ...everywhere, ...(blind.running ? inTrial : inPage) }[key.length === 1 ? key.toLowerCase() : key];
  if (!action && !blind.running && /^[1-9]$/.test(key) && player.clip) {
    const sound = soundsOf(player.clip)[Number(key) - 1];
    action = sound && (() => playFrom(player.clip, sound.index, null));
  }
  if (action) {
    event.preventDefault();
    action();
  }
}

byId("set").addEventListener("change", (event) => change({ set: event.target.value }));
byId("metric").addEventListener("change", (event) => change({ metric: event.target.value }));
byId("theme").addEventListener("click", toggleTheme);
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("loop").addEventListener("change", (event) => player.setLoop(event.target.checked));
byId("match").addEventListener("change", (event) => player.setMatch(event.target.checked));
document.addEventListener("keydown", onKey);
// A button is triggered when the space bar is released.
document.addEventListener("keyup", (event) => {
  if (event.key === " " && event.target.matches(".version, .play, .abx button")) event.preventDefault();
});

let redraw = 0;
addEventListener("resize", () => {
  clearTimeout(redraw);
  redraw = setTimeout(() => [drawDistributions, drawScatter, drawCurves].forEach((draw) => draw()), 150);
});

drawHead();
change({});
drawCurves();
moveHeads();
