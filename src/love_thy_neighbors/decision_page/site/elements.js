"use strict";

/** Builds elements. Text of users goes in as text only: nothing on this page is parsed as HTML. */
decisionPage.elements = (() => {
  /**
   * @param {string} tag
   * @param {Object<string, any>} properties attributes; a function is a listener ("click"); null or false: left out
   * @param {...(Node | string | null)} children strings become text
   * @returns {HTMLElement}
   */
  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (typeof value === "function") {
        made.addEventListener(name, value);
      } else if (value !== null && value !== false) {
        made.setAttribute(name, value === true ? "" : value);
      }
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  /** @param {string} id */
  const find = (id) => document.getElementById(id);

  /** Says something in the line that screen readers read out. */
  function say(text) {
    find("message").textContent = text;
  }

  /** Shows a problem at the top of the page until it is over; an empty text hides it. */
  function warn(text) {
    find("warning").hidden = !text;
    find("warning").textContent = text;
  }

  const count = (number) => number.toLocaleString("en");

  /** "1 photo", "1,234 photos". */
  const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

  /** A probability in percent; never rounded to 0 or 100, which would look certain. */
  function percent(probability) {
    if (probability === null) {
      return "unknown";
    }
    const rounded = Math.round(probability * 100);
    if (rounded < 1) {
      return "< 1 %";
    }
    return rounded > 99 ? "> 99 %" : `${rounded} %`;
  }

  /**
   * A thumbnail, or the file's name in its place.
   * @param {number} place of the collection, @param {number} row of the picture or -1, @param {string} name
   */
  function thumbnail(place, row, name) {
    const instead = () => element("span", { class: "placeholder" }, name || "no picture");
    if (row < 0) {
      return instead();
    }
    const folder = Math.floor(row / decisionPage.columns.index.about.perFolder);
    const image = element("img", { alt: "", decoding: "async", src: `page/thumbnails/${place}/${folder}/${row}.webp` });
    image.addEventListener("error", () => image.replaceWith(instead()));
    return image;
  }

  return { element, find, say, warn, count, counted, percent, thumbnail };
})();
