"use strict";

/** One photo with one label in the grid, and the buttons yes, no and later. */
decisionPage.cell = (() => {
  const { element, percent } = decisionPage.elements;
  const CHOICES = ["yes", "no", "later"];

  /**
   * The buttons for a row. @param {number} row @param {(row: number, state: number) => void} choose
   * @param {string | null} tabindex "-1" where the keys y, n and l do the same
   */
  function choices(row, choose, tabindex = null) {
    const label = decisionPage.columns.index.about.labels[decisionPage.columns.index.label[row]];
    return element(
      "div",
      { class: "choices", role: "group", "aria-label": `Is ${label} right?` },
      ...CHOICES.map((name) => {
        const state = decisionPage.decisions.NAMES.indexOf(name);
        const click = (event) => {
          event.stopPropagation();
          choose(row, state);
        };
        const text = name[0].toUpperCase() + name.slice(1);
        return element("button", { type: "button", class: name, tabindex, click }, text);
      })
    );
  }

  /** What is asked where a person has judged the photo before. */
  function question(row) {
    const { index, FLAGS } = decisionPage.columns;
    const flags = index.rowFlags[row];
    if (!(flags & FLAGS.doubtful)) {
      return flags & FLAGS.given ? "given by a person" : "";
    }
    return flags & FLAGS.given ? "Is this right?" : "Is this missing?";
  }

  /** Last line of a cell: the question, or what the image alone says. */
  function note(row) {
    const { index, PHOTO_FLAGS, STEPS } = decisionPage.columns;
    if (!(index.photoFlags[index.photo[row]] & PHOTO_FLAGS.neighbors)) {
      return question(row) || "no neighbours";
    }
    return question(row) || `image alone: ${percent(index.imageAlone[row] / STEPS)}`;
  }

  /** @param {number} row @param {(row: number, state: number) => void} choose */
  function make(row, choose) {
    const { index, FLAGS, probabilityOf, thumbnailOf } = decisionPage.columns;
    const file = decisionPage.search.fileOf(index.photo[row]);
    const made = element(
      "div",
      { class: "cell", role: "gridcell", tabindex: "-1" },
      element("div", { class: "picture" }, thumbnailOf(index.photo[row], file)),
      element(
        "div",
        { class: "line" },
        element("span", { class: "name" }, index.about.labels[index.label[row]]),
        element("span", { class: "number" }, percent(probabilityOf(row)))
      ),
      element("div", { class: "line file", title: file }, lastPart(file)),
      element("div", { class: index.rowFlags[row] & FLAGS.changed ? "line note changed" : "line note" }, note(row)),
      choices(row, choose, "-1")
    );
    update(made, row);
    return made;
  }

  const lastPart = (file) => file.slice(file.lastIndexOf("/") + 1);

  /** Shows the decision on a cell, or on another element that has the choices of a row. */
  function update(made, row) {
    const state = decisionPage.decisions.stateOf(row);
    made.dataset.decision = decisionPage.decisions.NAMES[state];
    for (const name of CHOICES) {
      const pressed = decisionPage.decisions.NAMES.indexOf(name) === state;
      made.querySelector(`.choices .${name}`).setAttribute("aria-pressed", pressed);
    }
    if (made.getAttribute("role") === "gridcell") {
      made.setAttribute("aria-label", description(row));
    }
  }

  function description(row) {
    const { index, probabilityOf } = decisionPage.columns;
    const decision = decisionPage.decisions.NAMES[decisionPage.decisions.stateOf(row)];
    const label = index.about.labels[index.label[row]];
    return [label, percent(probabilityOf(row)), note(row), decisionPage.search.fileOf(index.photo[row]), decision]
      .filter(Boolean)
      .join(", ");
  }

  return { make, update, choices, question, lastPart };
})();
