/** The words of the page in English and Chinese, and how numbers are written. */

const LANGUAGES = ["en", "zh"];
const STORED = "affetto.language";
const listeners = [];
let words = {};
let language = "en";

/** Say a sentence of text.*.json; {name} stands for a value. */
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Say a word that may be a model's own, as emotions are: one that is not known stays as it is. */
const known = (prefix, name) => words[`${prefix}.${name}`] ?? name;

export const emotionName = (name) => known("emotion", name);
export const bridgeName = (name) => known("bridge", name);

/** Say the name of a theme, "calm: slow · dark", without its emotion. */
export function themeName(name, emotion) {
  const inside = name.startsWith(`${emotion}: `) ? name.slice(emotion.length + 2) : name;
  const like = inside.match(/^like “(.*)”$/);
  if (like) return t("theme.like", { title: like[1] });
  return inside
    .split(" · ")
    .map((term) => known("term", term))
    .join(" · ");
}

/** Write a share as a percentage that never claims all or nothing by rounding. */
export function percent(share) {
  const whole = Math.round(100 * share);
  if (share < 1 && whole === 100) return t("percent.over", { n: 99 });
  if (share > 0 && whole === 0) return t("percent.under", { n: 1 });
  return t("percent", { n: whole });
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

/** Call again whenever the language changes, for what is not in the HTML. */
export const onLanguage = (render) => listeners.push(render);

function remembered() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage is switched off
  }
}

function remember(name) {
  try {
    localStorage.setItem(STORED, name);
  } catch {
    // The choice holds until the page is closed.
  }
}

export function preferredLanguage() {
  const wished = [remembered(), ...navigator.languages].filter(Boolean);
  const spoken = wished.map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

export const otherLanguage = () => LANGUAGES.find((name) => name !== language);

export async function speak(name, { chosen = false } = {}) {
  words = await (await fetch(`text.${name}.json`)).json();
  language = name;
  if (chosen) remember(name);
  document.documentElement.lang = name === "zh" ? "zh-Hans" : name;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]"))
    element.setAttribute("aria-label", t(element.dataset.label));
  sayAgain();
}

/** Write again what is not in the HTML. */
export function sayAgain() {
  for (const render of listeners) render();
}
