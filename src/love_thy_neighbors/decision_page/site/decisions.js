"use strict";

/** Yes, no or later for each row, when it was decided, and the steps that can be undone. */
decisionPage.decisions = (() => {
  const NAMES = ["open", "yes", "no", "later"]; // a decision is a place in this list
  const MOST_STEPS = 1000;
  let states = new Uint8Array(0);
  let seconds = new Uint32Array(0); // since 1970, UTC
  /** @type {{rows: Uint32Array, states: Uint8Array, seconds: Uint32Array}[]} what was there before each step */
  const steps = [];

  const now = () => Math.floor(Date.now() / 1000);

  function start(index) {
    states = new Uint8Array(index.rows);
    seconds = new Uint32Array(index.rows);
    decisionPage.storage.start(index, readBlock, writeBlock);
  }

  /**
   * Decides rows, as one step that can be undone.
   * @param {Iterable<number>} rows
   * @param {(row: number) => [number, number]} decision its state and its time in seconds
   */
  function change(rows, decision) {
    const changed = Uint32Array.from(rows);
    if (!changed.length) {
      return;
    }
    steps.push({
      rows: changed,
      states: Uint8Array.from(changed, (row) => states[row]),
      seconds: Uint32Array.from(changed, (row) => seconds[row]),
    });
    steps.splice(0, Math.max(0, steps.length - MOST_STEPS));
    for (const row of changed) {
      [states[row], seconds[row]] = decision(row);
    }
    finish(changed);
  }

  /** @param {Iterable<number>} rows @param {number} state place in NAMES */
  function decide(rows, state) {
    const time = now();
    change(rows, () => [state, time]);
  }

  /** Takes back the last step; returns its rows, or null if there is none. */
  function undo() {
    const step = steps.pop();
    if (!step) {
      return null;
    }
    step.rows.forEach((row, place) => {
      states[row] = step.states[place];
      seconds[row] = step.seconds[place];
    });
    finish(step.rows);
    return step.rows;
  }

  function finish(rows) {
    decisionPage.storage.save(rows);
    document.dispatchEvent(new Event("decided"));
  }

  /** Numbers of decisions: [open, yes, no, later]. */
  function totals() {
    const found = [0, 0, 0, 0];
    for (const state of states) {
      found[state] += 1;
    }
    return found;
  }

  /** A block of rows as JSON: [state, seconds, rows...] for all rows with the same decision and time. */
  function writeBlock(block) {
    const groups = new Map();
    const first = block * decisionPage.storage.PER_BLOCK;
    for (let row = first; row < Math.min(first + decisionPage.storage.PER_BLOCK, states.length); row += 1) {
      if (states[row]) {
        const key = seconds[row] * 4 + states[row];
        groups.set(key, groups.get(key) || [states[row], seconds[row]]);
        groups.get(key).push(row - first);
      }
    }
    return groups.size ? JSON.stringify([...groups.values()]) : "";
  }

  /** Other pages can write to the same storage, so what does not fit is left out. */
  function readBlock(block, text) {
    const first = block * decisionPage.storage.PER_BLOCK;
    const last = Math.min(first + decisionPage.storage.PER_BLOCK, states.length);
    states.fill(0, first, last);
    let groups = [];
    try {
      groups = JSON.parse(text || "[]");
    } catch {
      return;
    }
    for (const [state, time, ...rows] of Array.isArray(groups) ? groups.filter(Array.isArray) : []) {
      for (const row of rows.filter((row) => Number.isInteger(row) && row >= 0 && first + row < last)) {
        if ([1, 2, 3].includes(state) && Number.isInteger(time)) {
          states[first + row] = state;
          seconds[first + row] = time;
        }
      }
    }
  }

  const stateOf = (row) => states[row];
  const secondsOf = (row) => seconds[row];

  return { NAMES, start, change, decide, undo, totals, stateOf, secondsOf };
})();
