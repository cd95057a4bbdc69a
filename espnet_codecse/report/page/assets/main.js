"use strict";
// The page header and the initial drawing.

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

byId("set").addEventListener("change", (event) => change({ set: event.target.value }));
byId("metric").addEventListener("change", (event) => change({ metric: event.target.value }));

let redraw = 0;
addEventListener("resize", () => {
  clearTimeout(redraw);
  redraw = setTimeout(() => [drawDistributions, drawScatter, drawCurves].forEach((draw) => draw()), 150);
});

drawHead();
change({});
drawCurves();
moveHeads();
