// What tests ask of a page. Boxes are [left, top, width, height] on the screen.
globalThis.probe = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const charts = () => all("figure .chart");
  const rect = (node) => node.getBoundingClientRect();
  const box = (node) => { const b = rect(node); return [b.left, b.top, b.width, b.height]; };
  const key = (div) => div.parentElement.id;
  const moment = (v) => typeof v === "number" ? v : Date.parse(String(v).replace(" ", "T") + "Z");

  return {
    box,

    // [chart, name, values to draw, shapes with an extent] of every trace
    traces: () => charts().flatMap((div) => {
      const groups = all(".scatterlayer .trace, .barlayer .trace", div);
      return div.data.map((trace, at) => {
        const values = trace.y.filter((y) => y !== null && (trace.type !== "bar" || y !== 0));
        const group = groups.find((g) => g.__data__[0].trace.index === at);
        const shapes = group ? all("path", group).filter((p) => rect(p).width + rect(p).height > 0) : [];
        return [key(div), trace.name, values.length, shapes.length];
      });
    }),

    // what juts out of its chart's frame
    outside: () => all("figure").filter((figure) => {
      const frame = rect(figure);
      return all(".main-svg, .legend button", figure).map(rect).some((b) =>
        b.left < frame.left - 1 || b.right > frame.right + 1 || b.bottom > frame.bottom + 1);
    }).map((figure) => figure.id),

    // the time each chart shows, milliseconds
    ranges: () => charts().map((div) => div.layout.xaxis.range.map(moment)),

    // the first plot of a chart, moved to the middle of the screen
    plot: (selector) => {
      const div = document.querySelector(`${selector} .chart`);
      div.scrollIntoView({ block: "center", behavior: "instant" });
      return box(div.querySelector(".nsewdrag"));
    },

    // the button of a heading, moved to the middle of the screen
    heading: (table, at) => {
      const button = all(`${table} thead button`)[at];
      button.scrollIntoView({ block: "center", behavior: "instant" });
      return box(button);
    },

    // box and worth, as the pointer shows it, of the bars of a chart's first series
    bars: (selector) => {
      const div = document.querySelector(`${selector} .chart`);
      const shown = all(".barlayer .trace", div)[0];
      return all(".point", shown).map((bar) => [...box(bar.querySelector("path")),
        Math.round(bar.__data__.s).toLocaleString("en-US")]);
    },

    // what the pointer shows in a chart
    hovered: (selector) => all(`${selector} .hoverlayer text`).map((t) => t.textContent).join("; "),

    column: (table, at) => all(`${table} tbody tr`).map((row) => row.cells[at].dataset.v)
      .filter((v) => v !== undefined).map(Number),

    order: (table, at) => all(`${table} thead th`)[at].getAttribute("aria-sort"),

    // [headings without a button, rows lost, headings marked as sorted] after sorting by every column twice
    sorted: () => all("table").map((table) => {
      const rows = table.tBodies[0].rows.length;
      for (const button of all("thead button", table)) { button.click(); button.click(); }
      return [all("thead th:not(:has(button))", table).length, table.tBodies[0].rows.length - rows,
        all("[aria-sort]", table).length];
    }),

    overflow: () => document.documentElement.scrollWidth - innerWidth,

    // what reaches beyond the right edge; tables scroll inside their frames
    wide: () => all("body *").filter((node) => !node.closest(".wide, .chart svg"))
      .filter((node) => rect(node).right > innerWidth + 1).map((node) => `${node.tagName}.${node.className}`),

    legibility: () => charts().map((div) => {
      const texts = all("text", div).filter((t) => t.textContent.trim());
      const ticks = all(".xaxislayer-above .xtick text, .xaxislayer-below .xtick text", div).map(rect)
        .sort((a, b) => a.left - b.left);
      return {
        key: key(div),
        width: rect(div.querySelector(".nsewdrag")).width,
        smallest: Math.min(...texts.map((t) => parseFloat(getComputedStyle(t).fontSize))),
        overlaps: ticks.slice(1).filter((b, i) => b.left < ticks[i].right).length,
        cut: texts.filter((t) => rect(t).left < -1 || rect(t).right > innerWidth + 1).map((t) => t.textContent),
      };
    }),

    lowest: (selector) => Math.min(...all(selector).map((node) => rect(node).height)),
    widths: () => all("figure .chart").map((div) => Math.round(rect(div.querySelector(".main-svg")).width)),
    shown: (selector) => all(selector).filter((node) => getComputedStyle(node).display !== "none").length,
    clipped: () => all(".wide").filter((node) => getComputedStyle(node).overflowY !== "visible").length,
    pictures: () => all(".flow svg").map(rect).filter((b) => b.width > 0).map((b) => [b.left, b.right]),
  };
})();
