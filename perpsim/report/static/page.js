"use strict";
(() => {
  // ---- tables: a click on a heading sorts, a second one turns the order round

  for (const table of document.querySelectorAll("table.sort")) {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, at) => head.querySelector("button").addEventListener("click", () => {
      const numbers = head.classList.contains("n");
      const was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : !numbers;
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[at].dataset.v;
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const x = key(a), y = key(b);
        if (numbers) {
          if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
          return up ? x - y : y - x;
        }
        const order = a.cells[at].textContent.localeCompare(b.cells[at].textContent, "en", { numeric: true });
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    }));
  }

  // ---- charts

  const root = document.documentElement;
  const places = [...document.querySelectorAll("figure .chart")];
  if (!places.length) {
    root.dataset.charts = "none";
    return;
  }

  async function inflated(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  const breath = () => new Promise((done) => setTimeout(done, 0));
  const narrow = () => innerWidth < 640;
  const touch = matchMedia("(pointer: coarse)").matches;
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: "#1c2430" };
  const config = { displaylogo: false, responsive: true, doubleClick: false, showTips: false,
    displayModeBar: false };
  const drawn = []; // { div, chart }
  let run; // { start, end } in milliseconds
  let shown; // [from, to]

  const tall = (chart) => Math.round(chart.layout.height * (narrow() ? 0.85 : 1));

  function layout(chart) {
    const result = { ...chart.layout, font, autosize: true, showlegend: false, hovermode: "x unified", hoversubplots: "axis",
      dragmode: touch ? false : "zoom", bargap: 0, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
      margin: { l: 54, r: 10, t: 24, b: 34 },
      hoverlabel: { bgcolor: "#fffffff2", bordercolor: "#cfd5dd", font: { ...font } } };
    result.height = tall(chart);
    for (const key of Object.keys(result).filter((k) => k.startsWith("yaxis"))) {
      result[key] = { ...result[key], fixedrange: true, gridcolor: "#e9ecf1", zerolinecolor: "#9aa3b0",
        zerolinewidth: 1, nticks: narrow() ? 4 : 6, ticklabeloverflow: "allow" };
    }
    result.xaxis = { ...result.xaxis, type: "date", range: shown.slice(), fixedrange: touch, gridcolor: "#eef0f4",
      linecolor: "#9aa3b0", showline: true, hoverformat: "%-d %b %H:%M:%S", nticks: narrow() ? 4 : 9,
      showspikes: !touch, spikethickness: 1, spikecolor: "#9aa3b0", spikedash: "solid", spikemode: "across" };
    result.annotations = chart.labels.map((label) => ({ text: label.text, xref: "paper", yref: "paper", x: 0,
      y: label.y, xanchor: "left", yanchor: "bottom", yshift: 3, showarrow: false,
      font: { ...font, color: "#566070" } }));
    return result;
  }

  // The heights of what is to be seen between two moments, for each axis of a chart.
  function heights(chart, from, to) {
    const found = {};
    for (const trace of chart.data) {
      const axis = "yaxis" + trace.yaxis.slice(1);
      const all = (found[axis] ||= { low: Infinity, high: -Infinity, up: new Map(), down: new Map() });
      if (trace.visible === "legendonly") continue;
      trace.x.forEach((x, i) => {
        const y = trace.y[i];
        const half = trace.type === "bar" ? trace.width / 2 : 0;
        if (y === null || x - half > to || x + half < from) return;
        if (trace.type === "bar") {
          const side = y < 0 ? all.down : all.up;
          side.set(x, (side.get(x) || 0) + y);
          all.low = Math.min(all.low, 0, side.get(x));
          all.high = Math.max(all.high, 0, side.get(x));
        } else {
          all.low = Math.min(all.low, y);
          all.high = Math.max(all.high, y);
        }
      });
    }
    return found;
  }

  function adjusted(chart, whole) {
    const change = { "xaxis.range": shown.slice() };
    for (const [axis, { low, high }] of Object.entries(heights(chart, ...shown))) {
      if (whole || !(low <= high)) {
        change[axis + ".autorange"] = true;
        continue;
      }
      const floor = chart.layout[axis].rangemode === "tozero" && low >= 0;
      const room = (high - (floor ? 0 : low) || Math.abs(high) || 1) * 0.06;
      change[axis + ".range"] = [floor ? 0 : low - room, high + room];
    }
    return change;
  }

  const label = document.querySelector("#timebar output");
  const bar = document.getElementById("timebar");
  const stamp = (t, fine) => new Date(t).toLocaleString("en-GB", { timeZone: "UTC", day: "numeric",
    month: "short", hour: "2-digit", minute: "2-digit", ...(fine ? { second: "2-digit" } : {}) });
  let turn = 0;
  let busy = false;

  async function show(from, to) {
    const length = Math.min(Math.max(to - from, 60e3), run.end - run.start);
    from = Math.min(Math.max(from, run.start), run.end - length);
    shown = [from, from + length];
    const whole = length >= run.end - run.start;
    const fine = length < 20 * 60e3;
    label.textContent = whole ? "whole run" : `${stamp(shown[0], fine)} \u2013 ${stamp(shown[1], fine)}`;
    bar.querySelectorAll("button").forEach((b) => { b.disabled = whole && b.dataset.do !== "in"; });
    const mine = ++turn;
    // first what is on the screen
    const near = ({ div }) => { const r = div.getBoundingClientRect(); return r.bottom > 0 && r.top < innerHeight; };
    for (const { div, chart } of [...drawn].sort((a, b) => near(b) - near(a))) {
      if (mine !== turn) return;
      busy = true;
      await Plotly.relayout(div, adjusted(chart, whole));
      busy = false;
      await breath();
    }
  }

  bar.addEventListener("click", (event) => {
    const what = event.target.dataset.do;
    if (!what || !shown) return;
    const [from, to] = shown, half = (to - from) / 2, middle = from + half;
    if (what === "in") show(middle - half / 2, middle + half / 2);
    if (what === "out") show(middle - half * 2, middle + half * 2);
    if (what === "back") show(from - half, to - half);
    if (what === "forth") show(from + half, to + half);
    if (what === "whole") show(run.start, run.end);
  });

  async function draw(div, chart) {
    for (const trace of chart.data) trace.x = trace.x.map((s) => run.start + s * 1000);
    await Plotly.newPlot(div, chart.data, layout(chart), config);
    div.style.minHeight = "0"; // it held the place until now; on a narrow screen charts are lower
    drawn.push({ div, chart });
    div.on("plotly_relayout", (change) => {
      const from = change["xaxis.range[0]"], to = change["xaxis.range[1]"];
      if (!busy && from !== undefined) show(time(from), time(to));
    });
    div.on("plotly_doubleclick", () => { show(run.start, run.end); });
    for (const button of div.parentElement.querySelectorAll(".legend button")) {
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        Plotly.restyle(div, { visible: on ? true : "legendonly" }, button.dataset.traces.split(",").map(Number));
      });
    }
  }

  // plotly gives dates as text without a zone, and means UTC
  const time = (value) => typeof value === "number" ? value : Date.parse(String(value).replace(" ", "T") + "Z");

  async function start() {
    const [code, text] = await Promise.all([inflated("plotly-gz"), inflated("charts-gz")]);
    const script = document.createElement("script");
    script.textContent = code;
    document.head.append(script);
    const found = JSON.parse(text);
    run = { start: found.start * 1000, end: found.end * 1000 };
    shown = [run.start, run.end];
    for (const chart of found.charts) {
      await draw(document.querySelector(`#${CSS.escape(chart.key)} .chart`), chart);
      await breath();
    }
    bar.querySelectorAll("button").forEach((b) => { b.disabled = b.dataset.do !== "in"; });
    root.dataset.charts = "drawn";
  }

  // paper has its own width, and lower charts, so that two of them fit on a page
  const paper = { width: 690, share: 0.72 };
  addEventListener("beforeprint", () => drawn.forEach(({ div, chart }) =>
    Plotly.relayout(div, { width: paper.width, height: Math.round(chart.layout.height * paper.share) })));
  addEventListener("afterprint", () => drawn.forEach(({ div, chart }) =>
    Plotly.relayout(div, { width: null, height: tall(chart), autosize: true })));

  start().catch((error) => {
    root.dataset.charts = "failed";
    console.error(error);
    for (const place of places.filter((p) => !p.querySelector(".main-svg"))) {
      place.classList.add("failed");
      place.textContent = "This chart could not be drawn: it needs a browser of 2023 or later. " +
        "The text and the tables are complete without it.";
    }
    bar.hidden = true;
  });
})();
