/** The page of `affetto app`: listen, answer, browse. */

import { health, readHealth, showFailure } from "./api.js";
import { announce, byId, focusOn } from "./dom.js";
import { sayHeard, showHeard } from "./heard.js";
import { openLibrary, showTheme, startLibrary } from "./library.js";
import { startListening } from "./listen.js";
import { startPlayer } from "./player.js";
import { answer, startPlaylist } from "./playlist.js";
import { onLanguage, otherLanguage, preferredLanguage, speak, t } from "./text.js";

/** Show the view that the address names. */
function showView() {
  const name = location.hash === "#library" ? "library" : "listen";
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(`nav.${name}`)} · Affetto`;
  return name === "library" ? openLibrary() : null;
}

async function whenHeard(voice) {
  const title = showHeard(voice);
  focusOn(title);
  announce(sayHeard(voice));
  if (health?.library) await answer(voice);
}

async function goToTheme(theme) {
  history.pushState(null, "", "#library");
  showView();
  await showTheme(theme);
}

async function begin() {
  await speak(preferredLanguage());
  const language = byId("language");
  onLanguage(() => {
    const other = otherLanguage();
    language.textContent = t(`language.${other}`);
    language.lang = other;
    showView();
  });
  language.addEventListener("click", () => speak(otherLanguage(), { chosen: true }));
  startPlayer();
  startLibrary();
  try {
    await readHealth();
    byId("version").textContent = health.version;
    await startPlaylist(goToTheme);
  } catch (error) {
    showFailure(byId("failure"), error);
  }
  startListening(whenHeard);
  addEventListener("hashchange", () => {
    showView();
    byId("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  await speak(preferredLanguage());
  document.documentElement.dataset.ready = "yes";
}

begin();
