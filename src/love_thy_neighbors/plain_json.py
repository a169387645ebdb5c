"""JSON of others, read as data: what the other modules cannot use is refused here, in one place.

Python's reader takes more than JSON allows, and some of it fails only later: NaN and 1e400, which becomes infinity;
halves of a surrogate pair, which cannot be written or printed; lists in lists up to the limit of the interpreter.
"""

import json
from pathlib import Path
from typing import Any, NoReturn

MOST_BYTES = 64 << 20  # of a file: ours have some kilobytes, those of large vocabularies some megabytes
DEEPEST = 50  # objects and lists inside each other: ours have six


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; bytes are UTF-8.

    Raises `ValueError` with the reason for a text that is not JSON, numbers that are not finite or have thousands of
    digits, halves of surrogate pairs, and over `DEEPEST` levels.
    """
    try:
        value = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError(f"it has over {DEEPEST} levels of lists or objects") from None
    _check(value)
    return value


def read_json(path: Path) -> Any:
    """`parse_json` of a file; raises `ValueError` for one of over `MOST_BYTES`, too, and OSError."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes, over {MOST_BYTES >> 20} MiB")
    return parse_json(path.read_bytes())


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _check(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and not one.isascii():
                _check_text(one)
        level = below
        if not level:
            return
    raise ValueError(f"it has over {DEEPEST} levels of lists or objects")


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"a text has half of a surrogate pair: {text[:40]!a}") from None
