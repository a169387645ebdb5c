"""A collection's ``card.json``: its origin, its counts, and hashes of its files; and the names of its columns."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from love_thy_neighbors.atomic import as_json
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.plain_json import parse_json, read_json

TEXT_COLUMNS = ("id", "file", "owner", "split", "taken")
METADATA_TYPES = ("tags", "sets", "groups")  # those of the paper; any other list column is a metadata type too
_TYPE_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)  # a name that the command line takes as metadata=NAME
_TAKEN = (*TEXT_COLUMNS, "labels", "images", "union", "visual")  # names that already mean something else
FORMAT = 1
SPLITS = "splits.npy"
PICTURES = "pictures.parquet"  # hashes of the pictures' content, for an update of the collection
UPDATE = "update"  # key for what the last update has done; it changes no result
UPDATE_COUNTS = ("added", "changed", "removed", "kept", "renamed")
_KEYS: dict[str, type] = {"format": int, "images": int, "labels": dict, "metadata": dict, "features": dict}


def read_card(folder: Path) -> dict[str, Any]:
    """The collection's ``card.json``; raises `UserError` if the folder, the card or a key is missing or wrong."""
    path = folder / "card.json"
    if not folder.is_dir():
        raise UserError(
            f"data.dir: {folder} is not a folder; make a collection with prepare.py, or give the path of one."
        )
    if not path.is_file():
        raise UserError(f"{path} is missing; a collection is what prepare.py writes, so run it again into {folder}.")
    try:
        card = read_json(path)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); restore it or run prepare.py again.") from None
    if not isinstance(card, dict):
        raise UserError(f"{path}: must hold one JSON object; restore it or run prepare.py again.")
    for key, kind in _KEYS.items():
        _check(path, key, card.get(key), kind)
    if card["format"] != FORMAT:
        raise UserError(
            f"{path}: format {card['format']} is not {FORMAT}, which this version reads; run prepare.py again."
        )
    names = card["labels"].get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise UserError(f"{path}: labels.names must be a list of distinct strings; run prepare.py again.")
    for key in ("metadata", "features"):
        for name, entry in card[key].items():
            _check(path, f"{key}.{name}", entry, dict)
    if card.get("splits") is not None:
        _check(path, "splits", card["splits"], dict)
        _check(path, "splits.count", card["splits"].get("count"), int)
    if card.get(UPDATE) is not None:
        _check_update(path, card[UPDATE])
    return card


def _check_update(path: Path, update: Any) -> None:
    _check(path, UPDATE, update, dict)
    for key, value in update.items():
        _check(path, f"{UPDATE}.{key}", value, {"earlier": list, "nothing_kept": str}.get(key, int))
    if "kept" in update:
        for key in UPDATE_COUNTS:
            _check(path, f"{UPDATE}.{key}", update.get(key), int)


def _check(path: Path, key: str, value: object, kind: type) -> None:
    if type(value) is not kind:  # True is an int, too
        raise UserError(f"{path}: key '{key}' is missing or not of type {kind.__name__}; run prepare.py again.")


def collection_name(folder: Path) -> str:
    """The name in the card of the collection in ``folder``; the folder's own name if there is none to be read."""
    try:
        name = read_json(folder / "card.json").get("name")
    except (OSError, ValueError, AttributeError):  # `read_card` says what is wrong
        name = None
    return name if isinstance(name, str) and name.strip() else folder.resolve().name


def metadata_types(folder: Path) -> tuple[str, ...]:
    """The metadata types of the collection in ``folder``; reads only its card."""
    return metadata_columns(read_card(folder)["metadata"])


def metadata_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """The metadata types among the columns of ``images.parquet``: first the paper's, then the others by name."""
    found = set(columns) - {*TEXT_COLUMNS, "labels"}
    return (*(kind for kind in METADATA_TYPES if kind in found), *sorted(found - {*METADATA_TYPES}))


def collection_fingerprint(folder: Path, table: str | None) -> str:
    """16 hexadecimal digits for the content of a collection with one of its feature tables; 'missing' without a card.

    It is the SHA-256 of the card, which holds the hashes of the other files, without the entries of the other tables
    and what an update has done: neither changes a result. None is the first table.
    """
    path = folder / "card.json"
    if not path.is_file():
        return "missing"
    content = path.read_bytes()
    try:
        card = parse_json(content)
        tables = card["features"]
        chosen = next(iter(tables)) if table is None else table
        if chosen in tables and (len(tables) > 1 or UPDATE in card):
            card.pop(UPDATE, None)
            content = as_json({**card, "features": {chosen: tables[chosen]}}).encode("utf-8")
    except (ValueError, KeyError, TypeError, StopIteration):
        pass  # `read_card` says what is wrong with the card
    return hashlib.sha256(content).hexdigest()[:16]


def is_type_name(name: str) -> bool:
    """Whether a metadata type may have this name: letters, digits, '_' and '-', and no other meaning."""
    return _TYPE_NAME.fullmatch(name) is not None and name not in _TAKEN


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
