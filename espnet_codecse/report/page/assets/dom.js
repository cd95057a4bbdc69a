"use strict";
// Creates elements, and formats numbers for the tables.

const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function options(select, values, texts = values) {
  select.replaceChildren(...values.map((value, index) => html("option", { value }, texts[index])));
}

const isNumber = (value) => typeof value === "number";

function format(metric, value) {
  if (!isNumber(value)) return "–";
  return value.toFixed(metric.includes("STOI") ? 3 : 2).replace("-", "−");
}

function time(seconds) {
  const tenths = Math.floor(seconds * 10);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}
