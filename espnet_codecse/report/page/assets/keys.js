"use strict";
// The keyboard shortcuts and their list; the buttons and boxes that every page with players has.

const SHORTCUTS = [
  ["Space", "play, pause"],
  ["1 … 9", "select a version by number"],
  ["J, K", "next, previous version"],
  ["←, →", "one second back, forward"],
  ["N, P", "next, previous utterance"],
  ["L, M", "loop; same level"],
  ["A, B, X", "in the blind test: play A, B, X"],
  ["1, 2, Enter", "in the blind test: X is A, X is B; next trial"],
  ["T, ?", "dark or light theme; this list"],
];

function drawKeys() {
  const known = SHORTCUTS.filter(([, text]) => byId("blind") || !text.includes("blind test"));
  document.body.append(html("dialog", { id: "keys", "aria-labelledby": "keys-heading" },
    html("h2", { id: "keys-heading" }, "Keyboard shortcuts"),
    html("dl", {}, known.map(([key, text]) => [html("dt", {}, key), html("dd", {}, text)]).flat()),
    html("form", { method: "dialog" }, html("button", {}, "Close"))));
}

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

byId("theme").addEventListener("click", toggleTheme);
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("loop").addEventListener("change", (event) => player.setLoop(event.target.checked));
byId("match").addEventListener("change", (event) => player.setMatch(event.target.checked));
document.addEventListener("keydown", onKey);
// A button is triggered when the space bar is released.
document.addEventListener("keyup", (event) => {
  if (event.key === " " && event.target.matches(".version, .play, .abx button")) event.preventDefault();
});

drawKeys();
