"use strict";

/** The grid of photos. Only the lines near the window are in the document. */
decisionPage.grid = (() => {
  const { element, find } = decisionPage.elements;
  const SPARE = 2; // lines that are kept above and below the window
  const TALLEST = 15e6; // pixels: browsers cannot show taller elements
  let rows = new Uint32Array(0);
  let width = 0; // of the grid, when it was last laid out
  let columns = 1;
  let height = 1; // of a line, with the gap below it
  let active = 0; // place in rows
  let choose = (row, state) => {};
  let open = (place) => {};
  /** @type {Map<number, HTMLElement>} lines that are in the document */
  const lines = new Map();
  const frame = find("grid");

  /**
   * @param {(row: number, state: number) => void} whenChosen a button of a cell is pressed
   * @param {(place: number) => void} whenOpened a photo is clicked
   */
  function start(whenChosen, whenOpened) {
    choose = whenChosen;
    open = whenOpened;
    window.addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
    new ResizeObserver(resized).observe(frame);
    frame.addEventListener("click", clicked);
    frame.addEventListener("focusin", (event) => activate(placeOf(event.target)));
    document.addEventListener("decided", refresh);
  }

  /** Shows these rows from the start; returns how many of them fit. */
  function show(newRows) {
    rows = newRows;
    active = 0;
    layout();
    return rows.length;
  }

  /** The number of columns is set by the style sheet, and so is the height of a line: both are measured here. */
  function layout() {
    clearLines();
    width = frame.clientWidth;
    const style = getComputedStyle(frame);
    const [least, gap] = ["--least-width", "--gap"].map((name) => parseFloat(style.getPropertyValue(name)));
    columns = Math.max(1, Math.floor((frame.clientWidth + gap) / (least + gap)));
    frame.style.setProperty("--columns", columns);
    frame.setAttribute("aria-colcount", columns);
    if (rows.length) {
      const probe = line(0);
      frame.append(probe);
      height = probe.offsetHeight + gap;
      probe.remove();
    }
    rows = rows.subarray(0, Math.floor(TALLEST / height) * columns);
    frame.setAttribute("aria-rowcount", Math.ceil(rows.length / columns));
    frame.style.height = `${Math.ceil(rows.length / columns) * height}px`;
    render();
  }

  /** The window is wider or narrower: the photo at its top stays there. */
  function resized() {
    if (frame.clientWidth === width) {
      return;
    }
    const above = Math.max(0, Math.floor(-frame.getBoundingClientRect().top / height));
    const place = above * columns;
    layout();
    if (above) {
      scrollTo({ top: frame.offsetTop + Math.floor(place / columns) * height, behavior: "instant" });
    }
  }

  function clearLines() {
    lines.forEach((one) => one.remove());
    lines.clear();
  }

  /** Adds the lines near the window and removes the others. */
  function render() {
    const top = frame.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - SPARE);
    const last = Math.min(Math.ceil(rows.length / columns) - 1, Math.ceil((innerHeight - top) / height) + SPARE);
    for (const [number, one] of lines) {
      if (number < first || number > last) {
        one.remove();
        lines.delete(number);
      }
    }
    let before = frame.firstChild;
    for (let number = first; number <= last; number += 1) {
      if (!lines.has(number)) {
        lines.set(number, line(number));
        frame.insertBefore(lines.get(number), before);
      }
      before = lines.get(number).nextSibling;
    }
    markActive();
  }

  function line(number) {
    const made = element("div", { class: "cells", role: "row", "aria-rowindex": number + 1 });
    made.style.top = `${number * height}px`;
    for (let place = number * columns; place < Math.min(rows.length, (number + 1) * columns); place += 1) {
      const cell = decisionPage.cell.make(rows[place], (row, state) => choose(row, state));
      cell.dataset.place = place;
      made.append(cell);
    }
    return made;
  }

  const cellAt = (place) => frame.querySelector(`[data-place="${place}"]`);

  /** Place of the cell that an element is in, or the active one. */
  function placeOf(target) {
    const cell = target.closest(".cell");
    return cell ? Number(cell.dataset.place) : active;
  }

  function clicked(event) {
    activate(placeOf(event.target));
    if (event.target.closest(".picture")) {
      open(active);
    }
  }

  function activate(place) {
    active = place;
    markActive();
  }

  /** One cell can be reached with Tab; arrow keys go to the others. */
  function markActive() {
    for (const cell of frame.querySelectorAll(".cell")) {
      const here = Number(cell.dataset.place) === active;
      cell.tabIndex = here ? 0 : -1;
      cell.classList.toggle("active", here);
    }
  }

  function refresh() {
    for (const cell of frame.querySelectorAll(".cell")) {
      decisionPage.cell.update(cell, rows[cell.dataset.place]);
    }
  }

  /** Goes to a place, brings it into the window, below the bar, and gives it the focus. */
  function goTo(place) {
    if (!rows.length) {
      return;
    }
    active = Math.max(0, Math.min(rows.length - 1, place));
    const top = Math.floor(active / columns) * height + frame.getBoundingClientRect().top;
    const bar = find("bar").offsetHeight + 8;
    if (top < bar) {
      scrollBy({ top: top - bar, behavior: "instant" });
    } else if (top + height > innerHeight) {
      scrollBy({ top: top + height - innerHeight, behavior: "instant" });
    }
    render();
    cellAt(active).focus({ preventScroll: true });
  }

  /** The rows of the line of the active cell. */
  function activeLine() {
    const first = active - (active % columns);
    return rows.subarray(first, Math.min(rows.length, first + columns));
  }

  return {
    start,
    show,
    layout,
    goTo,
    activeLine,
    place: () => active,
    columns: () => columns,
    rows: () => rows,
    row: () => rows[active],
    linesInWindow: () => Math.max(1, Math.floor((innerHeight - find("bar").offsetHeight) / height)),
  };
})();
