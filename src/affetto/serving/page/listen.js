/** The microphone and the file: from a voice to what the server heard in it. */

import { call, health, Refused, showFailure } from "./api.js";
import { announce, byId } from "./dom.js";
import { clock, number, onLanguage, t } from "./text.js";

const QUIET = 0.008; // a level below which a room is silent, RMS of full scale
const QUIET_AFTER_S = 2.5;
const SHORTEST_S = 0.7;

const hero = byId("hero");
const record = byId("record");
let recorder = null;
let stream = null;
let context = null;
let upload = null;
let began = 0;
let shownState = "idle";
let failed = null;
let heardBefore = false;
let whenHeard = () => {};

const isBusy = () => shownState === "asking" || shownState === "sending";

/** Show a state in words, on the button and in the picture. */
function show(state) {
  shownState = state;
  hero.dataset.state = state;
  record.setAttribute("aria-label", t(state === "recording" ? "record.stop" : "record.start"));
  record.setAttribute("aria-disabled", String(isBusy())); // `disabled` would take the focus away
  byId("cancel").hidden = state !== "recording" && state !== "sending";
  byId("clock").hidden = state !== "recording";
  byId("state").textContent = t(heardBefore && state === "idle" ? "state.again" : `state.${state}`);
  byId("failure").hidden = state !== "error";
  if (state === "error") showFailure(byId("failure"), failed);
}

export function failListening(error) {
  failed = error;
  for (const earlier of ["heard", "answer"]) byId(earlier).hidden = true; // it is no answer to this
  show("error");
}

/** Words for why there is no microphone. */
function microphoneFailure(error) {
  const kinds = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing" };
  return new Refused(kinds[error.name] ?? "microphone", error.message);
}

async function start() {
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder)
    return failListening(microphoneFailure({ name: "NotFoundError", message: "" }));
  show("asking");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    recorder = new MediaRecorder(stream);
  } catch (error) {
    release();
    return failListening(microphoneFailure(error));
  }
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => {
    const seconds = (performance.now() - began) / 1000;
    const { mimeType, cancelled } = recorder;
    release();
    if (cancelled) show("idle");
    else if (seconds < SHORTEST_S) failListening(new Refused("short"));
    else send(new Blob(parts, { type: mimeType }));
  };
  recorder.start();
  began = performance.now();
  show("recording");
  watch();
}

function stop({ cancelled = false } = {}) {
  if (recorder?.state !== "recording") return;
  recorder.cancelled = cancelled;
  recorder.stop();
}

function release() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  context?.close();
  recorder = stream = context = null;
}

/** Draw the level of the last seconds and tell the time, for as long as the recording runs. */
function watch() {
  context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const canvas = byId("level");
  const bars = new Array(56).fill(0);
  const own = recorder;
  let loudest = 0;
  let last = 0;
  let level = 0;

  function step(now) {
    if (recorder !== own) return draw(canvas, bars.fill(0));
    analyser.getFloatTimeDomainData(samples);
    level = Math.max(level, Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
    const seconds = (now - began) / 1000;
    if (now - last > 70) {
      bars.push(heightOf(level));
      bars.shift();
      hero.style.setProperty("--level", bars.at(-1).toFixed(3));
      loudest = Math.max(loudest, level);
      [last, level] = [now, 0];
      draw(canvas, bars);
      const said = seconds > QUIET_AFTER_S && loudest < QUIET ? "state.quiet" : "state.recording";
      if (byId("state").textContent !== t(said)) byId("state").textContent = t(said);
      byId("clock").textContent = clock(seconds);
    }
    if (seconds > (health?.limits?.duration_s ?? 600) - 1) stop();
    requestAnimationFrame(step);
  }
  requestAnimationFrame(step);
}

/** Turn a level into a height: 0 at -55 dBFS, 1 at -5. */
const heightOf = (level) => Math.min(1, Math.max(0, (20 * Math.log10(level || 1e-9) + 55) / 50));

function draw(canvas, bars) {
  const pen = canvas.getContext("2d");
  const width = canvas.width / bars.length;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = getComputedStyle(canvas).color;
  bars.forEach((bar, index) => {
    const height = Math.max(4, bar * canvas.height);
    pen.globalAlpha = 0.25 + 0.75 * (index / bars.length);
    pen.beginPath();
    pen.roundRect(index * width + width * 0.25, (canvas.height - height) / 2, width * 0.5, height, width / 4);
    pen.fill();
  });
}

/** Send a recording or a file, whatever its container: the server looks at the bytes. */
async function send(blob) {
  const most = health?.limits?.upload_bytes;
  if (most && blob.size > most) return failListening(new Refused("large"));
  show("sending");
  upload = new AbortController();
  try {
    const type = blob.type || "application/octet-stream";
    const headers = { "Content-Type": type };
    const voice = await call("hear", { method: "POST", body: blob, headers, signal: upload.signal });
    if (voice.status !== "ok") throw new Refused(voice.status === "no_speech" ? "speech" : "unreadable");
    heardBefore = true;
    hero.classList.add("compact");
    show("idle");
    whenHeard(voice);
  } catch (error) {
    if (error.name === "AbortError") show("idle");
    else failListening(error);
  }
}

function take(files) {
  if (files.length && shownState !== "recording" && !isBusy()) send(files[0]);
}

function showLearnt() {
  const model = health?.voice_model;
  if (!model) return;
  byId("learnt").textContent = t("listen.learnt", {
    clips: number(model.clips),
    speakers: number(model.groups),
    corpus: model.corpus,
    speech: model.speech,
  });
}

export function startListening(heard) {
  whenHeard = heard;
  record.addEventListener("click", () => {
    if (shownState === "recording") stop();
    else if (!isBusy()) start();
  });
  byId("cancel").addEventListener("click", () => {
    stop({ cancelled: true });
    upload?.abort();
    record.focus();
    announce(t("state.cancelled"));
  });
  byId("file").addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
  for (const name of ["dragover", "dragleave", "drop"])
    document.addEventListener(name, (event) => {
      event.preventDefault();
      hero.classList.toggle("dropping", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files);
    });
  onLanguage(() => {
    show(shownState);
    showLearnt();
  });
}
