"use strict";
// What the scripts of the report page expect: one set without systems, whose clips are added as they are made.
const REPORT = {
  sets: ["demo"], metrics: [{ name: "", higher: true }], metric: "", systems: [], points: { demo: [] }, clips: [],
};
const blind = { running: false };
