"use strict";
// Scales and axes of the charts.

function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const values = [];
  for (let number = Math.ceil(low / step - 1e-9); number * step <= high + 1e-9 * step; number += 1) {
    values.push({ value: number * step, text: tickText(number * step, step) });
  }
  return values;
}

function tickText(value, step) {
  if (step < 1e-3 || Math.abs(value) >= 1e5) return value === 0 ? "0" : value.toExponential(0);
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9))).replace("-", "−");
}

// The range of some values with a little air; never empty.
function span(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (isNumber(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  if (low > high) [low, high] = [0, 1];
  const air = 0.04 * (high - low) || 0.5;
  return [low - air, high + air];
}

const scale = (from, to) => (value) => to[0] + ((value - from[0]) / (from[1] - from[0])) * (to[1] - to[0]);

// A drawing with a vertical axis on the left: { node, box: {left, right, top, bottom}, y }.
function frame(width, height, range, label, left = 46) {
  const box = { left, right: width - 8, top: 8, bottom: height - 30 };
  const y = scale(range, [box.bottom, box.top]);
  const node = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const tick of ticks(range[0], range[1], Math.max(2, Math.floor(height / 50)))) {
    node.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick.value), y2: y(tick.value) }));
    node.append(svg("text", { class: "tick", x: box.left - 6, y: y(tick.value) + 4, "text-anchor": "end" }, tick.text));
  }
  return { node, box, y };
}

function horizontalAxis(drawing, range, label) {
  const { node, box } = drawing;
  const x = scale(range, [box.left, box.right]);
  for (const tick of ticks(range[0], range[1], Math.max(2, Math.floor((box.right - box.left) / 60)))) {
    node.append(svg("line", { class: "grid", y1: box.top, y2: box.bottom, x1: x(tick.value), x2: x(tick.value) }));
    const place = { x: x(tick.value), y: box.bottom + 14, "text-anchor": "middle" };
    node.append(svg("text", { class: "tick", ...place }, tick.text));
  }
  node.append(svg("text", { class: "tick", x: box.right, y: box.bottom + 25, "text-anchor": "end" }, label));
  return x;
}
