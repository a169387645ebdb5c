"use strict";

/**
 * The one name that the scripts of this page share; each script adds one member.
 * They are plain scripts and no modules, because browsers do not load modules from disk (file://).
 */
const decisionPage = {};

/** Loads the data files: scripts that call `receive`, because fetch() does not work from disk either. */
decisionPage.loading = (() => {
  const FOLDER = "page/data/";
  /** @type {Map<string, {promise: Promise<any>, resolve: (value: any) => void, received?: boolean}>} */
  const files = new Map();

  /**
   * The value in page/data/`name`.js; the file is read once.
   * @param {string} name
   * @returns {Promise<any>} rejected with an Error that names the file if it is missing or damaged
   */
  function load(name) {
    if (!files.has(name)) {
      files.set(name, request(name));
    }
    return files.get(name).promise;
  }

  function request(name) {
    const file = {};
    file.promise = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const fail = () => {
        files.delete(name);
        reject(new Error(`${FOLDER}${name}.js is missing or damaged. Keep index.html and the folder page together.`));
      };
      file.resolve = resolve;
      script.src = `${FOLDER}${name}.js`;
      script.onerror = fail;
      script.onload = () => {
        if (!file.received) {
          fail();
        }
        script.remove();
      };
      document.head.append(script);
    });
    return file;
  }

  /** Called by the data files. */
  function receive(name, value) {
    const file = files.get(name);
    if (file) {
      file.received = true;
      file.resolve(value);
    }
  }

  /** Lets the browser free the memory of a file that is not needed now. */
  function forget(name) {
    files.delete(name);
  }

  return { load, receive, forget };
})();
