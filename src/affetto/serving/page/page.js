/** The page of `affetto app`: listen, answer, browse. */

import { health, readHealth } from "./api.js";
import { announce, byId, focusOn } from "./dom.js";
import { saySure, showHeard } from "./heard.js";
import { openLibrary, showTheme, startLibrary } from "./library.js";
import { readLikes } from "./likes.js";
import { failListening, startListening } from "./listen.js";
import { startPlayer } from "./player.js";
import { answer, startPlaylist } from "./playlist.js";
import { onLanguage, otherLanguage, preferredLanguage, sayAgain, speak, t } from "./text.js";

/** Show the view that the address names. */
function showView() {
  const name = location.hash === "#library" ? "library" : "listen";
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(`nav.${name}`)} · Affetto`;
  if (name === "library" && health) openLibrary();
}

async function whenHeard(voice) {
  focusOn(showHeard(voice));
  announce(saySure(voice));
  await answer(voice);
}

async function goToTheme(theme) {
  history.pushState(null, "", "#library");
  showView();
  await showTheme(theme);
}

function switchLanguage() {
  const language = byId("language");
  onLanguage(() => {
    const other = otherLanguage();
    language.textContent = t(`language.${other}`);
    language.lang = other;
    showView();
  });
  language.addEventListener("click", () => speak(otherLanguage(), { chosen: true }));
}

async function begin() {
  switchLanguage();
  startListening(whenHeard);
  startPlaylist(goToTheme);
  startLibrary();
  startPlayer();
  await speak(preferredLanguage());
  try {
    await readHealth();
    await readLikes();
    byId("version").textContent = health.version;
    sayAgain(); // with what the server told
  } catch (error) {
    failListening(error);
  }
  addEventListener("hashchange", () => {
    showView();
    byId("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  document.documentElement.dataset.ready = "yes";
}

begin();
