"use strict";

/** Decides many rows at once. What is decided already stays, unless nothing else is left and the user says so. */
decisionPage.bulk = (() => {
  const { find, say } = decisionPage.elements;
  const { counted } = decisionPage.filterForm;
  const { NAMES } = decisionPage.decisions;

  function start() {
    for (const button of document.querySelectorAll("[data-line]")) {
      button.addEventListener("click", () => line(NAMES.indexOf(button.dataset.line)));
    }
    for (const button of document.querySelectorAll("[data-all]")) {
      button.addEventListener("click", () => all(NAMES.indexOf(button.dataset.all)));
    }
    find("undo").addEventListener("click", undo);
  }

  const openOf = (rows) => rows.filter((row) => decisionPage.decisions.stateOf(row) === 0);

  /** The photos beside the active one, in its line of the grid. */
  function line(state) {
    const { grid, decisions } = decisionPage;
    const open = openOf(grid.activeLine());
    const kept = grid.activeLine().length - open.length;
    decisions.decide(open, state);
    const left = kept ? ` ${counted(kept)} decided before will not change.` : "";
    say(`${counted(open.length)}: ${NAMES[state]}.${left}`);
    grid.goTo(grid.place() - (grid.place() % grid.columns()) + grid.columns());
  }

  /** All rows that the filters show; asks first. */
  function all(state) {
    const rows = decisionPage.grid.rows();
    const open = openOf(rows);
    const chosen = open.length ? open : rows;
    if (!rows.length) {
      return;
    }
    const name = NAMES[state];
    const kept = rows.length - open.length;
    find("ask-text").textContent = open.length
      ? `Decide ${name} for ${counted(open.length)}?` +
        (kept ? ` ${counted(kept)} decided before will not change.` : "")
      : `All ${counted(rows.length)} shown are decided. Change all of them to ${name}?`;
    find("ask-yes").textContent = `Decide ${name} for ${counted(chosen.length)}`;
    find("ask").onclose = () => {
      if (find("ask").returnValue === "go") {
        decisionPage.decisions.decide(chosen, state);
        say(`${counted(chosen.length)}: ${name}.`);
        decisionPage.grid.goTo(decisionPage.grid.place());
      }
    };
    find("ask").returnValue = "";
    find("ask").showModal();
  }

  function undo() {
    const rows = decisionPage.decisions.undo();
    say(rows ? `Undone: ${decisionPage.elements.counted(rows.length, "decision")}.` : "Nothing to undo.");
    const place = rows && rows.length === 1 ? decisionPage.grid.rows().indexOf(rows[0]) : -1;
    if (place >= 0 && !find("photo").open) {
      decisionPage.grid.goTo(place);
    }
  }

  return { start, line, undo };
})();
