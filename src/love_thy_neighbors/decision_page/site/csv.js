"use strict";

/** CSV as RFC 4180 has it. */
decisionPage.csv = (() => {
  /** Quotes a cell where it must be; the value itself is never changed. */
  function cell(text) {
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  /** @param {string[][]} records */
  function write(records) {
    return records.map((record) => record.map(cell).join(",") + "\r\n").join("");
  }

  /**
   * @param {string} text
   * @returns {string[][]} records; empty lines are left out
   * @throws {Error} that names the line
   */
  function parse(text) {
    const token = /"([^"]*(?:""[^"]*)*)"|([^",\r\n]*)/y; // a cell, with or without quotation marks
    const records = [];
    let record = [];
    let place = text.startsWith("\uFEFF") ? 1 : 0;
    while (place < text.length) {
      token.lastIndex = place;
      const found = token.exec(text);
      record.push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
      place = token.lastIndex;
      const end = /\r\n|\n|\r|,|$/y;
      end.lastIndex = place;
      const mark = end.exec(text);
      if (!mark) {
        const line = text.slice(0, place).split(/\r\n|\n|\r/).length;
        throw new Error(`line ${line}: a quotation mark is missing or in the wrong place.`);
      }
      place = end.lastIndex;
      if (mark[0] === "," && place < text.length) {
        continue;
      }
      if (mark[0] === ",") {
        record.push("");
      }
      if (record.length > 1 || record[0]) {
        records.push(record);
      }
      record = [];
    }
    return records;
  }

  return { write, parse };
})();
