"""One line of a records file: a `Record`, or the reason why it is not one.

    {"id": "...", "file": "a/b.jpg", "labels": [...], "tags": [...], "sets": [...], "groups": [...], "owner": "...",
     "taken": "2019-05-03", "split": "train"}

Any other key with a list of strings is a metadata type of its own. null means that a value is not given, as for a key
that is left out. The rest is strict: a value of another kind is an error and is not converted. A key that looks like a
misspelling of one above is an error. The file may start with a byte order mark; blank lines are errors.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from love_thy_neighbors.collection.card import METADATA_TYPES, TEXT_COLUMNS, is_type_name
from love_thy_neighbors.collection.dates import microseconds
from love_thy_neighbors.sources.records import Record
from love_thy_neighbors.sources.rejects import RowError
from love_thy_neighbors.splits import PARTS

KEYS = (*TEXT_COLUMNS, "labels", *METADATA_TYPES)
_BOM = b"\xef\xbb\xbf"
_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def raw_lines(path: Path, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number (from 1) and the bytes of each line; None for a line over ``max_bytes``, which is not stored."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(max_bytes + 2):  # 2 more for \r\n
            number += 1
            content = line.removesuffix(b"\n").removesuffix(b"\r")
            too_long = len(content) > max_bytes
            while not line.endswith(b"\n") and (line := file.readline(1 << 16)):
                too_long = True
            if number == 1:
                content = content.removeprefix(_BOM)
            yield number, None if too_long else content


def parse_line(line: bytes, file_required: bool) -> Record:
    """The record in ``line``; raises `RowError`."""
    if not line.strip():
        raise RowError("is blank")
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise RowError(f"is not UTF-8 (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise RowError(f"is not valid JSON ({error.msg}, column {error.colno})") from None
    except (RecursionError, ValueError) as error:  # nested too deep; a number of thousands of digits
        raise RowError(f"is not valid JSON ({str(error).split(';')[0]})") from None
    if not isinstance(value, dict):
        raise RowError(f"holds {_kind(value)}, not an object")
    value = {key: found for key, found in value.items() if found is not None}
    for key in ("id", "file") if file_required else ("id",):
        if key not in value:
            raise RowError(f"has no '{key}'")
    fields: dict[str, Any] = {}
    other: dict[str, tuple[str, ...]] = {}
    for key, found in value.items():
        if key in TEXT_COLUMNS:
            fields[key] = _text(key, found)
        elif key in KEYS:
            fields[key] = _texts(key, found)
        else:
            _check_other_key(key, found)
            other[key] = _texts(key, found)
        if re.search("[\ud800-\udfff]", "".join(filter(None, found))):
            raise RowError(f"has half a surrogate pair in '{key}', which is not text")
    return Record(**fields, other=other)


def _check_other_key(key: str, value: Any) -> None:
    """Raise `RowError` unless a key that is not in `KEYS` is a metadata type; a likely misspelling is none."""
    misspelt = key.casefold().rstrip("s") in [name.rstrip("s") for name in KEYS]
    if misspelt or not isinstance(value, list) or not is_type_name(key):
        raise RowError(
            f"has the unknown key '{_shown(key)}' with {_kind(value)}; the keys are {', '.join(KEYS)}, and metadata "
            "types of your own (letters, digits, '_' and '-', but not images, union or visual) with lists of strings"
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RowError(f"has the key '{_shown(twice)}' twice")
    return value


def _refuse_constant(name: str) -> None:
    raise RowError(f"is not valid JSON ({name} is not a JSON number)")


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RowError(f"has {_kind(value)} as '{key}', which must be a string")
    if not value.strip():
        raise RowError(f"has an empty '{key}'")
    if key == "split" and value not in PARTS:
        raise RowError(f"has the split '{_shown(value)}'; the parts are {', '.join(PARTS)}")
    if key == "taken":
        _check_date(value)
    return value


def _check_date(value: str) -> None:
    try:
        microseconds(value)
    except ValueError:
        raise RowError(
            f"has '{_shown(value)}' as 'taken', which is not an ISO date such as 2019-05-03 or 2019-05-03T14:30:00"
        ) from None


def _texts(key: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise RowError(f"has {_kind(values)} as '{key}', which must be a list of strings")
    values = [value for value in values if value is not None]
    for value in values:
        if not isinstance(value, str):
            raise RowError(f"has {_kind(value)} in '{key}', which must be a list of strings")
        if not value.strip():
            raise RowError(f"has an empty string in '{key}'")
    return tuple(dict.fromkeys(values))  # a value that is given twice counts once


def _kind(value: Any) -> str:
    return _JSON_NAMES[type(value)]


def _shown(text: str) -> str:
    """``text``, shortened and printable, for a message."""
    clean = text.encode("ascii", "backslashreplace").decode() if not text.isprintable() else text
    return clean if len(clean) <= 60 else clean[:57] + "..."
