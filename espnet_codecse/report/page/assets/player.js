"use strict";
// One player for the page. All versions of a clip run together from the clock of one AudioContext, and only the chosen
// one is audible, so switching keeps the position. The audio of a clip is a script, loaded when it is first played.

const FADE = 0.006; // seconds, avoids clicks
const waiting = new Map();

function receiveSound(folder, encoded) {
  waiting.get(folder)?.(encoded); // after a repeated request nothing is waiting
  waiting.delete(folder);
}

function requestSound(folder) {
  return new Promise((resolve, reject) => {
    const script = html("script", { src: `clips/${folder}/audio.js` });
    script.onerror = () => reject(new Error(`clips/${folder}/audio.js cannot be loaded`));
    waiting.set(folder, resolve);
    document.body.append(script);
    script.onload = () => script.remove();
  });
}

function bytesOf(encoded) {
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}

const player = {
  context: null,
  clip: null,
  buffers: [],
  gains: [],
  sources: [],
  active: 0, // index among the clip's sounds
  playing: false,
  loop: false,
  match: false,
  offset: 0, // seconds: position when paused, or when playback started
  startedAt: 0, // on the context's clock
  request: 0,
  watchers: [],

  async load(clip) {
    if (this.clip === clip) return this.loading;
    this.stop();
    Object.assign(this, { clip, buffers: [], active: 0, offset: 0 });
    this.request += 1;
    this.loading = this.decode(clip, this.request);
    return this.loading;
  },

  async decode(clip, request) {
    this.context ??= new AudioContext();
    this.context.resume(); // not only in play(): phones require it before the first await
    const encoded = await requestSound(clip.folder);
    const decoded = await Promise.all(encoded.map((text) => this.context.decodeAudioData(bytesOf(text).buffer)));
    if (request !== this.request) return; // another clip was requested in the meantime
    const length = Math.max(...decoded.map((buffer) => buffer.length));
    this.buffers = decoded.map((buffer) => {
      const padded = this.context.createBuffer(1, length, this.context.sampleRate);
      padded.copyToChannel(buffer.getChannelData(0), 0);
      return padded;
    });
    this.tell();
  },

  get seconds() {
    return this.clip ? this.clip.seconds : 0;
  },

  get position() {
    if (!this.playing) return this.offset;
    const position = this.offset + Math.max(0, this.context.currentTime - this.startedAt);
    return this.loop ? position % this.buffers[0].duration : Math.min(position, this.seconds);
  },

  level(index) {
    if (index !== this.active) return 0;
    const { sounds } = this.clip;
    if (!this.match) return 1;
    const loudness = sounds.map((sound) => sound.rms).filter((rms) => rms > 0);
    return sounds[index].rms > 0 ? Math.min(...loudness) / sounds[index].rms : 1;
  },

  play() {
    if (this.playing || !this.buffers.length) return;
    this.context.resume();
    if (this.offset >= this.seconds) this.offset = 0;
    this.startedAt = this.context.currentTime + 0.02;
    this.gains = this.buffers.map((_, index) => {
      const gain = this.context.createGain();
      gain.gain.value = this.level(index);
      gain.connect(this.context.destination);
      return gain;
    });
    this.sources = this.buffers.map((buffer, index) => {
      const source = this.context.createBufferSource();
      source.buffer = buffer;
      source.loop = this.loop;
      source.connect(this.gains[index]);
      source.start(this.startedAt, this.offset);
      return source;
    });
    const [first] = this.sources;
    first.onended = () => {
      if (this.sources[0] === first) this.rest(0);
    };
    this.playing = true;
    this.tell();
  },

  // Stop at a position.
  rest(position) {
    this.offset = position;
    this.playing = false;
    for (const source of this.sources.splice(0)) source.stop();
    for (const gain of this.gains.splice(0)) gain.disconnect();
    this.tell();
  },

  pause() {
    if (this.playing) this.rest(this.position);
  },

  stop() {
    if (this.playing) this.rest(0);
  },

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  },

  seek(position) {
    const { playing } = this;
    const target = Math.min(Math.max(0, position), this.seconds);
    if (playing) this.rest(target);
    this.offset = target;
    if (playing) this.play();
    this.tell();
  },

  select(index) {
    this.active = index;
    this.updateLevels();
    this.tell();
  },

  updateLevels() {
    this.gains.forEach((gain, number) => {
      gain.gain.cancelScheduledValues(this.context.currentTime);
      gain.gain.setTargetAtTime(this.level(number), this.context.currentTime, FADE / 3);
    });
  },

  setLoop(loop) {
    const { playing } = this;
    this.pause();
    this.loop = loop;
    if (playing) this.play();
  },

  setMatch(match) {
    this.match = match;
    this.updateLevels();
  },

  tell() {
    for (const watcher of this.watchers) watcher();
  },
};
