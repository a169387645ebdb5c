"""Data as JavaScript files, because a page that is opened from disk cannot fetch JSON."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np


def script_of(name: str, value: Any) -> str:
    """The script that hands ``value`` to the page under ``name``.

    It is safe with any text: the script is ASCII, so U+2028 and other line ends of JavaScript are escaped, and ``<`` is
    escaped as well, so it holds no ``</script>``. Text of users must not be a key of ``value``: the key ``__proto__``
    has a special meaning in JavaScript. Numbers must be finite; raises ValueError otherwise.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f'"use strict";\ndecisionPage.loading.receive({json.dumps(name)},{text.replace("<", chr(92) + "u003c")});\n'


def write_script(folder: Path, name: str, value: Any) -> None:
    """Write ``folder``/``name``.js, see `script_of`."""
    (folder / f"{name}.js").write_text(script_of(name, value), encoding="ascii", newline="\n")


def packed(values: np.ndarray) -> list[str]:
    """A column of whole numbers of 0 or more as [type, base64]: uint8, uint16 or uint32, the smallest that holds them.

    Base64 of 250,000 numbers is read by the browser in milliseconds, and takes a quarter of the space of JSON text.
    """
    largest = int(values.max(initial=0))
    kind = next(kind for kind in ("uint8", "uint16", "uint32") if largest <= np.iinfo(kind).max)
    return [kind, base64.b64encode(values.astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode("ascii")]
