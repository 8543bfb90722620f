/** One player for the whole page: a track starts at its highlight, and only one plays at a time. */

import { addressOf } from "./api.js";
import { announce, byId, icon, make } from "./dom.js";
import { clock, emotionName, onLanguage, t } from "./text.js";

const audio = byId("audio");
const position = byId("position");
let track = null;
let queue = [];
let broken = false;

/** Make the button that plays a track; `rest` gives the tracks to go on with. */
export function playButton(own, rest = () => []) {
  const button = make("button", { type: "button", class: "round play", data: { plays: own.clip_id } });
  button.addEventListener("click", () => {
    if (track?.clip_id === own.clip_id && !broken) return audio.paused ? audio.play() : audio.pause();
    return play(own, rest());
  });
  showOn(button, own);
  return button;
}

function play(wanted, rest) {
  [track, queue, broken] = [wanted, rest, false];
  byId("player").hidden = false;
  document.body.classList.add("has-player");
  audio.src = `${addressOf("library/audio", track.clip_id)}#t=${track.highlight_start_s}`;
  audio.play().catch((error) => {
    if (error.name !== "AbortError" && !audio.error) announce(error.message);
  });
  render();
}

function stop() {
  audio.pause();
  audio.removeAttribute("src");
  [track, queue] = [null, []];
  byId("player").hidden = true;
  document.body.classList.remove("has-player");
  render();
  byId("main").focus({ preventScroll: true });
}

/** Go on with the next track of the list. */
function next() {
  const [following, ...rest] = queue;
  if (following) play(following, rest);
}

function showOn(button, own) {
  const chosen = track?.clip_id === button.dataset.plays;
  const plays = chosen && !audio.paused;
  button.toggleAttribute("data-chosen", chosen);
  button.replaceChildren(icon(plays ? "pause" : "play"));
  const values = { title: own.title, time: clock(own.highlight_start_s) };
  button.setAttribute("aria-label", t(plays ? "player.pause" : "player.play", values));
  button.own = own;
}

function render() {
  for (const button of document.querySelectorAll("[data-plays]")) showOn(button, button.own);
  if (!track) return;
  const bar = byId("player");
  bar.dataset.emotion = track.emotion ?? "";
  byId("now").textContent = track.title;
  const about = broken ? t("player.broken") : t("player.highlight", { time: clock(track.highlight_start_s) });
  byId("now-about").textContent = [track.emotion ? emotionName(track.emotion) : "", about].filter(Boolean).join(" · ");
  const toggle = byId("toggle");
  toggle.replaceChildren(icon(audio.paused ? "play" : "pause"));
  toggle.setAttribute("aria-label", t(audio.paused ? "player.resume" : "player.stop", { title: track.title }));
  byId("next").disabled = !queue.length;
  position.setAttribute("aria-label", t("player.position", { title: track.title }));
  tick();
}

function tick() {
  const total = Number.isFinite(audio.duration) ? audio.duration : (track?.duration_s ?? 0);
  position.max = total || 1;
  position.value = audio.currentTime;
  position.setAttribute("aria-valuetext", t("player.at", { time: clock(audio.currentTime), total: clock(total) }));
  const share = (seconds) => `${(100 * seconds) / (total || 1)}%`;
  position.style.setProperty("--at", share(audio.currentTime));
  position.style.setProperty("--from", share(track?.highlight_start_s ?? 0));
  position.style.setProperty("--to", share(track?.highlight_end_s ?? 0));
  byId("elapsed").textContent = clock(audio.currentTime);
  byId("total").textContent = clock(total);
}

export function startPlayer() {
  byId("toggle").addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
  byId("next").append(icon("next"));
  byId("next").addEventListener("click", next);
  byId("close").append(icon("close"));
  byId("close").addEventListener("click", stop);
  position.addEventListener("input", () => (audio.currentTime = Number(position.value)));
  for (const name of ["play", "pause", "loadedmetadata"]) audio.addEventListener(name, render);
  audio.addEventListener("timeupdate", tick);
  audio.addEventListener("ended", next);
  audio.addEventListener("error", () => {
    if (!audio.getAttribute("src")) return; // the player was closed
    broken = true;
    render();
    announce(t("player.broken"));
  });
  onLanguage(() => {
    byId("next").setAttribute("aria-label", t("player.next"));
    byId("close").setAttribute("aria-label", t("player.close"));
    render();
  });
}
