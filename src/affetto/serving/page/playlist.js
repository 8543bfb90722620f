/** Music in answer to a voice: what is wished for, the themes, and the tracks with their reasons. */

import { call, health, readHealth, showFailure } from "./api.js";
import { announce, byId, make, makeSvg, settle } from "./dom.js";
import { countLikes, forgetLikes, thumbButtons } from "./likes.js";
import { playButton } from "./player.js";
import { bridgeName, clock, emotionName, number, onLanguage, percent, t, themeName } from "./text.js";

const FIRST = ["uplift", "congruent"]; // bridges with a plain word; others follow by their own name
const CHIPS = 8; // themes that are shown
const WAY = 15; // tracks that a line can join without a tangle; an arc is none
const POOR_BELOW = 0.5; // as in the server's match_note
const QUADRANTS = { happy: [1, 1], tense: [-1, 1], sad: [-1, -1], calm: [1, -1] }; // Russell 1980
const wishes = { bridge: "uplift", unit: "tracks", tracks: 10, minutes: 30, arc: false, diversity: 0.3 };
let voice = null;
let playlist = null;
let likesMoved = false;
let asked = 0;
let showTheme = () => {};

/** Ask for music that answers a voice. */
export async function answer(heard) {
  voice = heard;
  byId("answer").hidden = false;
  if (!health) await readHealth(); // it did not answer when the page began
  if (!health.library) return sayNoMusic();
  renderWishes();
  return rank();
}

function sayNoMusic() {
  byId("answer-note").hidden = false;
  byId("answer-note").textContent = t("library.none");
}

async function rank() {
  const own = ++asked;
  const length = { [wishes.unit === "tracks" ? "top" : "minutes"]: wishes[wishes.unit] };
  const query = { bridge: wishes.bridge, arc: wishes.arc, diversity: wishes.diversity, ...length };
  const emotions = Object.fromEntries(voice.emotions.map((entry) => [entry.emotion, entry.probability]));
  const headers = { "Content-Type": "application/json" };
  byId("tracks").setAttribute("aria-busy", "true");
  try {
    const found = await call("recommend", { method: "POST", query, headers, body: JSON.stringify({ emotions }) });
    if (own !== asked) return; // a later wish is on its way
    [playlist, likesMoved] = [found, false];
    byId("answer-failure").hidden = true;
    render();
    announce(t("answer.said", { n: playlist.tracks.length, bridge: bridgeName(playlist.bridge) }));
  } catch (error) {
    showFailure(byId("answer-failure"), error);
  } finally {
    byId("tracks").removeAttribute("aria-busy");
  }
}

const rankSoon = settle(rank);

function wish(changes) {
  Object.assign(wishes, changes);
  rankSoon();
}

function renderWishes() {
  const names = health?.bridges ?? FIRST;
  const ordered = [...FIRST.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST.includes(name))];
  if (!names.includes(wishes.bridge)) wishes.bridge = ordered[0];
  byId("wish").replaceChildren(choice("bridge", ordered, bridgeName), lengths(), variety(), arcSwitch());
}

/** Make a row of radio buttons. */
function choice(name, values, say) {
  const row = make("fieldset", { class: "choice" }, make("legend", {}, t(`wish.${name}`)));
  for (const value of values) {
    const radio = make("input", { type: "radio", name, value, checked: wishes[name] === value });
    radio.addEventListener("change", () => wish({ [name]: value }));
    row.append(make("label", {}, radio, make("span", {}, say(value))));
  }
  return row;
}

function lengths() {
  const field = make("input", { type: "number", id: "length", min: 1, max: 100, inputmode: "numeric" });
  field.value = wishes[wishes.unit];
  field.addEventListener("input", () => {
    if (field.checkValidity() && field.value) wish({ [wishes.unit]: Number(field.value) });
  });
  const unit = make("select", { id: "unit", "aria-label": t("wish.unit") });
  for (const name of ["tracks", "minutes"])
    unit.append(make("option", { value: name, selected: wishes.unit === name }, t(`wish.${name}`)));
  unit.addEventListener("change", () => {
    wish({ unit: unit.value });
    field.value = wishes[unit.value];
  });
  return make(
    "p",
    { class: "field" },
    make("label", { for: "length" }, t("wish.length")),
    make("span", { class: "pair" }, field, unit),
  );
}

function variety() {
  const range = make("input", { type: "range", id: "variety", min: 0, max: 1, step: 0.1 });
  range.value = wishes.diversity;
  const say = () => {
    range.setAttribute("aria-valuetext", percent(Number(range.value)));
    range.style.setProperty("--at", `${100 * range.value}%`);
  };
  range.addEventListener("input", () => {
    say();
    wish({ diversity: Number(range.value) });
  });
  say();
  return make("p", { class: "field" }, make("label", { for: "variety" }, t("wish.variety")), range);
}

function arcSwitch() {
  const box = make("input", { type: "checkbox", role: "switch", checked: wishes.arc });
  box.addEventListener("change", () => wish({ arc: box.checked }));
  return make(
    "label",
    { class: "switch" },
    box,
    make("span", {}, make("b", {}, t("wish.arc")), make("small", {}, t("wish.arc.long"))),
  );
}

function render() {
  if (!playlist) return;
  const { tracks } = playlist;
  const poor = tracks.filter((track) => track.fit < POOR_BELOW).length;
  const note = byId("answer-note");
  note.hidden = !poor;
  const key = poor === tracks.length ? "answer.poor.all" : "answer.poor";
  note.textContent = t(key, { poor, n: tracks.length, emotion: emotionName(playlist.music_emotions[0].emotion) });
  byId("themes-of-answer").replaceChildren(summary(), journey(tracks));
  byId("tracks").replaceChildren(...tracks.map(row));
  const seconds = tracks.reduce((sum, track) => sum + track.duration_s, 0);
  byId("total-of-answer").textContent = t("answer.total", { n: number(tracks.length), time: clock(seconds) });
  renderThumbs();
}

/** Say which music is wanted, and count the themes of the tracks. */
function summary() {
  const wanted = playlist.music_emotions.filter((entry) => entry.probability >= 0.005);
  const list = make("ul", { class: "plain wanted" });
  for (const { emotion, probability } of wanted)
    list.append(
      make(
        "li",
        { data: { emotion } },
        make("i", { class: "dot" }),
        emotionName(emotion),
        make("span", { class: "soft" }, ` ${percent(probability)}`),
      ),
    );
  const themes = new Map();
  for (const track of playlist.tracks) {
    if (!track.own_theme) continue;
    const theme = themes.get(track.own_theme) ?? { track, n: 0 };
    themes.set(track.own_theme, { ...theme, n: theme.n + 1 });
  }
  const chips = make("ul", { class: "plain chips" });
  const commonest = [...themes].sort(([, one], [, other]) => other.n - one.n).slice(0, CHIPS);
  for (const [theme, { track, n }] of commonest) {
    const name = themeName(track.own_theme_name, track.emotion);
    const chip = make(
      "button",
      { type: "button", class: "chip", data: { emotion: track.emotion } },
      make("i", { class: "dot" }),
      name,
      make("span", { class: "soft" }, ` ×${n}`),
    );
    chip.append(make("span", { class: "unseen" }, t("answer.theme", { emotion: emotionName(track.emotion) })));
    chip.addEventListener("click", () => showTheme(theme));
    chips.append(make("li", {}, chip));
  }
  const part = make("div", {}, make("h3", {}, t("answer.wanted")), list);
  if (themes.size) part.append(make("h3", {}, t("answer.themes")), chips);
  return part;
}

/** Where a track lies in the plane of valence and arousal: the mean of the quadrants of its emotions. */
function place({ emotions }) {
  const at = [0, 0];
  for (const { emotion, probability } of emotions)
    (QUADRANTS[emotion] ?? [0, 0]).forEach((value, axis) => (at[axis] += value * probability));
  return at;
}

/** Draw the way of the playlist through valence and arousal. */
function journey(tracks) {
  const points = tracks.map(place).map(([x, y]) => [100 + 82 * x, 70 - 54 * y]);
  const picture = makeSvg("svg", {
    viewBox: "0 0 200 140",
    class: "journey",
    role: "img",
    "aria-label": t("journey.said"),
  });
  picture.append(makeSvg("path", { d: "M100 6V134M8 70H192", class: "cross" }));
  if (wishes.arc || tracks.length <= WAY)
    picture.append(makeSvg("polyline", { points: points.map((point) => point.join()).join(" "), class: "way" }));
  points.forEach(([cx, cy], index) => {
    const dot = makeSvg("circle", { cx, cy, r: index ? 4 : 5.5 });
    dot.dataset.emotion = tracks[index].emotion;
    dot.append(makeSvg("title", {}, `${index + 1}. ${tracks[index].title}`));
    picture.append(dot);
  });
  const corners = Object.entries(QUADRANTS).map(([emotion, [x, y]]) => {
    const side = [y > 0 ? "up" : "low", x > 0 ? "right" : "left"].join(" ");
    return make("span", { class: side, data: { emotion }, "aria-hidden": "true" }, emotionName(emotion));
  });
  return make(
    "figure",
    { class: "journey-figure" },
    make("div", {}, picture, ...corners),
    make("figcaption", { class: "soft" }, t("journey.caption")),
  );
}

function row(track, index) {
  const rest = () => playlist.tracks.slice(index + 1);
  const poor = track.fit < POOR_BELOW;
  const head = make(
    "p",
    { class: "title" },
    make("b", {}, track.title),
    make("span", { class: "soft" }, ` ${clock(track.duration_s)}`),
  );
  const about = make("p", { class: "about" }, make("i", { class: "dot" }), emotionName(track.emotion));
  if (track.own_theme_name) about.append(" · ", themeName(track.own_theme_name, track.emotion));
  if (track.predicted_tags) about.append(make("span", { class: "tags" }, track.predicted_tags));
  const fit = make("span", { class: poor ? "fit poor" : "fit" }, t("track.fit", { percent: percent(track.fit) }));
  if (poor) fit.append(make("span", { class: "badge" }, t("word.poor")));
  const more = make(
    "details",
    {},
    make("summary", { class: "reason", title: t("track.why") }, reason(track)),
    make("ul", { class: "reasons", lang: "en" }, ...track.reasons.map((sentence) => make("li", {}, sentence))),
  );
  return make(
    "li",
    { class: "track", data: { emotion: track.emotion } },
    make("span", { class: "rank", "aria-hidden": "true" }, number(index + 1)),
    playButton(track, rest),
    make("div", { class: "told" }, head, about, more),
    make("div", { class: "side" }, fit, thumbButtons(track, thumbChanged)),
  );
}

/** Say in a sentence why a track is here, from the same figures as the server's reasons. */
function reason(track) {
  const probability = track.emotions.find((entry) => entry.emotion === track.answers)?.probability ?? 0;
  const wanted = playlist.music_emotions.find((entry) => entry.emotion === track.answers)?.probability ?? 0;
  const values = {
    emotion: emotionName(track.answers),
    percent: percent(probability),
    wanted: percent(wanted),
    own: emotionName(track.emotion),
  };
  return t(track.answers === track.emotion ? "track.reason" : "track.reason.other", values);
}

function renderThumbs() {
  const n = countLikes();
  const box = byId("thumbs");
  if (!n && !likesMoved) return box.replaceChildren();
  const said = make("p", {}, t(likesMoved ? "thumbs.moved" : "thumbs.kept", { n: number(n) }));
  const again = make("button", { type: "button", class: "button", onclick: rankAgain }, t("thumbs.rank"));
  const forget = make("button", { type: "button", class: "quiet", disabled: !n }, t("thumbs.forget"));
  forget.addEventListener("click", async () => {
    if (!forget.dataset.sure) {
      forget.dataset.sure = "yes";
      forget.textContent = t("thumbs.forget.sure", { n: number(n) });
      return;
    }
    try {
      await forgetLikes();
      await rankAgain();
    } catch (error) {
      showFailure(byId("answer-failure"), error);
    }
  });
  forget.addEventListener("blur", () => {
    delete forget.dataset.sure;
    forget.textContent = t("thumbs.forget");
  });
  box.replaceChildren(said, make("p", { class: "buttons" }, ...(likesMoved ? [again] : []), forget));
}

async function rankAgain() {
  await rank();
  byId("answer-title").setAttribute("tabindex", "-1");
  byId("answer-title").focus();
}

function thumbChanged(error) {
  if (error) return showFailure(byId("answer-failure"), error);
  likesMoved = true;
  renderThumbs();
  return announce(t("thumbs.saved"));
}

/** Begin: `themeChosen` is called with a theme whose chip was pressed. */
export function startPlaylist(themeChosen) {
  showTheme = themeChosen;
  onLanguage(() => {
    if (voice && health?.library) renderWishes();
    else if (voice) sayNoMusic();
    render();
  });
}
