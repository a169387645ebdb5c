"use strict";

/** The form of the filters, and the list of labels beside the photos. */
decisionPage.filterForm = (() => {
  const { element, find, count } = decisionPage.elements;
  let filter = { ...decisionPage.filters.NONE };
  let changed = () => {};
  /** @type {{button: HTMLElement, option: HTMLOptionElement, number: HTMLElement, name: string, label: number}[]} */
  let labels = [];

  /** @param {() => void} whenChanged is called with every change of a filter */
  function start(whenChanged) {
    changed = whenChanged;
    listLabels();
    find("label").addEventListener("change", () => set({ label: Number(find("label").value) }));
    find("filters").addEventListener("input", readForm);
    find("filters").addEventListener("submit", (event) => event.preventDefault());
    find("search").addEventListener("input", readForm);
    find("clear").addEventListener("click", clear);
    for (const view of ["suggestions", "doubtful"]) {
      find(`view-${view}`).addEventListener("click", () => {
        set({ view, label: -1 });
        listLabels();
        showState();
      });
    }
    typeAhead("album", true);
    typeAhead("value", false);
    document.addEventListener("decided", showCounts);
    showState();
  }

  function listLabels() {
    labels = labelsInOrder().map(entryOf);
    find("labels").replaceChildren(...labels.map((one) => element("li", {}, one.button)));
    find("label").replaceChildren(...labels.map((one) => one.option));
  }

  /** "All labels", then those with most open rows of the view first; the order stays while one decides. */
  function labelsInOrder() {
    const { about } = decisionPage.columns.index;
    const counts = decisionPage.filters.openCounts(filter);
    const order = about.labels.map((_, label) => label);
    return [-1, ...order.sort((a, b) => counts[b] - counts[a] || about.labels[a].localeCompare(about.labels[b]))];
  }

  function entryOf(label) {
    const name = label < 0 ? "All labels" : decisionPage.columns.index.about.labels[label];
    const number = element("span", { class: "number" });
    const button = element(
      "button",
      { type: "button", click: () => set({ label }) },
      element("span", { class: "name" }, name),
      number
    );
    return { label, name, number, button, option: element("option", { value: label }) };
  }

  function showCounts() {
    const counts = decisionPage.filters.openCounts(filter);
    for (const one of labels) {
      const open = count(counts[one.label < 0 ? counts.length - 1 : one.label]);
      one.number.textContent = open;
      one.option.textContent = `${one.name} (${open})`;
    }
  }

  /** Makes the form show the filter. */
  function showState() {
    for (const one of labels) {
      one.button.setAttribute("aria-pressed", one.label === filter.label);
    }
    find("label").value = filter.label;
    for (const view of ["suggestions", "doubtful"]) {
      find(`view-${view}`).setAttribute("aria-pressed", view === filter.view);
    }
    const { NONE } = decisionPage.filters;
    const inBox = Object.keys(NONE).filter((name) => !["view", "label", "search"].includes(name));
    const used = inBox.filter((name) => filter[name] !== NONE[name]);
    find("filters-used").textContent = used.length ? `${used.length} used` : "";
    find("rows-field").hidden = filter.view === "doubtful";
    showCounts();
  }

  function readForm() {
    const percentOf = (id, empty) => {
      return find(id).value === "" || !find(id).checkValidity() ? empty : Number(find(id).value);
    };
    set({
      decision: find("decision").value,
      rows: find("rows").value,
      from: percentOf("from", 0),
      to: percentOf("to", 100),
      neighbors: find("neighbors").value,
      changed: find("changed").checked,
      album: find("album").value,
      value: find("value").value,
      search: find("search").value,
    });
  }

  function clear() {
    find("filters").reset();
    find("search").value = "";
    filter.label = -1;
    readForm();
  }

  function set(values) {
    filter = { ...filter, ...values };
    showState();
    changed();
  }

  /** Offers values that contain what is typed. */
  function typeAhead(id, albums) {
    const offer = () => {
      const values = decisionPage.search.suggest(find(id).value, albums);
      find(`${id}-values`).replaceChildren(...values.map(([value, label]) => element("option", { value, label })));
    };
    find(id).addEventListener("input", offer);
    find(id).addEventListener("focus", offer);
  }

  /** "1 suggestion", "12 doubtful labels". */
  const counted = (number) => decisionPage.elements.counted(number, decisionPage.filters.nounOf(filter));

  return { start, current: () => filter, counted };
})();
