/** Thumbs: kept by the server, they count from the next ranking on, and can be forgotten. */

import { addressOf, call } from "./api.js";
import { announce, icon, make } from "./dom.js";
import { t } from "./text.js";

let likes = {};

export const countLikes = () => Object.keys(likes).length;

export async function readLikes() {
  ({ likes } = await call("likes"));
}

export async function forgetLikes() {
  await call("likes", { method: "DELETE" });
  likes = {};
  announce(t("thumbs.forgotten"));
}

async function set(clipId, like) {
  const address = addressOf("likes", clipId);
  if (like === null) {
    await call(address, { method: "DELETE" });
    delete likes[clipId];
  } else {
    const headers = { "Content-Type": "application/json" };
    await call(address, { method: "PUT", headers, body: JSON.stringify({ like }) });
    likes[clipId] = like;
  }
}

/** Make the two buttons of a track; pressing one again takes the thumb back. `changed` gets an error, or nothing. */
export function thumbButtons(track, changed) {
  const buttons = [
    ["up", true],
    ["down", false],
  ].map(([name, like]) => {
    const button = make(
      "button",
      { type: "button", class: "round small thumb", "aria-label": t(`thumbs.${name}`, { title: track.title }) },
      icon(name),
    );
    button.addEventListener("click", async () => {
      const wanted = likes[track.clip_id] === like ? null : like;
      try {
        await set(track.clip_id, wanted);
        show();
        changed();
      } catch (error) {
        changed(error);
      }
    });
    return button;
  });
  const show = () =>
    buttons.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(likes[track.clip_id] === (index === 0))),
    );
  show();
  return make("span", { class: "thumb-pair" }, ...buttons);
}
