"use strict";

/** The keys. "?" shows them; the list is in index.html. */
decisionPage.keyboard = (() => {
  const { find } = decisionPage.elements;
  const STATES = { y: 1, n: 2, l: 3 };

  /** @param {(state: number) => void} decide for the active photo of the grid, and moves on */
  function start(decide) {
    document.addEventListener("keydown", (event) => {
      const action = actionOf(event, decide);
      if (action) {
        event.preventDefault();
        action();
      }
    });
    find("keys-close").addEventListener("click", () => find("keys").close());
    find("show-keys").addEventListener("click", () => find("keys").showModal());
  }

  /** What a key does here and now; null if it keeps its own meaning. */
  function actionOf(event, decide) {
    const { bulk, photo } = decisionPage;
    if (find("ask").open || find("keys").open) {
      return null;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !writes(event.target)) {
      return bulk.undo;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return null;
    }
    if (event.target.matches("input, select, textarea")) {
      const leaves = event.key === "Escape" || (event.key === "Enter" && event.target === find("search"));
      return leaves ? () => decisionPage.grid.goTo(decisionPage.grid.place()) : null;
    }
    if (event.repeat && Object.hasOwn(STATES, event.key.toLowerCase())) {
      return () => {}; // a key that is held down decides once: every photo gets its own look
    }
    if (event.key === "u") {
      return bulk.undo;
    }
    return find("photo").open ? inPhoto(event.key, photo) : inGrid(event, decide);
  }

  const writes = (target) => target.matches("input:not([type=checkbox]), textarea");

  function inPhoto(key, photo) {
    const moves = { ArrowLeft: [photo.step, -1], ArrowRight: [photo.step, 1] };
    Object.assign(moves, { ArrowUp: [photo.moveLabel, -1], ArrowDown: [photo.moveLabel, 1] });
    if (Object.hasOwn(moves, key)) {
      return () => moves[key][0](moves[key][1]);
    }
    return Object.hasOwn(STATES, key) ? () => photo.decideSelected(STATES[key]) : null;
  }

  function inGrid(event, decide) {
    const { grid, bulk, photo } = decisionPage;
    const { key } = event;
    if (key === "/") {
      return () => find("search").focus();
    }
    if (key === "?") {
      return () => find("keys").showModal();
    }
    if (Object.hasOwn(STATES, key)) {
      return () => decide(STATES[key]);
    }
    if (/^[YNL]$/.test(key)) {
      return () => bulk.line(STATES[key.toLowerCase()]);
    }
    if (key === "Enter" && !event.target.closest("button, summary, a")) {
      return () => photo.open(grid.place());
    }
    const steps = stepsOf(event.target.closest("#grid") !== null);
    return Object.hasOwn(steps, key) ? () => grid.goTo(grid.place() + steps[key]) : null;
  }

  /** How many places a key moves. Outside the grid Home, End and the page keys scroll, as on every page. */
  function stepsOf(inside) {
    const { grid } = decisionPage;
    const columns = grid.columns();
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const page = columns * grid.linesInWindow();
    return inside ? { ...steps, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity } : steps;
  }

  return { start };
})();
