"""What the page searches: file names, ids, folders and metadata values."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.decision_page.data_scripts import packed

FOLDER = "folder"


def names_of(photos: pa.Table) -> dict[str, Any]:
    """Files, and ids, each null where the id is the file: it mostly is."""
    files, ids = pc.fill_null(photos["file"], ""), photos["id"]
    other = pc.if_else(pc.equal(files, ids), pa.scalar(None, pa.string()), ids)
    return {"files": files.to_pylist(), "ids": other.to_pylist() if other.null_count < len(other) else None}


def values_of(photos: pa.Table, types: list[str]) -> list[dict[str, Any]]:
    """The folders and the values of each metadata type, with the photos that have them.

    ``texts`` are the different values, ``perPhoto`` is the number of values of each photo, and ``entries`` has their
    places in ``texts``, photo after photo. ``album`` says whether the type chooses an album: all but tags do.
    """
    folders = pa.chunked_array([pa.array(map(folders_of, photos["file"].to_pylist()), pa.list_(pa.string()))])
    groups = [_group(FOLDER, True, folders)]
    return groups + [_group(name, name != "tags", photos[f"metadata.{name}"]) for name in types]


def folders_of(file: str | None) -> list[str]:
    """The folder of a file and those above it: 'a/b/c.jpg' is in 'a' and 'a/b'."""
    parts = (file or "").replace("\\", "/").split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _group(name: str, album: bool, lists: pa.ChunkedArray) -> dict[str, Any]:
    flat = pc.fill_null(pc.list_flatten(lists).combine_chunks(), "").dictionary_encode()
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.combine_chunks()
    return {
        "name": name,
        "album": album,
        "texts": flat.dictionary.to_pylist(),
        "perPhoto": packed(pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)),
        "entries": packed(flat.indices.to_numpy().astype(np.int64)),
    }
