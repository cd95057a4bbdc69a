"use strict";
// The A/B/X test: is X A or B, and which of them is better? The answers are saved as JSON.

const blind = { running: false, trials: [], current: 0, names: [], set: "", started: "", heard: "a" };
const panel = byId("blind-panel");
const button = (text, attributes, action) => html("button", { type: "button", ...attributes, onclick: action }, text);

function labelsToCompare() {
  return [...new Set(clipsOfSet().flatMap((clip) => clip.sounds.map((sound) => sound.label)))];
}

function pairsToCompare(names) {
  const items = [];
  for (const clip of clipsOfSet()) {
    for (let speaker = 1; speaker <= clip.speakers; speaker += 1) {
      const sounds = names.map((name) =>
        clip.sounds.findIndex((sound) => sound.label === name && [0, speaker].includes(sound.speaker)));
      if (!sounds.includes(-1)) items.push({ clip, sounds: sounds.map((index) => ({ ...clip.sounds[index], index })) });
    }
  }
  return items;
}

function drawSetup(message = "") {
  blind.running = false;
  player.pause();
  player.setMatch(byId("match").checked);
  const labels = labelsToCompare();
  byId("blind").hidden = !REPORT.clips.length;
  if (labels.length < 2) {
    panel.replaceChildren("The test needs two versions of an utterance; the page has fewer for this set.");
    return;
  }
  const [first, second] = [html("select", { id: "blind-first" }), html("select", { id: "blind-second" })];
  for (const select of [first, second]) options(select, labels);
  const experiment = REPORT.systems.filter((system) => system.set === state.set && system.kind === "experiment")
    .sort(byMean(state.metric)).find((system) => labels.includes(system.name));
  second.value = experiment ? experiment.name : labels[1];
  const count = html("input", { id: "blind-count", type: "number", min: 1, max: 100, value: 10 });
  panel.replaceChildren(
    html("p", { class: "note" }, "A and B are two versions in random order; X is one of them. All play at one level. " +
      "Decide whether X is A or B and, optionally, which is better. Images and scores are hidden during the test."),
    html("p", { class: "error", role: "alert" }, message),
    html("div", { class: "bar" }, html("label", {}, "compare ", first), html("label", {}, "with ", second),
      html("label", {}, "trials ", count),
      button("Start", { id: "blind-start", class: "main" },
        () => startBlind([first.value, second.value], Number(count.value)))));
}

function startBlind(names, count) {
  const items = names[0] === names[1] ? [] : pairsToCompare(names);
  if (!items.length || !(count >= 1)) {
    drawSetup("Choose two different versions of the same utterance, and at least one trial.");
    return;
  }
  Object.assign(blind, { running: true, names, set: state.set, started: new Date().toISOString(), current: 0 });
  blind.trials = drawTrials(items, Math.min(100, Math.floor(count)));
  drawClips();
  startTrial();
}

async function startTrial() {
  const trial = blind.trials[blind.current];
  player.stop();
  player.setMatch(true);
  drawTrial();
  try {
    await player.load(trial.clip);
  } catch (error) {
    drawSetup(`${error.message}; make the page again`);
    drawClips();
    return;
  }
  trial.started = performance.now();
  hear("a");
}

function hear(which) {
  const trial = blind.trials[blind.current];
  if (!blind.running || !player.buffers.length) return;
  if (which !== blind.heard) trial.switches += 1;
  blind.heard = which;
  player.select(trial[which].index);
  player.play();
  drawTrial();
}

function answer(values) {
  Object.assign(blind.trials[blind.current], values);
  drawTrial();
}

function nextTrial() {
  const trial = blind.trials[blind.current];
  if (trial.answer === null) return;
  trial.seconds = Math.round(performance.now() - trial.started) / 1000;
  blind.current += 1;
  if (blind.current < blind.trials.length) startTrial();
  else finishBlind();
}

function drawTrial() {
  const trial = blind.trials[blind.current];
  const focused = document.activeElement && document.activeElement.id;
  const pressed = (chosen) => ({ "aria-pressed": String(chosen) });
  panel.replaceChildren(
    html("p", {}, `Trial ${blind.current + 1} of ${blind.trials.length}`),
    html("div", { class: "bar abx" }, ["a", "b", "x"].map((name) =>
      button(name.toUpperCase(), { id: `hear-${name}`, ...pressed(blind.heard === name) }, () => hear(name))),
    button("play / pause", { id: "blind-play" }, () => player.toggle())),
    html("div", { class: "bar" }, html("span", {}, "X is"), ["a", "b"].map((name, index) =>
      button(`${name.toUpperCase()} (${index + 1})`, { id: `answer-${name}`, ...pressed(trial.answer === name) },
        () => answer({ answer: name })))),
    html("div", { class: "bar" }, html("span", {}, "better is"), [["a", "A"], ["b", "B"], [null, "no preference"]]
      .map(([name, text]) => button(text, { id: `prefer-${name}`, ...pressed(trial.preference === name) },
        () => answer({ preference: name })))),
    html("div", { class: "bar" },
      button("Next", { id: "blind-next", class: "main", disabled: trial.answer === null }, nextTrial),
      button("Stop and show results", { id: "blind-stop" }, finishBlind)));
  if (focused && byId(focused)) byId(focused).focus();
}

function finishBlind() {
  const results = resultsOf(blind.trials.slice(0, blind.current), blind);
  drawSetup();
  drawClips();
  if (!results.total) return;
  const preferred = Object.entries(results.preferred).map(([name, count]) => `${name}: ${count}`).join("; ");
  panel.prepend(html("div", { class: "outcome" },
    html("p", {}, html("strong", {}, `${results.correct} of ${results.total} correct`),
      ` (by guessing: p = ${results.p_value.toFixed(3)}). Preferred: ${preferred}.`),
    button("Save answers (JSON)", { id: "blind-save", class: "main" }, () => saveJson(results, "blind_test.json"))));
}

function saveJson(value, name) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: "application/json" }));
  html("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const inTrial = {
  a: () => hear("a"),
  b: () => hear("b"),
  x: () => hear("x"),
  1: () => answer({ answer: "a" }),
  2: () => answer({ answer: "b" }),
  Enter: nextTrial,
};

onChange(() => {
  if (!blind.running) drawSetup();
  else if (blind.set !== state.set) finishBlind();
});
