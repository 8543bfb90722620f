/** Makes elements. Titles and tags are other people's: everything becomes text, nothing is parsed as HTML. */

const SAID_MS = 5000;

export const byId = (id) => document.getElementById(id);

/** Make an element; `on…` are listeners, `data` is its dataset, null leaves an attribute out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function icon(name) {
  const use = makeSvg("use", { href: `icons.svg#${name}` });
  return makeSvg("svg", { class: "icon", "aria-hidden": "true" }, use);
}

/** Say something to a screen reader only; what was said just before is still read. */
export function announce(sentence) {
  const said = make("span", {}, `${sentence} `);
  byId("live").append(said);
  setTimeout(() => said.remove(), SAID_MS);
}

/** Move the focus to a heading, so that a screen reader goes on from there. */
export function focusOn(element) {
  element.setAttribute("tabindex", "-1");
  element.focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

/** Wait until nothing has happened for a moment, and then act once. */
export function settle(action, milliseconds = 250) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}
