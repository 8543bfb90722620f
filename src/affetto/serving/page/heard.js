/** What was heard: the emotion, how sure, over time, and what the model knows. */

import { byId, make, makeSvg } from "./dom.js";
import { clock, emotionName, number, onLanguage, percent, t } from "./text.js";

const HEIGHT = 100; // of the chart, in its own units
const SHOWN = 4; // emotions that are shown without asking
const NARROW = 0.09; // share of the width below which a stretch has no room for its name
let shown = null;

/** Show a voice, and return the heading, for the focus. */
export function showHeard(voice) {
  shown = voice;
  document.documentElement.dataset.emotion = voice.emotion;
  render();
  return byId("heard-title");
}

function render() {
  if (!shown) return;
  const panel = byId("heard");
  panel.hidden = false;
  panel.dataset.emotion = shown.emotion;
  panel.replaceChildren(describeWhole(shown), overTime(shown), caution(shown));
}

/** Say how sure the result is, for a screen reader that has read the heading. */
export function saySure(voice) {
  const doubts = ["unsure", "novel"].filter((name) => voice[name]).map((name) => t(`heard.${name}.long`));
  return [t("heard.sure", { percent: percent(voice.emotions[0].probability) }), ...doubts].join(". ");
}

function describeWhole(voice) {
  const name = emotionName(voice.emotion);
  const title = make(
    "h2",
    { id: "heard-title" },
    make("span", { class: "eyebrow" }, t(voice.unsure ? "heard.title.unsure" : "heard.title")),
    " ",
    make("span", { class: "word" }, name),
  );
  const sure = t("heard.sure", { percent: percent(voice.emotions[0].probability) });
  const left = make("div", { class: "verdict" }, title, make("p", { class: "sure" }, sure));
  for (const doubt of ["unsure", "novel"])
    if (voice[doubt])
      left.append(
        make(
          "p",
          { class: "notice" },
          make("strong", { class: "badge" }, t(`word.${doubt}`)),
          " ",
          t(`heard.${doubt}.long`),
        ),
      );
  const speech = t("heard.speech", { speech: number(voice.speech_s, 1), all: number(voice.duration_s, 1) });
  left.append(make("p", { class: "soft" }, speech));
  if (voice.valence !== null && voice.arousal !== null) {
    const values = { valence: number(voice.valence, 2), arousal: number(voice.arousal, 2) };
    left.append(make("p", { class: "soft" }, t("heard.dimensions", values)));
  }
  if (voice.message) left.append(make("p", { class: "notice", lang: "en" }, voice.message));
  const rows = voice.emotions.map(bar);
  const right = make("div", { class: "bars" }, make("ul", { class: "plain" }, ...rows.slice(0, SHOWN)));
  if (rows.length > SHOWN)
    right.append(
      make(
        "details",
        {},
        make("summary", {}, t("heard.others", { n: rows.length - SHOWN })),
        make("ul", { class: "plain" }, ...rows.slice(SHOWN)),
      ),
    );
  return make("div", { class: "whole" }, left, right);
}

function bar({ emotion, probability }) {
  const fill = make("span", { class: "fill" });
  fill.style.inlineSize = `${100 * probability}%`;
  return make(
    "li",
    { class: "bar", data: { emotion } },
    make("span", { class: "name" }, emotionName(emotion)),
    make("span", { class: "rail", "aria-hidden": "true" }, fill),
    make("span", { class: "value" }, percent(probability)),
  );
}

function overTime(voice) {
  const spans = voice.timeline?.spans ?? [];
  if (voice.steps.length < 2) return make("p", { class: "soft whole-only" }, t("time.whole"));
  const end = voice.steps.at(-1).end_s;
  const figure = make("figure", { class: "time-chart" });
  figure.append(
    make("figcaption", {}, make("h3", {}, t("time.title")), make("p", { class: "soft" }, t("time.caption"))),
    make("div", { class: "plot" }, chart(voice, end), scale()),
    strip(spans, end),
    ticks(end),
    table(voice),
  );
  return figure;
}

const likeliest = (step) =>
  Object.entries(step.emotions ?? {}).sort(([, one], [, other]) => other - one)[0] ?? [null, 0];

/** Draw a bar a step, as high as the likeliest emotion is probable; steps without speech stay empty. */
function chart(voice, end) {
  const picture = makeSvg("svg", {
    viewBox: `0 0 ${end} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": sayTime(voice),
  });
  for (const step of voice.steps) {
    const [emotion, probability] = likeliest(step);
    if (!emotion) continue;
    const gap = Math.min(0.08 * (step.end_s - step.start_s), end / 400);
    const rect = makeSvg("rect", {
      x: step.start_s + gap,
      y: HEIGHT * (1 - probability),
      width: step.end_s - step.start_s - 2 * gap,
      height: HEIGHT * probability,
      class: probability < 0.5 ? "step unsure" : "step",
    });
    rect.dataset.emotion = emotion;
    const values = { time: clock(step.start_s), emotion: emotionName(emotion), percent: percent(probability) };
    rect.append(makeSvg("title", {}, t("time.step", values)));
    picture.append(rect);
  }
  picture.append(makeSvg("line", { x1: 0, x2: end, y1: HEIGHT / 2, y2: HEIGHT / 2, class: "half" }));
  return picture;
}

const scale = () =>
  make(
    "div",
    { class: "scale", "aria-hidden": "true" },
    ...[1, 0.5, 0].map((share) => make("span", {}, t("percent", { n: 100 * share }))),
  );

function strip(spans, end) {
  const row = make("div", { class: "strip", "aria-hidden": "true" });
  for (const span of spans) {
    const share = (span.end_s - span.start_s) / end;
    const piece = make("span", { class: span.unsure ? "unsure" : null, data: { emotion: span.emotion ?? "" } });
    piece.style.flexGrow = share;
    piece.title = saySpan(span);
    if (share > NARROW) piece.textContent = span.emotion ? emotionName(span.emotion) : t("time.silence");
    row.append(piece);
  }
  return row;
}

const ticks = (end) =>
  make(
    "div",
    { class: "ticks", "aria-hidden": "true" },
    ...[0, 0.25, 0.5, 0.75, 1].map((share) => make("span", {}, clock(share * end))),
  );

function saySpan(span) {
  const values = { from: clock(span.start_s), to: clock(span.end_s) };
  if (!span.emotion) return t("time.span.silence", values);
  const sure = { ...values, emotion: emotionName(span.emotion), percent: percent(span.probability) };
  return t(span.unsure ? "time.span.unsure" : "time.span", sure);
}

const sayTime = (voice) => `${t("time.title")}: ${(voice.timeline?.spans ?? []).map(saySpan).join("; ")}`;

function table(voice) {
  const head = ["time.column.time", "time.column.emotion", "time.column.sure", "time.column.speech"];
  const rows = voice.steps.map((step) => {
    const [emotion, probability] = likeliest(step);
    const cells = emotion ? [emotionName(emotion), percent(probability)] : [t("time.silence"), ""];
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, `${clock(step.start_s)}–${clock(step.end_s)}`),
      ...[...cells, t("seconds", { n: number(step.speech_s, 1) })].map((cell) => make("td", {}, cell)),
    );
  });
  return make(
    "details",
    { class: "steps" },
    make("summary", {}, t("time.table")),
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ...head.map((key) => make("th", { scope: "col" }, t(key))))),
      make("tbody", {}, ...rows),
    ),
  );
}

function caution(voice) {
  const model = voice.heard_by;
  const said = make("div", { class: "caution" });
  if (model)
    said.append(
      make(
        "p",
        {},
        t("heard.model", {
          name: model.name,
          clips: number(model.clips),
          speakers: number(model.groups),
          corpus: model.corpus,
          speech: model.speech,
        }),
      ),
    );
  said.append(make("p", {}, t("heard.caution")));
  return said;
}

onLanguage(render);
