"use strict";

/** Writes the decisions as decisions.csv, and reads such a file. */
decisionPage.export = (() => {
  const { find, say, counted } = decisionPage.elements;
  const HEADER = ["id", "file", "label", "decision", "decided"];
  const LARGEST = 200e6; // bytes
  const FORMULA = /^[=+\-@\t]/;

  function start() {
    find("export").addEventListener("click", save);
    find("load").addEventListener("click", () => find("load-file").click());
    find("load-file").addEventListener("change", async () => {
      const [file] = find("load-file").files;
      find("load-file").value = "";
      if (file) {
        await read(file);
      }
    });
  }

  /** One record for each decided row: id, file, label, decision, date and time in UTC. */
  function records() {
    const { index } = decisionPage.columns;
    const { NAMES, stateOf, secondsOf } = decisionPage.decisions;
    const found = [];
    for (let row = 0; row < index.rows; row += 1) {
      if (stateOf(row)) {
        const photo = index.photo[row];
        found.push([
          decisionPage.search.idOf(photo),
          decisionPage.search.fileOf(photo),
          index.about.labels[index.label[row]],
          NAMES[stateOf(row)],
          new Date(secondsOf(row) * 1000).toISOString().replace(".000Z", "Z"),
        ]);
      }
    }
    return found;
  }

  /**
   * Values are written exactly as they are, also those that a spreadsheet takes for a formula, because the program
   * that reads the file must find the same photo again. The page says so where there are such values.
   */
  function save() {
    const found = records();
    const file = new Blob([decisionPage.csv.write([HEADER, ...found])], { type: "text/csv" });
    const link = decisionPage.elements.element("a", { href: URL.createObjectURL(file), download: "decisions.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    const formulas = found.filter((record) => record.some((value) => FORMULA.test(value))).length;
    const warning = formulas
      ? ` In ${counted(formulas, "line")} a value begins with = + - or @. If you open the file in a spreadsheet, ` +
        "import all columns as text, or it may take the value for a formula."
      : "";
    say(`${counted(found.length, "decision")} written to decisions.csv.${warning}`);
  }

  /** @param {File} file decisions.csv; of two decisions on the same row the newer one holds */
  async function read(file) {
    try {
      if (file.size > LARGEST) {
        throw new Error(`it is larger than ${LARGEST / 1e6} MB.`);
      }
      const [header, ...lines] = decisionPage.csv.parse(await file.text());
      const missing = HEADER.filter((name) => name !== "file" && !(header || []).includes(name));
      if (missing.length) {
        throw new Error(`its first line lacks the columns ${missing.join(", ")}.`);
      }
      apply(file.name, lines.map((line) => HEADER.map((name) => line[header.indexOf(name)])));
    } catch (error) {
      say(`${file.name} is not read: ${error.message}`);
    }
  }

  function apply(name, lines) {
    const rowOf = finder();
    const { NAMES, secondsOf } = decisionPage.decisions;
    const found = new Map();
    let unknown = 0;
    for (const [id, file, label, decision, decided] of lines) {
      const row = rowOf(id, file, label);
      const state = NAMES.indexOf(decision);
      const time = Math.floor(Date.parse(decided) / 1000);
      if (row === undefined || state < 1 || !(time >= 0 && time < 2 ** 32)) {
        unknown += 1;
      } else if (time >= (found.has(row) ? found.get(row)[1] : secondsOf(row))) {
        found.set(row, [state, time]);
      }
    }
    decisionPage.decisions.change(found.keys(), (row) => found.get(row));
    document.dispatchEvent(new Event("loaded"));
    const left = unknown ? ` ${counted(unknown, "line")} left out: not a row of this page, or not a decision.` : "";
    say(`${counted(found.size, "decision")} loaded from ${name}.${left}`);
  }

  /** Finds the row of a photo and a label. Several photos may have one id; then the file tells which is meant. */
  function finder() {
    const { index } = decisionPage.columns;
    const { idOf, fileOf } = decisionPage.search;
    const photos = new Map();
    const exact = new Map();
    for (let photo = 0; photo < index.photos; photo += 1) {
      photos.set(idOf(photo), photos.has(idOf(photo)) ? undefined : photo);
      exact.set(JSON.stringify([idOf(photo), fileOf(photo)]), photo);
    }
    const labels = new Map(index.about.labels.map((name, label) => [name, label]));
    return (id, file, name) => {
      const photo = exact.get(JSON.stringify([id, file])) ?? photos.get(id);
      const label = labels.get(name);
      for (let row = index.starts[photo]; row < index.starts[photo + 1]; row += 1) {
        if (index.label[row] === label) {
          return row;
        }
      }
      return undefined;
    };
  }

  return { start };
})();
