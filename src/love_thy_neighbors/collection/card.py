"""A collection's ``card.json``: where it comes from, what is in it, and hashes that stand for its content."""

import hashlib
import json
from pathlib import Path
from typing import Any

from love_thy_neighbors.errors import UserError

METADATA_TYPES = ("tags", "sets", "groups")
FORMAT = 1
SPLITS = "splits.npy"


def read_card(folder: Path) -> dict[str, Any]:
    """The collection's ``card.json``, checked for the keys that loading relies on.

    Raises `UserError` if the folder, the card or one of its keys is missing or of the wrong kind.
    """
    path = folder / "card.json"
    if not folder.is_dir():
        raise UserError(
            f"data.dir: {folder} is not a folder; make a collection with prepare.py, or give the path of one."
        )
    if not path.is_file():
        raise UserError(f"{path} is missing; a collection is what prepare.py writes, so run it again into {folder}.")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); restore it or run prepare.py again.") from None
    expected = {"format": int, "images": int, "labels": dict, "metadata": dict, "features": dict}
    if not isinstance(card, dict):
        raise UserError(f"{path}: must hold one JSON object; restore it or run prepare.py again.")
    for key, kind in expected.items():
        if not isinstance(card.get(key), kind):
            raise UserError(f"{path}: key '{key}' is missing or not of type {kind.__name__}; run prepare.py again.")
    if card["format"] != FORMAT:
        raise UserError(
            f"{path}: format {card['format']} is not {FORMAT}, which this version reads; run prepare.py again."
        )
    names = card["labels"].get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise UserError(f"{path}: labels.names must be a list of distinct strings; run prepare.py again.")
    return card


def metadata_types(folder: Path) -> tuple[str, ...]:
    """The metadata types that the collection in ``folder`` has, read from its card alone."""
    return tuple(kind for kind in METADATA_TYPES if kind in read_card(folder)["metadata"])


def sha256(path: Path) -> str:
    """The hash of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
