// What tests ask of a sweep's page besides what probes.js knows.
globalThis.sweep = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  // a colour as it comes out over another one: [r, g, b] of 0 to 255
  const painted = (...layers) => {
    canvas.globalCompositeOperation = "source-over";
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const grounds = (node) => {
    const found = [];
    for (let at = node; at; at = at.parentElement) found.unshift(getComputedStyle(at).backgroundColor);
    return ["#fff", ...found];
  };
  const seen = (node) => node.getClientRects().length > 0;

  return {
    // [contrast, text] of the least legible text of the page, outside and inside of pictures
    text: () => all("body *").filter(seen)
      .filter((node) => [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()))
      .filter((node) => !node.closest("title, option, noscript"))
      .map((node) => {
        const style = getComputedStyle(node), ground = grounds(node);
        const ink = node.closest("svg") ? style.fill : style.color;
        return [ratio(painted(...ground, ink), painted(...ground)), node.textContent.trim().slice(0, 40)];
      }).sort((a, b) => a[0] - b[0])[0],

    // [contrast, class] of the faintest line, dot or bar
    shapes: () => all("svg.plot .line, svg.plot .dot, svg.plot .whisker, svg.plot .median, svg.plot .mark, svg.plot .fill")
      .filter(seen).map((node) => {
        const style = getComputedStyle(node), ground = grounds(node);
        const ink = style.fill === "none" ? style.stroke : style.fill;
        return [ratio(painted(...ground, ink), painted(...ground)), node.getAttribute("class")];
      }).sort((a, b) => a[0] - b[0])[0],

    // texts that jut out of their picture, or into another one
    cut: () => all("svg.plot").filter(seen).flatMap((svg) => {
      const frame = svg.getBoundingClientRect();
      return all("text", svg).filter((t) => {
        const b = t.getBoundingClientRect();
        return b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1
          || b.bottom > frame.bottom + 1;
      }).map((t) => t.textContent);
    }),
    overlaps: () => all("svg.plot").filter(seen).flatMap((svg) => {
      const boxes = all("text", svg).map((t) => [t.getBoundingClientRect(), t.textContent]);
      return boxes.flatMap(([a, one], i) => boxes.slice(i + 1).filter(([b]) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
          && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2).map(([, other]) => `${one} | ${other}`));
    }),
    smallest: () => Math.min(...all("svg.plot text").filter(seen).map((t) =>
      parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width
        / t.ownerSVGElement.viewBox.baseVal.width)),
    // pictures without a line, dot or bar of any extent
    empty: () => all("svg.plot").filter(seen).filter((svg) =>
      !all(".line, .dot, .box, .fill", svg).some((n) => {
        const b = n.getBoundingClientRect();
        return b.width + b.height > 2;
      })).map((svg) => svg.querySelector("title").textContent),
    sorted: () => all("table.sort").map((table) => {
      const rows = table.tBodies[0].rows.length;
      for (const button of all("thead button", table)) { button.click(); button.click(); }
      return [all("thead th:not(:has(button))", table).length, table.tBodies[0].rows.length - rows,
        all("[aria-sort]", table).length];
    }),
    // [rows, columns, figure] of the heat maps that are shown
    maps: () => all("#maps [data-pair]").filter((map) => !map.hidden).map((map) => {
      const [down, across] = all("thead th:first-child span", map).map((s) => s.textContent.split(" ")[0]);
      return [down, across, map.querySelector("caption").textContent];
    }),
  };
})();
