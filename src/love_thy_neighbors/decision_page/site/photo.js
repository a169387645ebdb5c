"use strict";

/** One photo, opened: its metadata, its labels with the parts of their scores, and its neighbours. */
decisionPage.photo = (() => {
  const { element, find, percent, counted } = decisionPage.elements;
  const KEPT = 20; // pieces of data in memory
  const recent = [];
  let place = 0; // in the rows of the grid
  let wanted = 0; // the place that is shown as soon as its data is there
  let detail = null;
  let selected = 0; // row
  let decide = (row, state) => {};

  /** @param {(row: number, state: number) => void} whenChosen */
  function start(whenChosen) {
    decide = whenChosen;
    find("close").addEventListener("click", () => find("photo").close());
    find("previous").addEventListener("click", () => step(-1));
    find("next").addEventListener("click", () => step(1));
    find("photo").addEventListener("close", () => decisionPage.grid.goTo(place));
    document.addEventListener("decided", refresh);
  }

  async function load(photo) {
    const { perPiece } = decisionPage.columns.index.about;
    const name = `piece-${Math.floor(photo / perPiece)}`;
    if (!recent.includes(name)) {
      recent.push(name);
    }
    if (recent.length > KEPT) {
      decisionPage.loading.forget(recent.shift());
    }
    return (await decisionPage.loading.load(name))[photo % perPiece];
  }

  /** Opens the photo at a place of the grid; of several calls at once the last one holds. */
  async function open(newPlace) {
    const { index } = decisionPage.columns;
    const rows = decisionPage.grid.rows();
    if (newPlace < 0 || newPlace >= rows.length) {
      return;
    }
    wanted = newPlace;
    const photo = index.photo[rows[newPlace]];
    try {
      const loaded = await load(photo);
      if (wanted === newPlace) {
        show(newPlace, photo, loaded);
      }
    } catch (error) {
      wanted = place;
      find("photo").close();
      decisionPage.elements.warn(error.message);
    }
  }

  function show(newPlace, photo, loaded) {
    const rows = decisionPage.grid.rows();
    place = newPlace;
    selected = rows[place];
    detail = loaded;
    draw(photo);
    if (!find("photo").open) {
      find("photo").showModal();
    }
    find("photo-body").scrollTop = 0;
    if (place + 1 < rows.length) {
      load(decisionPage.columns.index.photo[rows[place + 1]]).catch(() => {}); // ready when it is asked for
    }
  }

  const step = (by) => open(wanted + by);

  /** Whether the photo that was asked for is the one that is shown: nobody decides on a photo before seeing it. */
  const ready = () => wanted === place;

  function draw(photo) {
    find("photo-name").textContent = detail.file;
    find("photo-place").textContent = `${place + 1} of ${decisionPage.elements.count(decisionPage.grid.rows().length)}`;
    find("previous").disabled = place === 0;
    find("next").disabled = place + 1 >= decisionPage.grid.rows().length;
    find("photo-picture").replaceChildren(decisionPage.picture.of(photo, detail));
    find("photo-metadata").replaceChildren(...decisionPage.picture.metadata(detail));
    drawLabels(photo);
    drawNeighbors();
  }

  function drawLabels(photo) {
    const { index } = decisionPage.columns;
    const scale = decisionPage.bars.scaleOf(detail.rows);
    const lines = detail.rows.map((values, number) => {
      const row = index.starts[photo] + number;
      const line = element(
        "li",
        { class: "photo-label", "data-row": row },
        element(
          "button",
          { type: "button", class: "select", click: () => select(row) },
          element("span", { class: "name" }, index.about.labels[index.label[row]]),
          element("span", { class: "note" }, decisionPage.cell.question(row)),
          element("span", { class: "number" }, percent(values.probability)),
          decisionPage.bars.bar(values.parts, scale)
        ),
        decisionPage.cell.choices(row, decide)
      );
      decisionPage.cell.update(line, row);
      return line;
    });
    find("photo-labels").replaceChildren(...lines);
    select(selected);
  }

  /** Shows the reasons for one label. */
  function select(row) {
    const { index } = decisionPage.columns;
    selected = row;
    for (const line of find("photo-labels").children) {
      line.querySelector(".select").setAttribute("aria-pressed", Number(line.dataset.row) === row);
    }
    const values = detail.rows[row - index.starts[index.photo[row]]];
    const label = index.about.labels[index.label[row]];
    find("photo-reasons").replaceChildren(...decisionPage.reasons.of(label, values, detail));
  }

  function drawNeighbors() {
    const { neighbors } = detail;
    const order = neighbors.some((one) => one[5]) ? "nearest first by each type" : "nearest first";
    find("photo-neighbors-title").textContent = neighbors.length
      ? `${counted(neighbors.length, "neighbour")}, ${order}`
      : "No neighbours: the image alone decides";
    find("photo-neighbors").replaceChildren(...neighbors.map((one) => decisionPage.reasons.neighbor(one, null)));
  }

  /** Goes to the label below or above. */
  function moveLabel(by) {
    if (!ready()) {
      return;
    }
    const lines = [...find("photo-labels").children];
    const now = lines.findIndex((line) => Number(line.dataset.row) === selected);
    const line = lines[Math.max(0, Math.min(lines.length - 1, now + by))];
    select(Number(line.dataset.row));
    line.scrollIntoView({ block: "nearest" });
  }

  /** Decides on the selected label. That of the grid moves on to the next photo, another one to the label below. */
  function decideSelected(state) {
    if (!ready()) {
      return;
    }
    decide(selected, state);
    if (selected !== decisionPage.grid.rows()[place]) {
      moveLabel(1);
    } else if (place + 1 < decisionPage.grid.rows().length) {
      step(1);
    }
  }

  function refresh() {
    for (const line of find("photo").open ? find("photo-labels").children : []) {
      decisionPage.cell.update(line, Number(line.dataset.row));
    }
  }

  return { start, open, step, moveLabel, decideSelected };
})();
