"""Writing a collection: whole or not at all, with counts and hashes that cannot disagree with the files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from love_thy_neighbors.atomic import folder_written_whole, write_json
from love_thy_neighbors.collection.card import FORMAT, METADATA_TYPES, SPLITS, sha256
from love_thy_neighbors.collection.loading import open_npy

_ROW_GROUP = 1 << 16  # rows that Parquet compresses together; bounds the memory of writing


def write_collection(
    folder: Path,
    table: pa.Table,
    card: dict[str, Any],
    features: Mapping[str, np.ndarray | Path],
    thumbnails: Path | None = None,
    texts: Mapping[str, str] | None = None,
    splits: np.ndarray | None = None,
) -> None:
    """Write a collection whole or not at all; an existing one of that name is replaced at the end.

    ``table`` has the columns of ``images.parquet``; ``features[backbone]`` are the rows of a feature table, float16 or
    int8 (a memory map is copied block by block), or a finished ``.npy`` of them, which is moved in. ``card`` needs
    ``labels.names``, and ``features.<backbone>.scale`` for int8. Counts and hashes (``format``, ``images``,
    ``labels.count``, ``metadata.*.values``, ``features.*.dim`` and ``dtype``, the sha256 of each file) are filled in
    here. ``thumbnails`` is a folder that is moved in; ``texts`` are further files beside the card; ``splits`` int8
    [S, N] is the part of each image in S splits that the release defines, as `splits.given_split` reads it.
    """
    card = {"format": FORMAT, **card, "images": table.num_rows}
    card["labels"] = {**card["labels"], "count": len(card["labels"]["names"])}
    described = card.get("metadata", {})
    card["metadata"] = {
        kind: {**described.get(kind, {}), "values": len(pc.unique(table[kind].combine_chunks().flatten()))}
        for kind in METADATA_TYPES
        if kind in table.column_names
    }
    about = card.get("features", {})
    card["features"] = {}
    with folder_written_whole(folder) as temporary:
        parquet = temporary / "images.parquet"
        pq.write_table(table, parquet, compression="zstd", row_group_size=_ROW_GROUP)
        card["images_sha256"] = sha256(parquet)
        (temporary / "features").mkdir()
        for name, rows in features.items():
            path = temporary / "features" / f"{name}.npy"
            if isinstance(rows, Path):
                rows.replace(path)
            else:
                np.save(path, rows, allow_pickle=False)
            card["features"][name] = table_entry(path, about.get(name, {}))
        if splits is not None:
            np.save(temporary / SPLITS, splits.astype(np.int8), allow_pickle=False)
            card["splits"] = {**card.get("splits", {}), "count": len(splits), "sha256": sha256(temporary / SPLITS)}
        if thumbnails is not None:
            thumbnails.rename(temporary / "thumbnails")
        for name, text in (texts or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
        write_json(temporary / "card.json", card)


def table_entry(path: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """The card's entry of the feature table in ``path``: what is said ``about`` it, its shape, type and hash."""
    table = open_npy(path)
    # The card's hash stands for the content: run folders and cached neighbour lists are named by it.
    counted = {"dim": int(table.shape[1]), "dtype": str(table.dtype), "sha256": sha256(path)}
    return {"scale": 1.0, **about, **counted}
