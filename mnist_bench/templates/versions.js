"use strict";
// The page is complete without this script, which adds the choice of light or dark colours, of rows, and of two versions.
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

// Every text of the records is set as text, never as markup.
const choices = JSON.parse(document.getElementById("choices").textContent);
const from = document.getElementById("from"), to = document.getElementById("to");
function makeWord([word, tone]) {
  const box = document.createElement("span");
  box.className = `word ${tone}`;
  box.textContent = choices.signs[tone] + word;
  return box;
}
function tellChoice() {
  const [base, name] = [choices.names[from.selectedIndex], choices.names[to.selectedIndex]];
  const pair = choices.pairs[from.selectedIndex][to.selectedIndex], text = (place) => choices.texts[place];
  const facts = document.getElementById("choice-facts"), said = document.getElementById("choice-said");
  facts.replaceChildren();
  document.getElementById("choice-command").textContent = `mnist-bench compare ${base[0]} ${name[0]}`;
  document.getElementById("choice-bar").className = `bar ${pair ? text(pair[0]) : ""}`;
  said.textContent = pair ? `From ${base[1]} to ${name[1]}: ${text(pair[1])}` : "This is one version: choose another one.";
  for (const [place, [word, tone, what]] of (pair ? pair[2] : []).entries()) {
    const term = document.createElement("dt"), fact = document.createElement("dd");
    term.textContent = choices.facts[place];
    fact.append(makeWord([text(word), text(tone)]), ` ${text(what)}`);
    facts.append(term, fact);
  }
}
function readChoice() {
  const [part, ...keys] = decodeURIComponent(location.hash.slice(1)).split("~");
  const places = keys.map((key) => choices.names.findIndex((name) => name[0] === key));
  if (part === "choice" && places.length === 2 && !places.includes(-1)) {
    [from.selectedIndex, to.selectedIndex] = places;
    tellChoice();
    document.getElementById("choice").scrollIntoView();
  }
}
if (choices.names.length > 1) {
  for (const box of [from, to]) {
    for (const [key, name] of choices.names) box.append(new Option(name, key));
    // The address names the two versions, so that it can be passed on.
    box.addEventListener("change", () => { history.replaceState(null, "", `#choice~${from.value}~${to.value}`); tellChoice(); });
  }
  [from.selectedIndex, to.selectedIndex] = choices.first;
  document.getElementById("choice").hidden = false;
  tellChoice();
  readChoice();
  addEventListener("hashchange", readChoice);
}

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = target?.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  target?.scrollIntoView();
}
addEventListener("hashchange", open);
if (location.hash) open();
