"""A data set on disk and in memory.

On disk a collection is a folder:

    images.parquet            one row per image: id, file, owner, split (train, val or test), taken (an ISO date), all
                              strings; labels and metadata (lists of strings)
    features/<backbone>.npy   [N, d] float16 or float32, or int8 to be multiplied by the scale in the card
    thumbnails/<row>.webp     optional small pictures for figures
    splits.npy                optional int8 [S, N], the part of each image in S splits that the release itself defines
    pictures.parquet          optional hashes of the pictures' content, for an update; nothing else reads it
    card.json                 origin, licence, counts, label names, feature scale, how labels were made

Every list column but ``labels`` is a metadata type: tags, sets and groups as in the paper, and any other. In memory a
data set is a `Collection`: features, a label matrix and one sparse binary matrix per metadata type. The program knows
images by their row numbers; ids are for people and need not be unique.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from love_thy_neighbors.collection.card import metadata_columns, read_card
from love_thy_neighbors.collection.checked_files import Memory
from love_thy_neighbors.collection.images_table import Images, read_images, require_there
from love_thy_neighbors.collection.mapped_images import mapped_images
from love_thy_neighbors.collection.table_files import Features, load_features, load_splits, require_hash
from love_thy_neighbors.errors import UserError


@dataclass(frozen=True)
class Collection:
    """A collection in memory.

    Shapes: ``labels`` [N, L] and each ``metadata[type]`` [N, T_type], binary CSR (uint8, sorted indices); the L
    ``label_names`` and the T_type ``values[type]`` are in column order. ``ids``, ``files`` and ``owners`` are Arrow
    string columns of N rows, and so are ``parts`` (column ``split``) and ``taken``; all but ``ids`` may hold nulls.
    ``splits`` int8 [S, N] or None, see `splits.given_split`.
    """

    folder: Path
    card: dict[str, Any]
    ids: pa.Array
    files: pa.Array
    owners: pa.Array
    label_names: tuple[str, ...]
    labels: sparse.csr_matrix
    metadata: dict[str, sparse.csr_matrix]
    values: Mapping[str, list[str]]
    features: Features
    splits: np.ndarray | None = None
    parts: pa.Array | None = None
    taken: pa.Array | None = None

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    @cached_property
    def without_metadata(self) -> np.ndarray:
        """Boolean [N]: images without a value of any metadata type."""
        counts = np.zeros(len(self), dtype=np.int64)
        for matrix in self.metadata.values():
            counts += np.diff(matrix.indptr)
        return counts == 0


def load_collection(
    folder: Path, backbone: str | None = None, cache: Path | None = None, *, writes: bool = True
) -> Collection:
    """Read and check the collection in ``folder``; raises `UserError` naming the file, the row or key, and the cure.

    ``backbone`` names the feature table; None takes the first in the card. Features stay memory-mapped: they are
    checked for NaN and infinity block by block, and nothing of size N x d is copied. ``cache`` is a folder in which
    ``images.parquet`` becomes files that are memory-mapped as well (`mapped_images`), and which remembers the files
    that have been checked (`checked_files`); None to read and check everything. ``writes``: False if
    another process writes there.
    """
    card = read_card(folder)
    memory = None if cache is None else Memory(cache, writes)
    path, names = folder / "images.parquet", tuple(card["labels"]["names"])
    declared = card.get("images_sha256")
    require = partial(require_hash, path, folder / "card.json", "images_sha256", declared, memory)
    if memory is None or declared is None:
        images = read_images(path, names)
        require()
    else:
        require_there(path)
        images = mapped_images(path, names, declared, memory, require)
    _require_counts(folder, card, images)
    return Collection(
        folder=folder,
        card=card,
        ids=images.texts["id"],
        files=images.texts["file"],
        owners=images.texts["owner"],
        label_names=names,
        labels=images.labels,
        metadata=images.metadata,
        values=images.values,
        features=load_features(folder, card, backbone, card["images"], memory),
        splits=load_splits(folder, card, card["images"], memory),
        parts=images.texts["split"],
        taken=images.texts["taken"],
    )


def _require_counts(folder: Path, card: dict[str, Any], images: Images) -> None:
    """Raise `UserError` if the card says something else than ``images.parquet``."""
    rows = images.labels.shape[0]
    if rows != card["images"]:
        path = folder / "images.parquet"
        raise UserError(f"{path}: {rows} rows, but card.json says {card['images']} images; run prepare.py again.")
    for kind in metadata_columns([*images.metadata, *card["metadata"]]):
        declared = card["metadata"].get(kind)
        if (kind in images.metadata) != (declared is not None):
            where, other = ("images.parquet", "card.json") if declared is None else ("card.json", "images.parquet")
            raise UserError(f"{folder}: {where} has '{kind}' but {other} does not; run prepare.py again.")
        count, found = declared.get("values"), images.metadata[kind].shape[1]
        if count != found:
            raise UserError(
                f"{folder / 'card.json'}: metadata.{kind}.values is {count}, but images.parquet has {found} distinct "
                f"{kind}; run prepare.py again."
            )
