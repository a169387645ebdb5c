"use strict";

/**
 * Keeps the decisions in the browser's localStorage, in blocks of rows, so that a decision writes a few hundred bytes.
 * If the browser refuses, the page says so, goes on in memory, and tries again with the next decision.
 */
decisionPage.storage = (() => {
  const PER_BLOCK = 4096;
  const unsaved = new Set();
  let prefix = "";
  let read = (block, text) => {};
  let write = (block) => "";

  /** Every annotation has its own keys: another run, date or number of photos is another annotation. */
  function keyOf(index) {
    return `love-thy-neighbors/${index.about.run}/${index.about.created}/${index.photos}/`;
  }

  /**
   * @param {number} rows
   * @param {(block: number, text: string | null) => void} readBlock takes what is stored
   * @param {(block: number) => string} writeBlock what is to be stored; empty if there is nothing
   */
  function start(index, readBlock, writeBlock) {
    prefix = keyOf(index);
    read = readBlock;
    write = writeBlock;
    try {
      for (let block = 0; block * PER_BLOCK < index.rows; block += 1) {
        read(block, localStorage.getItem(prefix + block));
      }
    } catch (error) {
      complain(error);
    }
    window.addEventListener("storage", fromOtherWindow);
    window.addEventListener("beforeunload", (event) => unsaved.size && event.preventDefault());
  }

  /** The same page is open twice: what is decided there holds here too. */
  function fromOtherWindow(event) {
    if (event.key && event.key.startsWith(prefix)) {
      read(Number(event.key.slice(prefix.length)), event.newValue);
      document.dispatchEvent(new Event("decided"));
    }
  }

  /** @param {Iterable<number>} rows that have changed */
  function save(rows) {
    for (const row of rows) {
      unsaved.add(Math.floor(row / PER_BLOCK));
    }
    try {
      for (const block of [...unsaved]) {
        const text = write(block);
        if (text) {
          localStorage.setItem(prefix + block, text);
        } else {
          localStorage.removeItem(prefix + block);
        }
        unsaved.delete(block);
      }
      decisionPage.elements.warn("");
    } catch (error) {
      complain(error);
    }
  }

  function complain(error) {
    decisionPage.elements.warn(
      `This browser does not keep your decisions (${error.name}): its storage is full, or not allowed for files. ` +
        "They stay in this window until you close it. Export them before you close it."
    );
  }

  return { PER_BLOCK, start, save };
})();
