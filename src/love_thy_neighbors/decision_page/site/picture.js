"use strict";

/** The picture and the metadata of an opened photo. */
decisionPage.picture = (() => {
  const { element } = decisionPage.elements;

  /** The address of the photo's file, or null if it is not known or leaves the folder of the photos. */
  function addressOf(file) {
    const folder = decisionPage.columns.index.about.photosFolder;
    const parts = file.split("/");
    if (!folder || parts.some((part) => ["", ".", ".."].includes(part))) {
      return null;
    }
    return `${folder}/${parts.map(encodeURIComponent).join("/")}`;
  }

  /** The thumbnail; the photo itself takes its place if the browser can show its file. */
  function of(photo, detail) {
    const thumbnail = decisionPage.columns.thumbnailOf(photo, detail.file);
    const address = addressOf(detail.file);
    if (!address) {
      return thumbnail;
    }
    const properties = { href: address, target: "_blank", rel: "noopener", "aria-label": "Open the file" };
    const link = element("a", properties, thumbnail);
    const whole = element("img", { alt: "", decoding: "async" });
    whole.addEventListener("load", () => link.replaceChildren(whole));
    whole.src = address;
    return link;
  }

  /** Metadata by type; values that neighbours share are marked, with the number of these neighbours. */
  function metadata(detail) {
    const { types } = decisionPage.columns.index.about;
    const shared = new Map();
    for (const value of detail.neighbors.flatMap(([, , , , values]) => values)) {
      shared.set(value, (shared.get(value) || 0) + 1);
    }
    const lines = types.map((type, place) => [type, detail.values[place]]);
    if (detail.labels !== null) {
      lines.unshift(["labels given by people", detail.labels]);
    }
    const terms = lines
      .filter(([, values]) => values.length)
      .flatMap(([type, values]) => [element("dt", {}, type), element("dd", {}, ...chips(values, shared))]);
    return detail.id === detail.file ? terms : [element("dt", {}, "id"), element("dd", {}, detail.id), ...terms];
  }

  /** @param {string[]} values @param {Map<string, number>} shared number of neighbours that share a value */
  function chips(values, shared) {
    return values.map((value) => {
      const times = shared.get(value);
      const title = times && `shared with ${decisionPage.elements.counted(times, "neighbour")}`;
      const chip = element("span", { class: times ? "chip shared" : "chip", title: title || null }, value);
      if (times) {
        chip.append(element("span", { class: "times" }, ` ×${times}`));
      }
      return chip;
    });
  }

  return { of, metadata };
})();
