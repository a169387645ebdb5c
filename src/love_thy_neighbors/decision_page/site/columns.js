"use strict";

/** The rows to decide on, as typed arrays. A row is a photo with one label. */
decisionPage.columns = (() => {
  const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array };
  const STEPS = 65535; // a probability of 1
  /** Bits of rowFlags and photoFlags, as in candidates.py. */
  const FLAGS = { suggested: 1, doubtful: 2, judged: 4, given: 8, changed: 16 };
  const PHOTO_FLAGS = { thumbnail: 1, neighbors: 2 };

  /**
   * @typedef {Object} Index
   * @property {Object} about what annotation.json says
   * @property {number} photos, @property {number} rows their counts
   * @property {Uint32Array} starts [photos + 1] first row of each photo; the rows of a photo are sorted by probability
   * @property {Uint32Array} photo [rows]
   * @property {Uint8Array|Uint16Array|Uint32Array} label [rows] place in about.labels
   * @property {Uint16Array} probability [rows] and imageAlone [rows], from 0 to STEPS
   * @property {Uint8Array} rowFlags [rows], photoFlags [photos]
   * @property {Uint32Array} order [rows] all rows, most certain first
   * @property {number} ownCollection place of the photos' own collection
   */

  /**
   * A column from [type, base64].
   * @param {[string, string]} packed
   */
  function unpack([type, text]) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let place = 0; place < binary.length; place += 1) {
      bytes[place] = binary.charCodeAt(place);
    }
    return new TYPES[type](bytes.buffer);
  }

  /** [0, 2, 5] from the counts [2, 3]. */
  function startsOf(counts) {
    const starts = new Uint32Array(counts.length + 1);
    for (let place = 0; place < counts.length; place += 1) {
      starts[place + 1] = starts[place] + counts[place];
    }
    return starts;
  }

  /** For each entry the number of its list: [0, 0, 1, 1, 1] from the starts [0, 2, 5]. */
  function ownersOf(starts) {
    const owners = new Uint32Array(starts[starts.length - 1]);
    for (let owner = 0; owner + 1 < starts.length; owner += 1) {
      owners.fill(owner, starts[owner], starts[owner + 1]);
    }
    return owners;
  }

  /** Rows by probability, largest first; rows of the same probability stay in order. */
  function orderOf(probability) {
    const rows = probability.length;
    const keys = Float64Array.from(probability, (value, row) => (STEPS - value) * rows + row).sort();
    return Uint32Array.from(keys, (key) => key % rows);
  }

  /** @returns {Index} */
  function read(packed) {
    const starts = startsOf(unpack(packed.perPhoto));
    const columns = ["label", "probability", "imageAlone", "rowFlags", "collectionRow", "photoFlags"];
    const index = Object.fromEntries(columns.map((name) => [name, unpack(packed[name])]));
    return Object.assign(index, {
      about: packed.about,
      starts,
      photo: ownersOf(starts),
      photos: starts.length - 1,
      rows: index.label.length,
      order: orderOf(index.probability),
      ownCollection: packed.about.collections.indexOf("new"),
    });
  }

  /** Probability from 0 to 1. */
  const probabilityOf = (row) => api.index.probability[row] / STEPS;

  /** Thumbnail of a photo. */
  function thumbnailOf(photo, name) {
    const { index } = api;
    const there = index.photoFlags[photo] & PHOTO_FLAGS.thumbnail;
    return decisionPage.elements.thumbnail(index.ownCollection, there ? index.collectionRow[photo] : -1, name);
  }

  const api = { index: null, FLAGS, PHOTO_FLAGS, STEPS, read, unpack, startsOf, probabilityOf, thumbnailOf };
  return api;
})();
