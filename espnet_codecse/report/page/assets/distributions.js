"use strict";
// Box plots of the chosen metric for each group of utterances, side by side for the systems shown.

const BOX_WIDTH = 12;

function boxOf(system, group) {
  const groups = system.boxes[byId("heading").value];
  return (groups && groups[group] && groups[group][state.metric]) || null;
}

function drawBox(system, box, x, y) {
  const [count, low, first, middle, third, high] = box;
  const text = `${system.name}: median ${format(state.metric, middle)}, quartiles ${format(state.metric, first)} and ` +
    `${format(state.metric, third)}, ${count} utterances`;
  const half = BOX_WIDTH / 2 - 1;
  return svg("g", { class: "box", style: `--color: ${colorOf(system.index)}` },
    svg("title", {}, text),
    svg("line", { x1: x, x2: x, y1: y(low), y2: y(high) }),
    svg("rect", { x: x - half, width: 2 * half, y: y(third), height: Math.max(1, y(first) - y(third)) }),
    svg("line", { class: "median", x1: x - half, x2: x + half, y1: y(middle), y2: y(middle) }));
}

function drawDistributions() {
  const groups = REPORT.headings[byId("heading").value].filter((group) => systemsOfSet().some((s) => boxOf(s, group)));
  const systems = shownSystems().filter((system) => groups.some((group) => boxOf(system, group)));
  const place = document.querySelector("#distributions .chart");
  document.querySelector("#distributions .legend").replaceChildren(
    ...systems.map((system) => html("span", { class: "key" }, swatch(system.index), system.name)));
  if (!systems.length) {
    place.replaceChildren(`Nothing to show: no ticked system has values of ${state.metric} here.`);
    return;
  }
  const needed = 60 + groups.length * (systems.length * BOX_WIDTH + 36);
  const width = Math.max(place.clientWidth - 2, needed);
  const boxes = groups.flatMap((group) => systems.map((system) => boxOf(system, group))).filter(Boolean);
  const drawing = frame(width, 320, span(boxes.flatMap((box) => [box[1], box[5]])), `${state.metric} by group`);
  const step = (drawing.box.right - drawing.box.left) / groups.length;
  const gap = Math.min(2.2 * BOX_WIDTH, (step - 36) / systems.length);
  groups.forEach((group, number) => {
    const middle = drawing.box.left + (number + 0.5) * step;
    if (number % 2 === 0) {
      drawing.node.prepend(svg("rect", {
        class: "band", x: middle - step / 2, width: step,
        y: drawing.box.top, height: drawing.box.bottom - drawing.box.top,
      }));
    }
    drawing.node.append(svg("text", { class: "tick", x: middle, y: 308, "text-anchor": "middle" },
      group.length > step / 7 ? `${group.slice(0, Math.floor(step / 7))}…` : group, svg("title", {}, group)));
    systems.forEach((system, rank) => {
      const box = boxOf(system, group);
      const x = middle + (rank - (systems.length - 1) / 2) * gap;
      if (box) drawing.node.append(drawBox(system, box, x, drawing.y));
    });
  });
  place.replaceChildren(drawing.node);
}

options(byId("heading"), Object.keys(REPORT.headings));
byId("heading").addEventListener("change", drawDistributions);
onChange(drawDistributions);
