"""Writes a collection completely or not at all, with counts and hashes that are taken from the written files."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from love_thy_neighbors.atomic import folder_written_whole, write_json, write_npy
from love_thy_neighbors.collection.card import FORMAT, PICTURES, SPLITS, metadata_columns, read_card, sha256
from love_thy_neighbors.collection.table_files import open_npy
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import known_names

_ROW_GROUP = 1 << 16  # rows that Parquet compresses together; limits the memory of writing

THUMBNAILS = known_names(r"\d+\.webp")  # in their folder
# Lists that sources write beside the card.
_LISTS = ("rejected", "labels_rejected", "rejected_labels", "same_pictures", "missing_pictures")
_FILES = (
    *(
        r"card\.json",
        r"images\.parquet",
        re.escape(SPLITS),
        re.escape(PICTURES),
        "features/",
        "thumbnails/",
        r"thumbnails/\d+\.webp",
    ),
    *(rf"{name}\.(jsonl|csv)" for name in _LISTS),
)
NAMES = known_names(*_FILES, r"features/[^/]+\.npy", r"README\.md")  # all names that a collection can have


def own_names(folder: Path, texts: Iterable[str] = ()) -> re.Pattern[str]:
    """The names of the collection in ``folder`` (`ownership`): its feature tables are those that its card lists.

    texts: names of further files beside the card. Raises `UserError` for a folder that has anything, but no
    collection's card.
    """
    try:
        tables = list(read_card(folder)["features"]) if folder.is_dir() and any(folder.iterdir()) else []
    except UserError:
        raise UserError(
            f"out: {folder} is not replaced, because it is not a collection: its card.json is missing, damaged or of "
            "something else; give a new folder, or delete this one yourself."
        ) from None
    return known_names(*_FILES, *map(re.escape, texts), *(rf"features/{re.escape(name)}\.npy" for name in tables))


def write_collection(
    folder: Path,
    table: pa.Table,
    card: dict[str, Any],
    features: Mapping[str, np.ndarray | Path],
    thumbnails: Path | None = None,
    texts: Mapping[str, str] | None = None,
    splits: np.ndarray | None = None,
    pictures: pa.Table | None = None,
) -> None:
    """Write a collection completely or not at all; at the end it replaces a collection in ``folder``.

    Raises `UserError` if there is anything else in that folder.

    ``table`` has the columns of ``images.parquet``. ``features[backbone]`` is a feature table, float16, float32 or
    int8, or the path of a finished ``.npy`` file, which is moved into the folder. ``card`` needs ``labels.names``, and
    ``features.<backbone>.scale`` for int8; counts, shapes and hashes are added here. ``thumbnails`` is a folder, which
    is moved too; ``texts`` are further files beside the card; ``splits`` int8 [S, N], see `splits.given_split`.
    ``pictures``, N rows, is written beside the card, with the hash of the images.parquet that it belongs to.
    """
    card = {"format": FORMAT, **card, "images": table.num_rows}
    card["labels"] = {**card["labels"], "count": len(card["labels"]["names"])}
    described = card.get("metadata", {})
    card["metadata"] = {
        kind: {**described.get(kind, {}), "values": len(pc.unique(table[kind].combine_chunks().flatten()))}
        for kind in metadata_columns(table.column_names)
    }
    about = card.get("features", {})
    card["features"] = {}
    with folder_written_whole(folder, own_names(folder, texts or ())) as temporary:
        parquet = temporary / "images.parquet"
        pq.write_table(table, parquet, compression="zstd", row_group_size=_ROW_GROUP)
        card["images_sha256"] = sha256(parquet)
        if pictures is not None:  # not in the card: the times of files do not make it another collection
            belongs_to = {**(pictures.schema.metadata or {}), b"images_sha256": card["images_sha256"].encode()}
            pq.write_table(pictures.replace_schema_metadata(belongs_to), temporary / PICTURES, compression="zstd")
        (temporary / "features").mkdir()
        for name, rows in features.items():
            card["features"][name] = _write_features(temporary / "features" / f"{name}.npy", rows, about.get(name, {}))
        if splits is not None:
            write_npy(temporary / SPLITS, splits.astype(np.int8))
            card["splits"] = {**card.get("splits", {}), "count": len(splits), "sha256": sha256(temporary / SPLITS)}
        if thumbnails is not None:
            thumbnails.rename(temporary / "thumbnails")
        for name, text in (texts or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
        write_json(temporary / "card.json", card)


def _write_features(path: Path, rows: np.ndarray | Path, about: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(rows, Path):
        rows.replace(path)
    else:
        write_npy(path, rows)
    return table_entry(path, about)


def table_entry(path: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """The card's entry for the feature table in ``path``: the keys ``about``, and its dim, dtype and hash."""
    table = open_npy(path)
    # The names of run folders and cached neighbour lists depend on this hash.
    counted = {"dim": int(table.shape[1]), "dtype": str(table.dtype), "sha256": sha256(path)}
    return {"scale": 1.0, **about, **counted}
