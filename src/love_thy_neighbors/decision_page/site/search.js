"use strict";

/** Finds photos by file name, id, folder and metadata value. */
decisionPage.search = (() => {
  /** @type {{files: string[], ids: (string | null)[] | null, plain: string[]} | null} */
  let names = null;
  /**
   * The folders and each metadata type. Photo p has the values entries[starts[p]] to entries[starts[p + 1] - 1], which
   * are places in texts; counts are the photos of each value.
   * @type {{name: string, album: boolean, texts: string[], plain: string[], starts: Uint32Array,
   *   entries: Uint8Array | Uint16Array | Uint32Array, counts: Uint32Array}[]}
   */
  let groups = [];

  /** Text without accents and capitals: "sao" finds "São", also where a file system has split the letters. */
  const plainText = (text) => text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();

  /** Loads what is searched; it comes after the first photos are shown. */
  async function load() {
    const [packedNames, packedGroups] = await Promise.all(["names", "values"].map(decisionPage.loading.load));
    decisionPage.loading.forget("names");
    decisionPage.loading.forget("values");
    const idOf = (photo) => (packedNames.ids && packedNames.ids[photo] ? `\n${packedNames.ids[photo]}` : "");
    names = { ...packedNames, plain: packedNames.files.map((file, photo) => plainText(file + idOf(photo))) };
    groups = packedGroups.map(readGroup);
  }

  function readGroup(packed) {
    const { unpack, startsOf } = decisionPage.columns;
    const entries = unpack(packed.entries);
    const counts = new Uint32Array(packed.texts.length);
    for (const entry of entries) {
      counts[entry] += 1;
    }
    const starts = startsOf(unpack(packed.perPhoto));
    return { ...packed, entries, counts, starts, plain: packed.texts.map(plainText) };
  }

  /** Marks the photos that have one of some values of a group. @param {(value: number) => boolean} wanted */
  function mark(group, wanted, marks) {
    const chosen = Uint8Array.from(group.texts, (_, value) => (wanted(value) ? 1 : 0));
    for (let photo = 0; photo < marks.length; photo += 1) {
      for (let place = group.starts[photo]; place < group.starts[photo + 1]; place += 1) {
        marks[photo] |= chosen[group.entries[place]];
      }
    }
  }

  /** Photos whose file name, id or a value contains the text. @returns {Uint8Array} 1 or 0 for each photo */
  function containing(text) {
    const wanted = plainText(text.trim());
    const marks = Uint8Array.from(names.plain, (name) => (name.includes(wanted) ? 1 : 0));
    groups.forEach((group) => mark(group, (value) => group.plain[value].includes(wanted), marks));
    return marks;
  }

  /** Photos that have exactly this value. @param {boolean} albums only folders and albums */
  function having(text, albums) {
    const marks = new Uint8Array(decisionPage.columns.index.photos);
    const wanted = plainText(text.trim());
    groups
      .filter((group) => group.album || !albums)
      .forEach((group) => mark(group, (value) => group.plain[value] === wanted, marks));
    return marks;
  }

  /** Values that contain the text, those of most photos first: [text, "tags, 12 photos"]. */
  function suggest(text, albums, most = 20) {
    const wanted = plainText(text.trim());
    const found = [];
    for (const group of groups.filter((one) => one.album || !albums)) {
      group.plain.forEach((plain, value) => plain.includes(wanted) && found.push([group, value]));
    }
    found.sort(([a, one], [b, other]) => b.counts[other] - a.counts[one]);
    return found.slice(0, most).map(([group, value]) => {
      return [group.texts[value], `${group.name}, ${decisionPage.elements.counted(group.counts[value], "photo")}`];
    });
  }

  return {
    load,
    containing,
    having,
    suggest,
    ready: () => names !== null,
    fileOf: (photo) => (names ? names.files[photo] : ""),
    idOf: (photo) => (names.ids && names.ids[photo] !== null ? names.ids[photo] : names.files[photo]),
  };
})();
