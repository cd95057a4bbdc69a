"use strict";
// Dark or light theme: the last choice, else the preference of the system. Loaded first, to avoid a flash.

const systemTheme = matchMedia("(prefers-color-scheme: dark)");

function storedTheme() {
  try {
    return localStorage.getItem("codecse-theme");
  } catch {
    return null; // browsers may deny storage to pages opened as files
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
    // Without storage the choice lasts until the page is closed.
  }
}

systemTheme.addEventListener("change", applyTheme);
applyTheme();
