"use strict";
// The utterances to listen to: one card each, with the waveforms and spectrograms of its versions in rows.

const cards = new Map(); // clip -> elements of its card
const speakers = new Map(); // clip -> the selected speaker

function soundsOf(clip) {
  const speaker = speakers.get(clip) || 1;
  return clip.sounds.map((sound, index) => ({ ...sound, index })).filter((sound) => {
    const system = REPORT.systems[sound.system];
    const shown = !system || system.kind === "noisy" || state.shown.has(sound.system);
    return shown && (sound.speaker === 0 || sound.speaker === speaker);
  });
}

async function playFrom(clip, index, position) {
  const card = cards.get(clip);
  try {
    await player.load(clip);
  } catch (error) {
    card.error.textContent = `${error.message}; make the page again`;
    return;
  }
  if (player.clip !== clip) return;
  if (index !== null) player.select(index);
  if (position !== null) player.seek(position);
  if (position !== null || index !== null) player.play();
}

async function toggleClip(clip) {
  if (player.clip === clip && player.buffers.length) player.toggle();
  else await playFrom(clip, (soundsOf(clip)[0] || { index: 0 }).index, 0);
}

function waveform({ peaks, share }) {
  const values = new Int8Array(bytesOf(peaks).buffer);
  let path = "";
  for (let number = 0; number < values.length / 2; number += 1) {
    path += `M${number + 0.5},${127 - values[2 * number + 1]}V${128 - values[2 * number]}`;
  }
  return svg("svg", {
    class: "wave", viewBox: `0 0 ${values.length / 2} 255`, preserveAspectRatio: "none", "aria-hidden": "true",
    style: `width: ${100 * share}%`,
  }, svg("path", { d: path }));
}

function versionScore(clip, sound) {
  const values = sound.system === null ? null : REPORT.systems[sound.system].values[state.metric];
  const value = values && values[REPORT.points[clip.set].indexOf(clip.utterance)];
  return isNumber(value) ? format(state.metric, value) : "";
}

function drawVersion(clip, sound, number) {
  const score = versionScore(clip, sound);
  const color = REPORT.systems.length ? swatch(sound.system) : null;
  const button = html("button", {
    type: "button", class: "version", "aria-pressed": "false", "data-sound": sound.index,
    onclick: () => playFrom(clip, sound.index, null),
  }, html("kbd", {}, number <= 9 ? String(number) : "·"), color, html("span", {}, sound.label),
  html("small", {}, score && `${state.metric} ${score}`));
  const picture = html("div", {
    class: "picture", onclick: (event) => {
      const { left, width } = event.currentTarget.getBoundingClientRect();
      playFrom(clip, sound.index, ((event.clientX - left) / width) * clip.seconds);
    },
  }, waveform(sound),
  html("div", { class: "spectrogram" },
    html("img", {
      src: `clips/${clip.folder}/${sound.index}.webp`, alt: `spectrogram of ${sound.label}`, loading: "lazy",
      style: `width: ${100 * sound.share}%`,
    }),
    html("span", { class: "high" }, `${clip.rate / 2000} kHz`), html("span", { class: "low" }, "0")),
  html("div", { class: "head" }));
  return html("div", { class: "row" }, button, picture);
}

function timeAxis(clip) {
  const marks = ticks(0, clip.seconds, 8).filter(({ value }) => value < 0.97 * clip.seconds)
    .map(({ value, text }) => html("span", { style: `left: ${(100 * value) / clip.seconds}%` }, text));
  return html("div", { class: "row" },
    html("span", { class: "unit" }, "time (s)"), html("div", { class: "times" }, marks));
}

function speakerChoice(clip) {
  if (clip.speakers < 2) return null;
  const select = html("select", {
    onchange: (event) => {
      speakers.set(clip, Number(event.target.value));
      drawVersions(clip);
      const same = soundsOf(clip).find((sound) => sound.label === clip.sounds[player.active].label);
      if (player.clip === clip && same) player.select(same.index);
    },
  });
  options(select, [...Array(clip.speakers).keys()].map((number) => String(number + 1)));
  return html("label", {}, "speaker ", select);
}

// Only pages whose files lie beside them name these.
function downloads(clip) {
  if (!clip.files) return null;
  return html("p", { class: "downloads" }, "Download ", clip.files.map((file, index) => {
    const { label } = clip.sounds[index];
    const name = `${clip.folder}_${label}${file.slice(file.lastIndexOf("."))}`;
    return html("a", { href: file, download: name, "aria-label": `Download ${label} of ${clip.utterance}` }, label);
  }));
}

function drawCard(clip) {
  const parts = {
    play: html("button", { type: "button", class: "play", onclick: () => toggleClip(clip) }, "▶"),
    time: html("output", {}, time(0)),
    slider: html("input", {
      type: "range", min: 0, max: clip.seconds, step: 0.01, value: 0, "aria-label": "position in seconds",
      oninput: (event) => playerAt(clip, Number(event.target.value)),
    }),
    versions: html("div", { class: "versions" }),
    error: html("p", { class: "error", role: "alert" }),
  };
  const facts = [clip.where, ...clip.facts].map((fact) => html("span", { class: "tag" }, fact));
  parts.node = html("article", { class: "clip", id: `clip-${clip.folder}` },
    html("header", {}, html("h3", {}, clip.utterance), ...facts),
    html("div", { class: "controls" }, parts.play, parts.time, parts.slider, speakerChoice(clip)),
    parts.error, parts.versions, downloads(clip));
  cards.set(clip, parts);
  return parts.node;
}

async function playerAt(clip, position) {
  if (player.clip !== clip) await playFrom(clip, null, null);
  player.seek(position);
}

function drawVersions(clip) {
  const rows = soundsOf(clip).map((sound, number) => drawVersion(clip, sound, number + 1));
  cards.get(clip).versions.replaceChildren(...rows, timeAxis(clip));
  markVersions();
}

function drawClips() {
  const clips = clipsOfSet();
  if (player.clip && !clips.includes(player.clip)) player.stop();
  byId("listen").hidden = !REPORT.clips.length || blind.running;
  byId("clips").replaceChildren(...clips.map((clip) => (cards.has(clip) ? cards.get(clip).node : drawCard(clip))));
  if (!clips.length) byId("clips").append("The page has no audio of this set.");
  clips.forEach(drawVersions);
}

function markVersions() {
  for (const [clip, card] of cards) {
    const isCurrent = player.clip === clip;
    card.node.classList.toggle("current", isCurrent);
    card.play.textContent = isCurrent && player.playing ? "❚❚" : "▶";
    card.play.setAttribute("aria-label", isCurrent && player.playing ? "pause" : "play");
    for (const button of card.versions.querySelectorAll(".version")) {
      const chosen = isCurrent && Number(button.dataset.sound) === player.active;
      button.setAttribute("aria-pressed", String(chosen));
      button.parentNode.classList.toggle("chosen", chosen);
    }
  }
}

function moveHeads() {
  const card = cards.get(player.clip);
  if (card) {
    const { position, seconds } = player;
    const share = `${(100 * position) / seconds}%`;
    if (card.versions.style.getPropertyValue("--position") !== share) {
      card.time.textContent = `${time(position)} / ${time(seconds)}`;
      card.slider.value = position;
      card.versions.style.setProperty("--position", share);
    }
  }
  requestAnimationFrame(moveHeads);
}

function goToClip(clip) {
  if (blind.running) return;
  cards.get(clip).node.scrollIntoView({ block: "start" });
  if (player.clip !== clip) playFrom(clip, null, null);
}

function stepVersion(step) {
  const indices = soundsOf(player.clip).map((sound) => sound.index);
  const place = indices.indexOf(player.active) + step;
  player.select(indices[(place + indices.length) % indices.length]);
}

function stepClip(step) {
  const clips = clipsOfSet();
  const place = clips.includes(player.clip) ? clips.indexOf(player.clip) + step : 0;
  if (clips[place]) goToClip(clips[place]);
}

player.watchers.push(markVersions);
onChange(drawClips);
