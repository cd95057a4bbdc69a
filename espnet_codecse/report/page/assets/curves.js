"use strict";
// One chart per training, for a quantity that ESPnet's trainer reported after every epoch.

function drawCurve({ section, step, quantities }, name, size) {
  const phases = quantities[name];
  const points = Object.values(phases).flat();
  const drawing = frame(size, size * 0.62, span(points.map((point) => point[1])), `${name} of ${section}`, 48);
  const x = horizontalAxis(drawing, span(points.map((point) => point[0])), "epoch");
  for (const [phase, line] of Object.entries(phases)) {
    const path = line.map(([epoch, value], index) => `${index ? "L" : "M"}${x(epoch)},${drawing.y(value)}`).join("");
    drawing.node.append(svg("path", { class: `curve ${phase}`, d: path }));
    for (const [epoch, value] of line) {
      drawing.node.append(svg("circle", { class: `curve-dot ${phase}`, cx: x(epoch), cy: drawing.y(value), r: 2.5 },
        svg("title", {}, `epoch ${epoch}, ${phase}: ${value}`)));
    }
  }
  return html("figure", { style: `width: ${size}px` }, html("figcaption", {}, `${section}, ${step}`), drawing.node);
}

function drawCurves() {
  const name = byId("quantity").value;
  const place = document.querySelector("#training .tiles");
  const found = REPORT.curves.filter((curve) => curve.quantities[name]);
  const size = Math.min(360, place.clientWidth - 2);
  place.replaceChildren(...found.map((curve) => drawCurve(curve, name, size)));
}

function startCurves() {
  const names = [...new Set(REPORT.curves.flatMap((curve) => Object.keys(curve.quantities)))].sort();
  options(byId("quantity"), names);
  if (names.includes("loss")) byId("quantity").value = "loss";
  byId("training").hidden = !names.length;
  document.querySelector('#links [href="#training"]').hidden = !names.length;
  byId("quantity").addEventListener("change", drawCurves);
}

startCurves();
