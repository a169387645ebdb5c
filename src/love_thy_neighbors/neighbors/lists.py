"""Neighbour lists of a split, computed once and stored in the cache folder.

A list file is int32 [n, M]: for each image of a part, the row numbers of its M nearest neighbours, nearest first, -1
where there are fewer. The file name is a hash of everything that the lists depend on, so an outdated file is never
read. A lock makes sure that one process computes a file and the others wait for it. A complete file is read without
the lock, because some shared file systems have no locks. Files are memory-mapped, so processes share the memory.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from scipy import sparse

from love_thy_neighbors.atomic import write_npy
from love_thy_neighbors.cluster.engine import LOCAL, Engine
from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.neighbors.euclidean import euclidean_search
from love_thy_neighbors.neighbors.euclidean_gpu import gpu_for_euclidean, nearest_by_euclidean_on
from love_thy_neighbors.neighbors.jaccard import jaccard_search
from love_thy_neighbors.neighbors.list_files import BLOCK, Search, is_complete, remove_blocks, write_lists
from love_thy_neighbors.neighbors.vocabularies import overlapping_vocabularies, top_vocabulary
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.splits import PARTS, Split

# Lists have this many columns, or a multiple of it, so that runs with another M find them in the cache.
DEPTH = 20
# Raise this number when an algorithm's result changes: older files are then not read any more.
VERSION = 1
_HASHED = 1 << 20  # numbers that are hashed at a time


@dataclass(frozen=True)
class Overlap:
    """One of two tag vocabularies (Figure 8, see `vocabularies.overlapping_vocabularies`).

    share: the share of tags that the two have in common. second: True for the test vocabulary, False for the training
    vocabulary. seed: of the random draw.
    """

    share: float
    second: bool
    seed: int


@dataclass(frozen=True)
class NeighborQuery:
    """What decides which images are neighbours.

    kind: a metadata type of the collection, 'union' for all types together, or 'visual' for Euclidean distance of
        features (Table 3).
    tau: only the tau most frequent values of ``kind`` count; None for all values (section 3.1).
    pool: 'split' for neighbours from the image's own part of the split, 'all' for neighbours from every part, 'train'
        for labelled training images. The first two read no label.
    overlap: None for one vocabulary, else which half of the tau values counts.
    vocabulary: 'train' for the tau values that are most frequent on the training images, as in the paper, or 'pool' for
        those that are most frequent on the images that may be neighbours, see `counted_rows`.
    renamed: True to look up neighbours as if every value of a test image had a new name, which no training or
        validation image has.
    """

    kind: str
    tau: int | None
    pool: str
    overlap: Overlap | None = None
    vocabulary: str = "train"
    renamed: bool = False


def neighbor_lists(
    collection: Collection, split: Split, query: NeighborQuery, M: int, part: str, cache: Path
) -> np.ndarray:
    """The neighbour lists int32 [n, M] of ``split.rows[part]``, computed if they are not in the cache."""
    return open_lists(list_file(collection, split, query, M, part, cache))[:, :M]


def open_lists(path: Path) -> np.ndarray:
    """Memory-map a file of lists, or of their similarities."""
    # Copy-on-write: nothing is written, but torch accepts only writable arrays.
    return np.load(path, mmap_mode="c", allow_pickle=False)


def list_length(M: int) -> int:
    """The length of the lists in the file that holds the M nearest."""
    return DEPTH * -(-M // DEPTH)


def list_file(
    collection: Collection,
    split: Split,
    query: NeighborQuery,
    M: int,
    part: str,
    cache: Path,
    engine: Engine = LOCAL,
    block: int = BLOCK,
) -> Path:
    """The file of the lists int32 [n, M or more] of ``split.rows[part]``; ``engine`` computes it if it is missing.

    ``block`` lists are computed and stored at a time; an interrupted computation continues after the last block.
    """
    pool, queries, depth = neighbor_pool(split, query, part), split.rows[part], list_length(M)
    if query.kind == "visual":
        table = collection.features.table
        key = _key(_visual_identity(collection), queries, pool, depth)
        search: Callable[[], Search] = partial(euclidean_search, table, queries, pool, depth)
    else:
        matrix = metadata_matrix(collection, split, query, counted_rows(split, query, part))
        key = _key(b"jaccard", matrix.indptr, matrix.indices, queries, pool, depth)
        search = partial(jaccard_search, matrix, queries, pool, depth)
    path, shape = cache / f"{key}.npy", (len(queries), depth)
    if is_complete(path, shape):
        remove_blocks(path)
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not is_complete(path, shape):  # another process may have computed it while this one waited
            description = f"{query.kind} neighbours, {part}"
            gpu = None if query.kind != "visual" or engine != LOCAL else gpu_for_euclidean(table, queries, pool)
            if gpu is not None:
                with progress_bar(description, len(queries)) as advance:
                    write_npy(path, nearest_by_euclidean_on(gpu, table, queries, pool, depth, advance))
            else:
                write_lists(path, search(), description, engine, block)
    return path


def counted_rows(split: Split, query: NeighborQuery, part: str) -> np.ndarray:
    """The rows whose values are counted to find the tau most frequent, for neighbours of the images of ``part``.

    Labels are not known at test time, but metadata is: with the vocabulary 'pool' a value that only test images have
    counts, too. Two vocabularies that overlap are always drawn from the values of training images, because the choice
    of the first must not depend on the part.
    """
    if query.vocabulary == "train" or query.overlap is not None:
        return split.rows["train"]
    return neighbor_pool(split, query, part)


def metadata_matrix(
    collection: Collection, split: Split, query: NeighborQuery, counted: np.ndarray
) -> sparse.csr_matrix:
    """The binary matrix [N, T] whose rows are compared; for 'union', the matrices of all types side by side.

    counted: rows that decide which values are the tau most frequent, as `counted_rows` gives them.
    """
    if query.kind == "union":
        parts = [metadata_matrix(collection, split, one, counted) for one in _each_type(collection, query)]
        return sparse.hstack(parts, format="csr")
    matrix = _matrix(collection, split, query)
    columns = _vocabulary(matrix, query, counted)
    return matrix if columns is None else matrix[:, columns]


def metadata_values(collection: Collection, split: Split, query: NeighborQuery, counted: np.ndarray) -> list[str]:
    """The values that the columns of `metadata_matrix` stand for; a value that is renamed has the same text twice."""
    if query.kind == "union":
        types = _each_type(collection, query)
        return [value for one in types for value in metadata_values(collection, split, one, counted)]
    values = collection.values[query.kind] * (2 if query.renamed else 1)
    columns = _vocabulary(_matrix(collection, split, query), query, counted)
    return values if columns is None else [values[column] for column in columns]


def _each_type(collection: Collection, query: NeighborQuery) -> list[NeighborQuery]:
    """The queries by a single type whose matrices, side by side, are that of 'union'; tau is for tags alone."""
    return [replace(query, kind=kind, tau=query.tau if kind == "tags" else None) for kind in collection.metadata]


def _matrix(collection: Collection, split: Split, query: NeighborQuery) -> sparse.csr_matrix:
    """The matrix [N, T] of one type; with renamed values [N, 2T], where test images have the second T columns."""
    matrix = collection.metadata[query.kind]
    if not query.renamed:
        return matrix
    tested = np.zeros(matrix.shape[0], dtype=matrix.dtype)
    tested[split.neighbors["test"]] = 1
    sides = [sparse.diags_array(side, dtype=matrix.dtype) @ matrix for side in (1 - tested, tested)]
    renamed = sparse.csr_matrix(sparse.hstack(sides, format="csr"))
    renamed.eliminate_zeros()
    renamed.sort_indices()
    return renamed


def _vocabulary(matrix: sparse.csr_matrix, query: NeighborQuery, counted: np.ndarray) -> np.ndarray | None:
    """The columns of the values that count; None for all."""
    if query.tau is None:
        return None
    columns = top_vocabulary(matrix, counted, query.tau)
    if query.overlap is None:
        return columns
    pair = overlapping_vocabularies(columns, query.overlap.share, query.overlap.seed)
    return pair[query.overlap.second]


def neighbor_pool(split: Split, query: NeighborQuery, part: str) -> np.ndarray:
    """Sorted row numbers of the images that may be neighbours of the images of ``part``."""
    if query.pool == "all":
        return np.sort(np.concatenate([split.neighbors[name] for name in PARTS]))
    return split.rows["train"] if query.pool == "train" else split.neighbors[part]


def fill_random(lists: np.ndarray, rows: np.ndarray, pool: np.ndarray, seed: int) -> np.ndarray:
    """Replace every -1 by a random image of ``pool``, but never by the image itself (``neighborhoods.fill=random``).

    Not in the paper; its public re-implementation does this. An image may be drawn twice, or be in the list already.
    """
    filled = np.array(lists)
    row, column = np.nonzero(filled < 0)
    if len(pool) < 2:
        return filled
    # An offset of 1 to len(pool) - 1 from the image's own place: every other image has the same probability.
    place = np.searchsorted(pool, rows[row])
    other = (place + np.random.default_rng([seed, len(pool)]).integers(1, len(pool), len(row))) % len(pool)
    filled[row, column] = pool[other]
    return filled


def without_neighbors(lists: np.ndarray) -> np.ndarray:
    """Boolean [n]: which images have no neighbour in their list [n, M], or in any of their lists [n, R, M]."""
    return np.asarray((lists[..., 0] < 0).reshape(len(lists), -1).all(axis=1))


def _visual_identity(collection: Collection) -> bytes:
    features = collection.features
    declared = collection.card["features"][features.backbone]
    path = collection.folder / "features" / f"{features.backbone}.npy"
    # Without a hash in the card, the file's path, size and time of change identify the content.
    content = declared.get("sha256") or f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}"
    return f"euclidean {content}".encode()


def _key(*parts: bytes | np.ndarray | int) -> str:
    digest = hashlib.sha256(str(VERSION).encode())
    for part in parts:
        if isinstance(part, bytes):
            digest.update(len(part).to_bytes(8, "little") + part)
            continue
        numbers = np.ravel(part)
        digest.update((8 * len(numbers)).to_bytes(8, "little"))
        for start in range(0, len(numbers), _HASHED):  # as int64, but never all of them at a time
            digest.update(numbers[start : start + _HASHED].astype(np.int64).tobytes())
    return digest.hexdigest()[:32]
