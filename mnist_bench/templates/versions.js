"use strict";
// The page is complete without this script, which adds the choice of light or dark colours, and of rows.
const root = document.documentElement;
const theme = document.getElementById("theme");
const isDark = () => (root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "light" : "dark"; theme.setAttribute("aria-label", `Show the page in ${theme.textContent} colours`); };
theme.hidden = false;
theme.addEventListener("click", () => { root.style.colorScheme = isDark() ? "light" : "dark"; nameTheme(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
nameTheme();

const find = document.getElementById("find"), show = document.getElementById("show"), shown = document.getElementById("shown");
const rows = [...document.querySelectorAll("[data-row]")];
const tones = { "": [], bad: ["bad", "known"], open: ["open"], moved: ["moved"] };
function choose() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const has = row.dataset.tones.split(" "), wanted = tones[show.value];
    row.hidden = !(words.every((word) => row.dataset.text.toLowerCase().includes(word)) && (!wanted.length || wanted.some((tone) => has.includes(tone))));
  }
  for (const body of document.querySelectorAll(".grid tbody")) body.hidden = ![...body.querySelectorAll("[data-row]")].some((row) => !row.hidden);
  const left = rows.filter((row) => !row.hidden).length;
  shown.textContent = left === rows.length ? "" : `${left} of ${rows.length}`;
}
find.closest(".controls").hidden = false;
find.addEventListener("input", choose);
show.addEventListener("change", choose);

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = target?.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  target?.scrollIntoView();
}
addEventListener("hashchange", open);
if (location.hash) open();
