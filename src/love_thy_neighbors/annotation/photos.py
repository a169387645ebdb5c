"""The photos to annotate, and the photos that may be their neighbours, under common numbers.

The photos of the new collection come first, those of an archive after them. Values of metadata are compared by their
text, so the two need not have the same vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.neighbors.vocabularies import top_vocabulary
from love_thy_neighbors.runs.settings import ValuesSettings

NEW, ARCHIVE = "new", "archive"


@dataclass(frozen=True)
class Relation:
    """A metadata type that chooses neighbours: binary CSR [N, T] of the photos, and the T texts of its columns."""

    name: str
    matrix: sparse.csr_matrix
    values: list[str]


@dataclass(frozen=True)
class Photos:
    """Photos with common numbers 0 to N - 1: all rows of ``collections[0]``, then those of ``collections[1]``, if any.

    archived: boolean [N], photos that count as the archive; the others are new.
    targets: int64 [n], ascending, the numbers of the photos to score; they are in collections[0].
    pool: int64, ascending, the numbers of the photos that may be neighbours.
    relations: the metadata types that choose the neighbours, each M of them: one for most models, none for a model
        without neighbours, and for a relational model one for each tower, None for a tower that gets no neighbours.
    towers: the names of a relational model's towers.
    """

    collections: tuple[Collection, ...]
    archived: np.ndarray
    targets: np.ndarray
    pool: np.ndarray
    relations: tuple[Relation | None, ...] = ()
    towers: tuple[str, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """The kinds of neighbours that have a part in a score: a relational model's towers, else 'new', 'archive',
        both or none."""
        if not any(self.relations):
            return []
        if self.towers:
            return [f"{name} tower" if name == "image" else name for name in self.towers]  # the image has a part, too
        there = {NEW: ~self.archived[self.pool], ARCHIVE: self.archived[self.pool]}
        return [kind for kind, present in there.items() if present.any()]

    @property
    def complete(self) -> bool:
        """Whether every tower of a relational model gets neighbours by its own metadata type."""
        return tuple(one and one.name for one in self.relations) == self.towers

    def place_of(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The place in ``collections`` of each photo, and its row there."""
        first = len(self.collections[0])
        second = numbers >= first
        return second.astype(np.int64), np.where(second, numbers - first, numbers)

    def features(self, numbers: np.ndarray) -> np.ndarray:
        """phi of photos, any shape [...] -> float32 [..., d]; -1 gives a row of zeros."""
        flat, dim = numbers.ravel(), self.collections[0].features.dim
        found = np.zeros((len(flat), dim), dtype=np.float32)
        which, rows = self.place_of(flat)
        for place, collection in enumerate(self.collections):
            there, features = np.flatnonzero((which == place) & (flat >= 0)), collection.features
            found[there] = features.table[rows[there]] * np.float32(features.scale)
        return found.reshape(*numbers.shape, dim)

    def texts(self, column: str, numbers: np.ndarray) -> list[str | None]:
        """The ``ids`` or ``files`` of photos."""
        which, rows = self.place_of(numbers)
        found = np.empty(len(numbers), dtype=object)
        for place, collection in enumerate(self.collections):
            found[which == place] = getattr(collection, column).take(pa.array(rows[which == place])).to_pylist()
        return list(found)


def new_photos(
    new: Collection,
    archive: Collection | None,
    neighbours: str,
    types: Sequence[ValuesSettings | None],
    towers: tuple[str, ...] = (),
) -> Photos:
    """All photos of ``new``, with neighbours among themselves ('new'), in the archive ('archive'), or in 'both'.

    types: the metadata types that choose the neighbours, or 'union'; none for a model without neighbours. Only the tau
    values that most of these photos have count, None for all. The vocabulary is theirs, not the training collection's.
    """
    collections = (new,) if archive is None or neighbours == NEW else (new, archive)
    count = sum(map(len, collections))
    archived = np.arange(count) >= len(new)
    pool = np.flatnonzero(archived) if neighbours == ARCHIVE else np.arange(count)
    relations = tuple(
        None if one is None else Relation(one.type, *common_matrix(collections, one.type, one.tau)) for one in types
    )
    return Photos(collections, archived, np.arange(len(new)), pool, relations, towers)


def common_matrix(collections: Sequence[Collection], kind: str, tau: int | None) -> tuple[sparse.csr_matrix, list[str]]:
    """The metadata of all collections over one vocabulary [N, T], and its values; see `new_photos`."""
    if kind == "union":
        types = list(dict.fromkeys(name for collection in collections for name in collection.metadata))
        found = [common_matrix(collections, name, tau if name == "tags" else None) for name in types]
        if not found:
            return sparse.csr_matrix((sum(map(len, collections)), 0), dtype=np.uint8), []
        values = [value for _, names in found for value in names]
        return sparse.hstack([matrix for matrix, _ in found], format="csr"), values
    names = sorted({value for collection in collections for value in collection.values.get(kind, [])})
    place = {value: column for column, value in enumerate(names)}
    blocks = []
    for collection in collections:
        own = collection.metadata.get(kind, sparse.csr_matrix((len(collection), 0), dtype=np.uint8))
        columns = np.array([place[value] for value in collection.values.get(kind, [])], dtype=np.int64)
        shape = (len(collection), len(names))
        blocks.append(sparse.csr_matrix((own.data, columns[own.indices], own.indptr), shape=shape))
    matrix = sparse.vstack(blocks, format="csr")
    matrix.sort_indices()
    if tau is None:
        return matrix, names
    kept = top_vocabulary(matrix, np.arange(matrix.shape[0]), tau)
    return matrix[:, kept], [names[column] for column in kept]


def has_type(collection: Collection, kind: str) -> bool:
    """Whether a collection has metadata of type ``kind``, or any for 'union'."""
    return kind in collection.metadata or (kind == "union" and bool(collection.metadata))


def check_type(collection: Collection, kind: str) -> None:
    """Raise `UserError` if a collection has no metadata of type ``kind``."""
    there = ", ".join(collection.metadata) or "no metadata at all"
    if not has_type(collection, kind):
        raise UserError(
            f"metadata={kind}: the collection in {collection.folder} has no {kind}; it has {there}; give metadata= "
            "one of these, or neighbours=none to score the pictures alone."
        )
