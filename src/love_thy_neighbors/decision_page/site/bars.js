"use strict";

/** Draws a score as a bar: a score is the sum of the image's part and one part for each kind of neighbours (Eq. 6). */
decisionPage.bars = (() => {
  const { element } = decisionPage.elements;
  const NAMES = { new: "neighbours among these photos", archive: "neighbours in the archive" };

  /** Names of the parts, in order. */
  function partNames() {
    const { kinds } = decisionPage.columns.index.about;
    return ["image", ...kinds.map((kind) => (Object.hasOwn(NAMES, kind) ? NAMES[kind] : `neighbours: ${kind}`))];
  }

  /** A part with its sign: "+1.20", "−0.31". */
  function signed(part) {
    return part === null ? "unknown" : `${part < 0 ? "−" : "+"}${Math.abs(part).toFixed(2)}`;
  }

  /** The largest sum of parts of one sign, of any row: bars of a photo have one scale. */
  function scaleOf(rows) {
    const sumOfSign = (parts, sign) => sumOf(parts.filter((part) => part * sign > 0)) * sign;
    return Math.max(...rows.flatMap(({ parts }) => [sumOfSign(parts, 1), sumOfSign(parts, -1)]), 1e-6);
  }

  const sumOf = (parts) => parts.reduce((sum, part) => sum + part, 0);

  /** Parts for the label go to the right of the middle, parts against it to the left. */
  function bar(parts, scale) {
    const drawn = element("div", { class: "parts", "aria-hidden": "true" });
    const ends = { left: 0, right: 0 };
    parts.forEach((part, place) => {
      const side = part < 0 ? "left" : "right";
      const length = (Math.abs(part || 0) / scale) * 50;
      const piece = element("span", { class: `part part-${Math.min(place, 3)}` });
      piece.style[side === "right" ? "left" : "right"] = `${50 + ends[side]}%`;
      piece.style.width = `${length}%`;
      ends[side] += length;
      drawn.append(piece);
    });
    return drawn;
  }

  /** The parts as text, with their colours. */
  function legend(parts) {
    return element(
      "ul",
      { class: "legend" },
      ...partNames().map((name, place) =>
        element(
          "li",
          {},
          element("span", { class: `swatch part-${Math.min(place, 3)}` }),
          `${name} `,
          element("b", {}, signed(parts[place]))
        )
      )
    );
  }

  return { bar, legend, scaleOf, signed };
})();
