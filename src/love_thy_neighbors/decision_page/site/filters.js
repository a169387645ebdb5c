"use strict";

/** Which rows are shown. */
decisionPage.filters = (() => {
  const STATES = { open: [0], yes: [1], no: [2], later: [3], decided: [1, 2, 3], any: [0, 1, 2, 3] };
  /** @typedef {typeof NONE} Filter */
  const NONE = {
    view: "suggestions", // or "doubtful"
    label: -1, // place in about.labels; -1: all
    decision: "open", // a key of STATES
    rows: "suggested", // or "any"; view suggestions only
    from: 0,
    to: 100, // percent
    neighbors: "any", // or "with", "without"
    changed: false, // only where the image alone says otherwise
    album: "",
    value: "",
    search: "",
  };

  /** Bits that a row must have for the view. */
  function bitsOf(filter) {
    const { FLAGS } = decisionPage.columns;
    if (filter.view === "doubtful") {
      return FLAGS.doubtful;
    }
    return filter.rows === "suggested" ? FLAGS.suggested : 0;
  }

  /** 1 for each photo that all the texts of the filter find; null if they are empty. */
  function photosOf(filter) {
    const { search } = decisionPage;
    const found = [];
    if (filter.search.trim()) {
      found.push(search.containing(filter.search));
    }
    if (filter.album.trim()) {
      found.push(search.having(filter.album, true));
    }
    if (filter.value.trim()) {
      found.push(search.having(filter.value, false));
    }
    return found.length ? found[0].map((_, photo) => (found.every((marks) => marks[photo]) ? 1 : 0)) : null;
  }

  /**
   * @param {Filter} filter
   * @returns {Uint32Array} rows, most certain first; doubtful labels: those first that the model contradicts most
   */
  function select(filter) {
    const { index, FLAGS, PHOTO_FLAGS, STEPS } = decisionPage.columns;
    const { stateOf } = decisionPage.decisions;
    const bits = bitsOf(filter) | (filter.changed ? FLAGS.changed : 0);
    const states = STATES[filter.decision];
    const photos = photosOf(filter);
    const [from, to] = [(filter.from / 100) * STEPS - 0.5, (filter.to / 100) * STEPS + 0.5];
    const found = index.order.filter((row) => {
      const photo = index.photo[row];
      return (
        (index.rowFlags[row] & bits) === bits &&
        (filter.label < 0 || index.label[row] === filter.label) &&
        states.includes(stateOf(row)) &&
        index.probability[row] >= from &&
        index.probability[row] <= to &&
        (filter.neighbors === "any" ||
          ((index.photoFlags[photo] & PHOTO_FLAGS.neighbors) !== 0) === (filter.neighbors === "with")) &&
        (photos === null || photos[photo] === 1)
      );
    });
    return filter.view === "doubtful" ? found.sort((a, b) => doubt(b) - doubt(a)) : found;
  }

  /** How much the model contradicts what a person has said. */
  function doubt(row) {
    const { index, FLAGS, STEPS } = decisionPage.columns;
    return index.rowFlags[row] & FLAGS.given ? STEPS - index.probability[row] : index.probability[row];
  }

  /** What a row of the view is called. */
  function nounOf(filter) {
    if (filter.view === "doubtful") {
      return "doubtful label";
    }
    return filter.rows === "suggested" ? "suggestion" : "label";
  }

  /** For each label the number of rows of the view that are not decided; the last one is their sum. */
  function openCounts(filter) {
    const { index } = decisionPage.columns;
    const bits = bitsOf(filter);
    const counts = new Uint32Array(index.about.labels.length + 1);
    for (let row = 0; row < index.rows; row += 1) {
      if ((index.rowFlags[row] & bits) === bits && decisionPage.decisions.stateOf(row) === 0) {
        counts[index.label[row]] += 1;
        counts[counts.length - 1] += 1;
      }
    }
    return counts;
  }

  return { NONE, select, openCounts, nounOf };
})();
