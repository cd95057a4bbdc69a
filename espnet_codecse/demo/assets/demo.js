"use strict";
// Sends recordings to the server, shows their progress, and adds the results to the players of the report page.

const SETTINGS = JSON.parse(byId("settings").textContent);
const POLL = 250; // ms
let recorder = null;

async function send(blob, name) {
  const model = byId("model").value;
  const line = html("div", { class: "task" }, html("span", {}, name));
  byId("tasks").prepend(line);
  const query = new URLSearchParams({ name, model });
  try {
    if (blob.size > SETTINGS.max_bytes) {
      throw new Error(`larger than ${Math.round(SETTINGS.max_bytes / 1e6)} MB; use codecse enhance`);
    }
    const answer = await fetch(`enhance?${query}`, {
      method: "POST", headers: { "X-Codecse-Key": SETTINGS.key }, body: blob,
    });
    if (!answer.ok) throw new Error(await answer.text());
    const { task } = await answer.json();
    await follow(task, line);
  } catch (error) {
    const text = error.message.startsWith(`${name}: `) ? error.message : `${name}: ${error.message}`;
    line.replaceChildren(html("span", { class: "error", role: "alert" }, text));
  }
}

async function follow(number, line) {
  const bar = html("progress", { max: 1, value: 0, "aria-label": "progress" });
  line.append(bar);
  for (;;) {
    const task = await (await fetch(`tasks/${number}`)).json();
    bar.value = task.share;
    if (task.state === "failed") throw new Error(task.reason);
    if (task.state === "done") {
      bar.remove();
      task.outputs.forEach((name, index) => {
        line.append(html("a", { href: `tasks/${number}/${index}`, download: name }, `Download ${name}`));
      });
      REPORT.clips.unshift(task.clip);
      change({});
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
}

async function startRecording() {
  const context = new AudioContext();
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio });
  await context.audioWorklet.addModule("record-worklet.js");
  const node = new AudioWorkletNode(context, "record-processor", { channelCount: 1, channelCountMode: "explicit" });
  const pieces = [];
  node.port.onmessage = ({ data }) => {
    pieces.push(data);
    const peak = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    const share = Math.max(0, 100 + (100 / 60) * 20 * Math.log10(peak + 1e-6)); // 60 dB
    byId("level").style.setProperty("--share", `${share}%`);
    byId("level").setAttribute("aria-valuenow", Math.round(share));
  };
  context.createMediaStreamSource(microphone).connect(node);
  recorder = { context, microphone, pieces };
}

function stopRecording() {
  const { context, microphone, pieces } = recorder;
  recorder = null;
  microphone.getTracks().forEach((track) => track.stop());
  context.close();
  const now = new Date().toTimeString().slice(0, 8).replaceAll(":", "");
  return send(wav(pieces, context.sampleRate), `recording_${now}.wav`);
}

async function toggleRecording() {
  try {
    if (recorder) stopRecording();
    else await startRecording();
  } catch (error) {
    byId("tasks").prepend(html("p", { class: "error", role: "alert" }, `microphone: ${error.message}`));
  }
  byId("form").classList.toggle("recording", recorder !== null);
  byId("record").textContent = recorder ? "Stop" : "Record";
}

// A wav file of 16 bits with one channel.
function wav(pieces, rate) {
  const count = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (place, letters) => [...letters].forEach((letter, index) => view.setUint8(place + index, letter.charCodeAt()));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  [[16, 16], [24, rate], [28, 2 * rate], [40, 2 * count]].forEach(([place, value]) => view.setUint32(place, value, true));
  [[20, 1], [22, 1], [32, 2], [34, 16]].forEach(([place, value]) => view.setUint16(place, value, true));
  text(36, "data");
  let place = 44;
  for (const piece of pieces) {
    for (const sample of piece) {
      view.setInt16(place, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
      place += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

function sendFiles(files) {
  for (const file of files) send(file, file.name);
}

options(byId("model"), SETTINGS.models);
byId("file").addEventListener("change", (event) => {
  sendFiles(event.target.files);
  event.target.value = "";
});
byId("record").addEventListener("click", toggleRecording);
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  byId("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", over);
    if (kind === "drop") sendFiles(event.dataTransfer.files);
  });
}
byId("drop").addEventListener("keydown", ({ key }) => key === "Enter" && byId("file").click());
moveHeads();
