"use strict";

/** Why a label has its probability: the image alone, the parts of the score, and the neighbours that count most. */
decisionPage.reasons = (() => {
  const { element, percent, thumbnail } = decisionPage.elements;

  /** @param {string} label @param {Object} values a row of the details @param {Object} detail of the photo */
  function of(label, values, detail) {
    const alone = `Image alone: ${percent(values.imageAlone)}`;
    const both = detail.neighbors.length ? `, with neighbours: ${percent(values.probability)}.` : ". No neighbours.";
    const reasons = [
      element("h3", {}, label),
      element("p", {}, alone + both),
      element("p", { class: "muted" }, limit(values)),
      decisionPage.bars.legend(values.parts),
    ];
    if (values.top.length) {
      reasons.push(
        element("h4", {}, "Neighbours that count most"),
        element("ul", { class: "neighbors" }, ...values.top.map(([place, part]) => topNeighbor(detail, place, part)))
      );
    }
    return reasons;
  }

  function limit(values) {
    return values.threshold === null
      ? "This label is never suggested: no threshold is sure enough."
      : `Suggested from ${percent(values.threshold)}.`;
  }

  function topNeighbor(detail, place, part) {
    const one = detail.neighbors[place];
    return one ? neighbor(one, part) : element("li", { class: "neighbor" }, decisionPage.bars.signed(part));
  }

  /** A neighbour with the values that it shares. @param {number | null} part in the score of a label */
  function neighbor([place, row, id, file, shared, type], part) {
    return element(
      "li",
      { class: "neighbor", title: file || id },
      element("div", { class: "picture" }, thumbnail(place, row, file || id)),
      part === null ? null : element("b", { class: "number" }, decisionPage.bars.signed(part)),
      type ? element("span", { class: "muted" }, ` by ${type}`) : null,
      element("div", { class: "chips" }, ...shared.map((value) => element("span", { class: "chip shared" }, value)))
    );
  }

  return { of, neighbor };
})();
