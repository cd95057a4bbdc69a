"use strict";
// Dark or light: what was chosen last time, else what the system prefers. Loaded first, so that nothing flashes.

const systemTheme = matchMedia("(prefers-color-scheme: dark)");

function storedTheme() {
  try {
    return localStorage.getItem("codecse-theme");
  } catch {
    return null; // a browser may refuse storage to pages that are files
  }
}

function applyTheme() {
  document.documentElement.dataset.theme = storedTheme() || (systemTheme.matches ? "dark" : "light");
}

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("codecse-theme", theme);
  } catch {
    // It lasts until the page is left.
  }
}

systemTheme.addEventListener("change", applyTheme);
applyTheme();
