"use strict";

/** Starts the page: loads the index, shows the first photos, then loads what is searched. */
(async () => {
  const { element, find, say, warn, count } = decisionPage.elements;
  const { columns, decisions, filters, filterForm, grid, photo } = decisionPage;

  /** Shows the rows that the filters leave. */
  function showRows() {
    const found = filters.select(filterForm.current());
    say("");
    const shown = grid.show(found);
    const limit = shown < found.length ? `, the first ${count(shown)} are shown: use a filter` : "";
    find("shown").textContent = filterForm.counted(found.length) + limit;
    find("nothing").hidden = found.length > 0;
    if (scrollY > find("main").offsetTop) {
      scrollTo({ top: find("main").offsetTop, behavior: "instant" });
    }
  }

  function showTotals() {
    const [, yes, no, later] = decisions.totals();
    const all = yes + no + later;
    const parts = `: ${count(yes)} yes, ${count(no)} no, ${count(later)} later`;
    find("decided").textContent = `${count(all)} decided${all ? parts : ""}`;
  }

  /** @param {number} row @param {number} state the same decision again takes it back */
  function choose(row, state) {
    decisions.decide([row], decisions.stateOf(row) === state ? 0 : state);
  }

  function decideActive(state) {
    if (grid.rows().length) {
      decisions.decide([grid.row()], state);
      grid.goTo(grid.place() + 1);
    }
  }

  function showAbout() {
    const { about } = columns.index;
    document.title = `${about.collection}: suggestions`;
    const lines = [
      ["Model", `${about.model}, trained on ${about.collection}`],
      ["Run", about.run],
      ["Date", about.created],
      ["Asked for", `${Math.round(about.precision * 100)} of 100 suggestions right`],
      ...about.counts.map(([name, number]) => [name, count(number)]),
    ];
    find("about-list").append(...lines.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
    find("notes").append(...about.notes.map((note) => element("p", { class: "about-note" }, note)));
  }

  try {
    find("many").open = matchMedia("(min-width: 52.01rem)").matches; // a phone has no room for it
    columns.index = columns.read(await decisionPage.loading.load("index"));
    decisionPage.loading.forget("index");
    decisions.start(columns.index);
    showAbout();
    filterForm.start(showRows);
    grid.start(choose, photo.open);
    photo.start(choose);
    decisionPage.bulk.start();
    decisionPage.keyboard.start(decideActive);
    document.addEventListener("decided", showTotals);
    document.addEventListener("loaded", showRows);
    showTotals();
    showRows();
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    await decisionPage.search.load();
    decisionPage.export.start();
    grid.layout();
    document.querySelectorAll("[data-needs-names]").forEach((control) => (control.disabled = false));
  } catch (error) {
    warn(error.message);
    say("");
  }
  document.documentElement.dataset.ready = "";
})();
