// Elements and numbers. All text goes through textContent: nothing that is shown is ever read as HTML.

export const NOTHING = "\u2013";

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** Put new content into a place; tables stay where they were scrolled to, and keep the focus. */
export function fill(id, ...children) {
  const place = document.getElementById(id);
  const before = [...place.querySelectorAll(".wide")].map((old) =>
    ({ top: old.scrollTop, left: old.scrollLeft, focused: old === document.activeElement }));
  place.replaceChildren(...children);
  place.querySelectorAll(".wide").forEach((wide, i) => {
    if (!before[i]) return;
    wide.scrollTop = before[i].top;
    wide.scrollLeft = before[i].left;
    if (before[i].focused) wide.focus({ preventScroll: true });
  });
}

export const say = (id, text) => {
  const element = document.getElementById(id);
  if (element.textContent !== text) element.textContent = text;
};

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with thousands separators; the digits follow its size unless given. */
export function number(value, digits) {
  if (!known(value)) return NOTHING;
  const size = Math.abs(value);
  const places = digits ?? (size >= 1000 || Number.isInteger(value) ? 0 : size >= 1 ? 2
    : size > 0 ? Math.min(8, 2 - Math.floor(Math.log10(size))) : 0);
  const text = value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  return text.replace(/^-(?=0(\.0*)?$)/, "").replace("-", "\u2212");
}

/** How many digits tell the multiples of a step apart. */
export function places(step) {
  for (let digits = 0; digits < 8; digits += 1) {
    const scaled = step * 10 ** digits;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return digits;
  }
  return 8;
}

/** An amount as one would say it. */
export function money(value) {
  if (!known(value)) return NOTHING;
  for (const [least, word] of [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]]) {
    if (Math.abs(value) >= least) return `${number(value / least, 2)} ${word}`;
  }
  return number(value, Math.abs(value) >= 100 || value === 0 ? 0 : 2);
}

/** An amount in as few letters as an axis has room for. */
export function brief(value) {
  if (!known(value)) return NOTHING;
  for (const [least, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= least) return `${number(Number((value / least).toPrecision(3)), undefined).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")}${letter}`;
  }
  return number(Number(value.toPrecision(3)));
}

/** A price: as many digits as its size needs. */
export function price(value) {
  if (!known(value)) return NOTHING;
  const size = Math.abs(value);
  return number(value, size >= 10000 ? 1 : size >= 100 ? 2 : size >= 1 ? 4 : undefined);
}

export const percent = (value, digits = 2) => (known(value) ? `${number(value * 100, digits)} %` : NOTHING);

export const times = (value) => (known(value) ? `${number(value, 1)}\u00d7` : NOTHING);

const SAID = { timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" };

export const moment = (seconds, more = {}) =>
  new Date(seconds * 1000).toLocaleString("en-GB", { ...SAID, ...more });

export const clock = (seconds) => moment(seconds, { day: undefined, month: undefined });

const ROLES = { "trader-long": "trader", "trader-short": "trader" };

export const account = (number, role) => (number ? `${number}${role ? ` ${ROLES[role] || role}` : ""}` : NOTHING);

/** An address in few letters; other names as they are. */
export const name = (text) => (/^0x[0-9a-f]{40}$/.test(text)
  ? make("span", { title: text }, `${text.slice(0, 8)}\u2026${text.slice(-4)}`) : text);

/** A table. `columns`: [heading, text of a row, is it a number]; `nothing` is said where there are no rows. */
export function table(columns, rows, nothing, look) {
  if (!rows.length) return make("p", { class: "note" }, nothing);
  const side = (column) => (column[2] ? "n" : undefined);
  const head = make("tr", {}, ...columns.map((column) => make("th", { scope: "col", class: side(column) }, column[0])));
  const body = rows.map((row) => make("tr", { class: look?.(row) }, ...columns.map((column) =>
    make("td", { class: side(column) }, column[1](row)))));
  return make("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "table" },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}
