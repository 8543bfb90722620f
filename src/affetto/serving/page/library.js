/** The library: a map of valence and arousal, a list beside it, and the themes. */

import { call, health, showFailure } from "./api.js";
import { byId, focusOn, make, settle } from "./dom.js";
import { playButton } from "./player.js";
import { clock, emotionName, number, onLanguage, percent, t, themeName } from "./text.js";

const PAGE = 1000; // tracks that are asked for at once
const SHOWN = 40; // tracks that the list has at first
const POINTS = 2000; // on the map at most
const NEAR = 18; // how far from a point a click may be, px
const canvas = byId("map");
const filters = byId("filters");
let cards = [];
let tracks = [];
let total = 0;
let listed = SHOWN;
let asked = 0;
let points = [];
let chosen = null;
let opened = false;

/** Load what the library shows, once. */
export async function openLibrary() {
  if (opened) return;
  opened = true;
  if (!health?.library) {
    byId("library-lead").textContent = t("library.none");
    return;
  }
  byId("browse").hidden = false;
  try {
    cards = (await call("library/themes")) ?? [];
    render();
    await find();
  } catch (error) {
    opened = false;
    showFailure(byId("library-failure"), error);
  }
}

/** Show the tracks of a theme. */
export async function showTheme(theme) {
  await openLibrary();
  filters.elements.emotion.value = "";
  filters.elements.theme.value = theme;
  await find();
  focusOn(byId("found"));
}

async function find() {
  const own = ++asked;
  const { search, emotion, theme } = Object.fromEntries(new FormData(filters));
  try {
    const found = [];
    do {
      const query = { search, emotion, theme, offset: found.length, limit: PAGE };
      const page = await call("library", { query });
      if (own !== asked) return; // other filters were chosen meanwhile
      found.push(...page.tracks);
      total = page.total;
      if (!page.tracks.length) break;
      [tracks, listed] = [found, SHOWN];
      if (found.length === page.tracks.length) renderTracks();
    } while (found.length < Math.min(total, POINTS));
    tracks = found;
    byId("library-failure").hidden = true;
    renderTracks();
  } catch (error) {
    showFailure(byId("library-failure"), error);
  }
}

function render() {
  if (!opened || !health?.library) return;
  const library = health.library;
  byId("library-lead").textContent = t("library.lead", {
    tracks: number(library.tracks),
    themes: number(library.themes),
  });
  renderFilters(library);
  byId("cards").replaceChildren(...cards.map(cardOf));
  byId("themes-title").hidden = !cards.length;
  renderTracks();
}

function renderFilters({ emotions }) {
  const any = () => make("option", { value: "" }, t("library.any"));
  const options = {
    emotion: Object.entries(emotions).map(([name, n]) => [name, `${emotionName(name)} (${number(n)})`]),
    theme: cards.map((card) => [card.theme, sayTheme(card)]),
  };
  for (const [name, entries] of Object.entries(options)) {
    const select = filters.elements[name];
    const { value } = select;
    select.replaceChildren(any(), ...entries.map(([key, text]) => make("option", { value: key }, text)));
    select.value = value;
  }
}

function sayTheme(card) {
  const inside = themeName(card.name, card.emotion);
  return inside === card.emotion ? emotionName(card.emotion) : `${emotionName(card.emotion)}: ${inside}`;
}

function renderTracks() {
  const part = total > tracks.length ? "library.found.part" : "library.found";
  byId("found").textContent = t(total ? part : "library.found.none", {
    n: number(total),
    shown: number(tracks.length),
  });
  const shelf = byId("shelf");
  shelf.replaceChildren(...tracks.slice(0, listed).map(row));
  byId("more").hidden = listed >= tracks.length;
  drawMap();
}

function row(track, index) {
  const rest = () => tracks.slice(index + 1, index + 50);
  const about = make("p", { class: "about" }, make("i", { class: "dot" }), emotionName(track.emotion));
  if (track.theme_name) about.append(" · ", themeName(track.theme_name, track.emotion));
  if (track.predicted_tags) about.append(make("span", { class: "tags" }, track.predicted_tags));
  const title = make(
    "p",
    { class: "title" },
    make("b", {}, track.title),
    make("span", { class: "soft" }, ` ${clock(track.duration_s)}`),
  );
  const item = make(
    "li",
    { class: "row", data: { emotion: track.emotion } },
    playButton(track, rest),
    make("div", { class: "told" }, title, about),
  );
  item.addEventListener("pointerenter", () => choose(track));
  item.addEventListener("focusin", () => choose(track));
  return item;
}

function cardOf(card) {
  const tags = (card.predicted_tags?.length ? card.predicted_tags : card.tags) ?? [];
  const list = make("ul", { class: "plain exemplars" });
  for (const exemplar of (card.exemplars ?? []).slice(0, 3)) {
    const track = { ...exemplar, emotion: card.emotion };
    list.append(make("li", {}, playButton(track), exemplar.title));
  }
  const all = make("button", { type: "button", class: "quiet" }, t("themes.all"));
  all.setAttribute("aria-label", t("themes.all.of", { name: sayTheme(card) }));
  all.addEventListener("click", () => showTheme(card.theme));
  return make(
    "article",
    { class: "panel card", data: { emotion: card.emotion } },
    make("p", { class: "eyebrow" }, make("i", { class: "dot" }), emotionName(card.emotion)),
    make(
      "h3",
      {},
      themeName(card.name, card.emotion) === card.emotion
        ? emotionName(card.emotion)
        : themeName(card.name, card.emotion),
    ),
    make(
      "p",
      { class: "soft" },
      t("themes.size", { n: number(card.size), share: percent(card.share), emotion: emotionName(card.emotion) }),
    ),
    tags.length ? make("p", { class: "tag-row" }, ...tags.map(({ tag }) => make("span", { class: "tag" }, tag))) : null,
    make("h4", {}, t("themes.exemplars")),
    list,
    make("p", { class: "buttons" }, all),
  );
}

/** Draw the tracks as points: pleasant to the right, aroused at the top. */
function drawMap() {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  const scale = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colours = new Map();
  const colourOf = (emotion) => {
    if (!colours.has(emotion)) colours.set(emotion, style.getPropertyValue(`--${emotion}`) || style.color);
    return colours.get(emotion);
  };
  pen.scale(scale, scale);
  pen.strokeStyle = style.getPropertyValue("--line");
  for (const radius of [0.3, 0.62, 0.94]) {
    pen.beginPath();
    pen.ellipse(width / 2, height / 2, (width / 2) * radius, (height / 2) * radius, 0, 0, 2 * Math.PI);
    pen.stroke();
  }
  pen.beginPath();
  pen.moveTo(width / 2, 0);
  pen.lineTo(width / 2, height);
  pen.moveTo(0, height / 2);
  pen.lineTo(width, height / 2);
  pen.stroke();
  points = tracks.map((track) => ({
    track,
    x: (width * (1 + 0.86 * track.x)) / 2,
    y: (height * (1 - 0.86 * track.y)) / 2,
  }));
  for (const { track, x, y } of points) {
    pen.globalAlpha = 0.72;
    pen.fillStyle = colourOf(track.emotion);
    pen.beginPath();
    pen.arc(x, y, tracks.length > 400 ? 3 : 5, 0, 2 * Math.PI);
    pen.fill();
  }
  pen.globalAlpha = 1;
  const point = points.find(({ track }) => track.clip_id === chosen?.clip_id);
  if (point) {
    pen.strokeStyle = style.color;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(point.x, point.y, 9, 0, 2 * Math.PI);
    pen.stroke();
  }
  showTip(point);
  canvas.setAttribute("aria-label", t("map.said", { n: number(tracks.length) }));
}

function showTip(point) {
  const tip = byId("tip");
  tip.hidden = !point;
  if (!point) return;
  tip.textContent = point.track.title;
  const half = tip.offsetWidth / 2; // it stays inside the map
  tip.style.left = `${Math.min(Math.max(point.x, half), canvas.clientWidth - half)}px`;
  tip.style.top = `${point.y}px`;
  tip.classList.toggle("below", point.y < 48);
}

function choose(track) {
  if (track?.clip_id === chosen?.clip_id) return;
  chosen = track;
  drawMap();
}

function nearest(event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const away = (point) => Math.hypot(point.x - x, point.y - y);
  const near = points.reduce((best, point) => (!best || away(point) < away(best) ? point : best), null);
  return near && away(near) < NEAR ? near.track : null;
}

/** Bring a track of the map into the list, and its button into focus. */
function goTo(track) {
  listed = Math.max(listed, tracks.indexOf(track) + 1);
  renderTracks();
  const button = byId("shelf").children[tracks.indexOf(track)].querySelector("button");
  button.focus({ preventScroll: true });
  button.scrollIntoView({ block: "nearest" });
}

export function startLibrary() {
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", settle(find));
  canvas.addEventListener("pointermove", (event) => choose(nearest(event)));
  canvas.addEventListener("pointerleave", () => choose(null));
  canvas.addEventListener("click", (event) => {
    const track = nearest(event);
    if (track) goTo(track);
  });
  byId("more").addEventListener("click", () => {
    const first = listed;
    listed += SHOWN;
    renderTracks();
    byId("shelf").children[first]?.querySelector("button").focus();
  });
  new ResizeObserver(drawMap).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
  onLanguage(render);
}
