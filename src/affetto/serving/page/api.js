/** Talks to the server this page came from. */

import { make } from "./dom.js";
import { number, t } from "./text.js";

/** The server, or the way to it, refused: `kind` names the words for it, `detail` is the server's own sentence. */
export class Refused extends Error {
  constructor(kind, detail = "") {
    super(detail || kind);
    this.kind = kind;
    this.detail = detail;
  }
}

const KINDS = {
  400: "unreadable",
  408: "slow",
  413: "large",
  415: "unreadable",
  422: "wish",
  429: "often",
  503: "busy",
};
export let health = null;

/** Call the server; `query` leaves out what is empty. */
export async function call(path, { query = {}, ...options } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  let answer;
  try {
    answer = await fetch(path + search, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("offline");
  }
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return body;
  const kind = answer.status === 422 && path === "hear" ? "speech" : KINDS[answer.status];
  throw new Refused(kind ?? "server", body?.error ?? "");
}

export async function readHealth() {
  health = await call("health");
  return health;
}

/** An identifier is one segment of a path: its slashes and dots lead nowhere. */
export const addressOf = (folder, clipId) => `${folder}/${encodeURIComponent(clipId)}`;

/** Say in an element what went wrong and what to do; the server's own sentence, which is English, below it. */
export function showFailure(element, error) {
  if (!(error instanceof Refused)) console.error(error);
  const limits = health?.limits ?? {};
  const values = {
    megabytes: number((limits.upload_bytes ?? 0) / 2 ** 20),
    minutes: number((limits.duration_s ?? 0) / 60, 1),
  };
  const kind = error instanceof Refused ? error.kind : "page";
  const detail = error instanceof Refused ? error.detail : error.message;
  const said = make("p", {}, make("strong", {}, t(`error.${kind}`)), " ", t(`error.${kind}.do`, values));
  element.replaceChildren(said, ...(detail ? [make("p", { class: "soft", lang: "en" }, detail)] : []));
  element.hidden = false;
}
