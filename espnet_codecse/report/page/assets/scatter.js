"use strict";
// Utterances of every experiment against the same utterances through the codec alone, or unprocessed.

function pairsOf(system) {
  const other = REPORT.systems[system[byId("against").value]];
  const [xs, ys] = [other && other.values[state.metric], system.values[state.metric]];
  if (!xs || !ys) return [];
  return REPORT.points[state.set]
    .map((utterance, index) => ({ utterance, x: xs[index], y: ys[index] }))
    .filter((pair) => isNumber(pair.x) && isNumber(pair.y));
}

function drawScatterOf(system, pairs, rangeX, rangeY, size) {
  const drawing = frame(size, size * 0.8, rangeY, `${system.name} by ${state.metric}`, 40);
  const x = horizontalAxis(drawing, rangeX, "");
  const ends = [Math.max(rangeX[0], rangeY[0]), Math.min(rangeX[1], rangeY[1])];
  if (ends[0] < ends[1]) {
    drawing.node.append(svg("line", {
      class: "equal", x1: x(ends[0]), x2: x(ends[1]), y1: drawing.y(ends[0]), y2: drawing.y(ends[1]),
    }));
  }
  for (const { utterance, x: horizontal, y: vertical } of pairs) {
    const clip = clipsOfSet().find((candidate) => candidate.utterance === utterance);
    const text = `${utterance}: ${format(state.metric, vertical)} against ${format(state.metric, horizontal)}`;
    drawing.node.append(svg("circle", {
      class: clip ? "dot heard" : "dot", cx: x(horizontal), cy: drawing.y(vertical), r: clip ? 5 : 3,
      style: `--color: ${colorOf(system.index)}`, onclick: clip ? () => goToClip(clip) : () => {},
    }, svg("title", {}, text)));
  }
  return drawing.node;
}

function drawScatter() {
  const found = shownSystems().filter((system) => system.kind === "experiment")
    .map((system) => ({ system, pairs: pairsOf(system) })).filter(({ pairs }) => pairs.length);
  const place = document.querySelector("#scatter .tiles");
  if (!found.length) {
    place.replaceChildren(`Nothing to show: no ticked experiment has values of ${state.metric} to compare here.`);
    return;
  }
  const all = found.flatMap(({ pairs }) => pairs);
  const [rangeX, rangeY] = [span(all.map((pair) => pair.x)), span(all.map((pair) => pair.y))];
  const size = Math.min(288, place.clientWidth - 2);
  place.replaceChildren(...found.map(({ system, pairs }) => {
    const gain = pairs.reduce((sum, pair) => sum + pair.y - pair.x, 0) / pairs.length;
    const heading = `${system.name}: ${gain > 0 ? "+" : ""}${format(state.metric, gain)}`;
    return html("figure", { style: `width: ${size}px` }, html("figcaption", {}, swatch(system.index), heading),
      drawScatterOf(system, pairs, rangeX, rangeY, size));
  }));
}

byId("against").addEventListener("change", drawScatter);
onChange(drawScatter);
