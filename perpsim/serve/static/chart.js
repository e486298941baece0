// Lines over time as SVG: what has happened by the block that is shown in colour, the rest of a run pale.

import { make, moment } from "/parts.js";

const SPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 190, LEFT = 8, RIGHT = 58, TOP = 8, BOTTOM = 22;
let charts = 0;

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Round steps between two values, about `count` of them. */
export function ticks(low, high, count) {
  const raw = (high - low) / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * unit).find((n) => n >= raw * 0.999);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

const STEPS = [60, 300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 30 * 86400];

function timeTicks(start, end, count) {
  const step = STEPS.find((n) => (end - start) / n <= count) || STEPS.at(-1);
  const found = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step) found.push(at);
  return [found, step];
}

export class Chart {
  /** `lines`: [{ name, key, colour, dash }]; `text` writes a value, `tick` one at the axis given the step to the
   * next; the axis begins at nothing where `zero` is true. */
  constructor(place, title, lines, text, tick, zero) {
    this.lines = lines;
    this.text = text;
    this.tick = tick;
    this.zero = zero;
    this.id = `chart-${(charts += 1)}`;
    this.legend = make("p", { class: "legend" });
    this.picture = draw("svg", { role: "img", "aria-label": title, height: HEIGHT });
    place.append(make("figure", {}, make("figcaption", {}, title), this.legend, this.picture));
    this.values = lines.map((line) => {
      const value = make("b", {}, "");
      const mark = draw("svg", { width: 18, height: 8, "aria-hidden": "true" },
        draw("line", { x1: 0, x2: 18, y1: 4, y2: 4, stroke: line.colour, "stroke-width": 2, ...dash(line) }));
      this.legend.append(make("span", {}, mark, ` ${line.name} `, value));
      return value;
    });
    new ResizeObserver(() => this.draw()).observe(this.picture);
  }

  /** `data`: a line a key, { t, y }; `range`: [start, end] in seconds. */
  set(data, range) {
    this.data = data;
    this.range = range;
    this.draw();
  }

  draw() {
    const width = this.picture.clientWidth;
    if (!this.data || !width) return;
    const [start, end] = this.range;
    const all = this.lines.flatMap((line) => this.data[line.key]?.y.filter((y) => y !== null) ?? []);
    let low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!(low <= high)) [low, high] = [0, 1];
    if (this.zero) low = Math.min(low, 0);
    // What does not really move is not blown up.
    const flat = high - low < Math.abs(high) * 1e-3;
    const room = (flat ? Math.abs(high) * 0.1 : (high - low) * 0.06) || 1;
    high += room;
    if (!(this.zero && low === 0)) low -= room;
    const bottom = HEIGHT - BOTTOM, right = Math.max(width - RIGHT, LEFT + 10);
    this.x = (t) => LEFT + (t - start) / Math.max(end - start, 1) * (right - LEFT);
    const y = (v) => bottom - (v - low) / (high - low) * (bottom - TOP);
    const parts = [];
    const steps = ticks(low, high, 4);
    for (const value of steps) {
      parts.push(draw("line", { x1: LEFT, x2: right, y1: y(value), y2: y(value), class: "grid-line" }));
      const label = draw("text", { x: right + 6, y: y(value) + 4, class: "tick" });
      label.textContent = this.tick(value, steps[1] - steps[0]);
      parts.push(label);
    }
    const [at, step] = timeTicks(start, end, Math.max(2, Math.floor(width / 75)));
    for (const time of at) {
      const label = draw("text", { x: this.x(time), y: HEIGHT - 5, class: "tick", "text-anchor": this.x(time) < 24 ? "start" : "middle" });
      label.textContent = step >= 86400 || time % 86400 === 0
        ? moment(time, { hour: undefined, minute: undefined, second: undefined })
        : moment(time, { day: undefined, month: undefined, second: undefined });
      parts.push(draw("line", { x1: this.x(time), x2: this.x(time), y1: bottom, y2: bottom + 4, class: "axis" }), label);
    }
    parts.push(draw("line", { x1: LEFT, x2: right, y1: bottom, y2: bottom, class: "axis" }));
    const past = draw("g", { "clip-path": `url(#${this.id})` }), future = draw("g", { opacity: 0.22 });
    for (const line of this.lines) {
      const data = this.data[line.key];
      if (!data) continue;
      let d = "", pen = "M";
      data.t.forEach((t, i) => {
        if (data.y[i] === null) pen = "M";
        else {
          d += `${pen}${this.x(t).toFixed(1)},${y(data.y[i]).toFixed(1)}`;
          pen = "L";
        }
      });
      const look = { d, fill: "none", stroke: line.colour, "stroke-width": 1.6, "stroke-linejoin": "round", ...dash(line) };
      future.append(draw("path", look));
      past.append(draw("path", look));
    }
    this.cut = draw("rect", { x: 0, y: 0, height: HEIGHT, width });
    this.cursor = draw("line", { y1: TOP, y2: bottom, class: "cursor" });
    this.picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.picture.replaceChildren(draw("defs", {}, draw("clipPath", { id: this.id }, this.cut)), ...parts, future, past, this.cursor);
    if (this.time !== undefined) this.at(this.time, this.now);
  }

  /** Show the time of a block and the lines' values then, by key. */
  at(time, now) {
    this.time = time;
    this.now = now;
    this.lines.forEach((line, i) => { this.values[i].textContent = this.text(now[line.key]); });
    if (!this.x) return;
    const x = this.x(time);
    this.cut.setAttribute("width", Math.max(x, 0));
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }
}

const dash = (line) => (line.dash ? { "stroke-dasharray": line.dash } : {});
