"""Neighbour lists of a split, computed once and kept on disk.

A list is int32 [n, M]: for each image of a part, the row numbers of its M nearest neighbours, nearest first, -1 for
none. Files are named by a hash of everything a list depends on, so a stale one is never read; a lock lets processes
that need the same list at the same time compute it once. A list that is there is whole, and is read without the lock,
which not every file system that nodes share has. Lists are memory-mapped: a machine's processes share what they read.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
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
from love_thy_neighbors.neighbors.jaccard_gpu import gpu_for_jaccard, nearest_by_jaccard_on
from love_thy_neighbors.neighbors.list_files import BLOCK, Search, is_whole, write_lists
from love_thy_neighbors.neighbors.vocabularies import overlapping_vocabularies, top_vocabulary
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.splits import PARTS, Split

# Lists are computed this deep, or a multiple of it, so that runs with another M find them in the cache.
DEPTH = 20
# To be raised when an algorithm's result changes: older files are then never read again.
VERSION = 1


@dataclass(frozen=True)
class Overlap:
    """Which of two tag vocabularies is looked at (Figure 8, see `vocabularies.overlapping_vocabularies`).

    share: of the tags that both have in common. second: the one for testing, else the one for training.
    seed: of the draw.
    """

    share: float
    second: bool
    seed: int


@dataclass(frozen=True)
class NeighborQuery:
    """What decides who an image's neighbours are.

    kind: a metadata type, 'union' for all types together, or 'visual' for Euclidean distance of features (Table 3).
    tau: how many tags (or values of ``kind``), the most frequent on the training images, count; None for all
        (section 3.1).
    pool: 'split' if neighbours come from the image's own part of the split, 'all' if from every part, 'train' if from
        the training images that have labels, whatever the part. No label is read for the first two.
    overlap: None for one vocabulary, else which half of the tau values counts.
    """

    kind: str
    tau: int | None
    pool: str
    overlap: Overlap | None = None


def neighbor_lists(
    collection: Collection, split: Split, query: NeighborQuery, M: int, part: str, cache: Path
) -> np.ndarray:
    """The neighbour lists int32 [n, M] of ``split.rows[part]``, from the cache if they are there."""
    # Copy-on-write: nothing is ever written, but torch accepts only arrays that could be.
    return np.load(list_file(collection, split, query, M, part, cache), mmap_mode="c")[:, :M]


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
    """The file of the lists int32 [n, M or more] of ``split.rows[part]``, made by ``engine`` if it is not there.

    ``block`` is how many lists are made, and kept when the work is interrupted, at once.
    """
    pool = neighbor_pool(split, query, part)
    queries = split.rows[part]
    depth = DEPTH * -(-M // DEPTH)
    if query.kind == "visual":
        table, scale = collection.features.table, collection.features.scale
        path = cache / f"{_key(_visual_identity(collection), queries, pool, depth)}.npy"
        gpu = partial(gpu_for_euclidean, table, queries, pool)
        on_gpu = partial(nearest_by_euclidean_on, table=table, scale=scale, queries=queries, pool=pool, depth=depth)
        search: Callable[[], Search] = partial(euclidean_search, table, scale, queries, pool, depth)
    else:
        matrix = metadata_matrix(collection, split, query)
        path = cache / f"{_key(b'jaccard', matrix.indptr, matrix.indices, queries, pool, depth)}.npy"
        gpu = partial(gpu_for_jaccard, matrix, queries, pool)
        on_gpu = partial(nearest_by_jaccard_on, metadata=matrix, queries=queries, pool=pool, depth=depth)
        search = partial(jaccard_search, matrix, queries, pool, depth)
    shape = (len(queries), depth)
    if is_whole(path, shape):
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not is_whole(path, shape):  # while we waited, another process may have made it
            about = f"{query.kind} neighbours, {part}"
            if engine == LOCAL and (device := gpu()) is not None:
                with progress_bar(about, len(queries)) as advance:
                    write_npy(path, on_gpu(device, progress=advance))
            else:
                write_lists(path, search(), about, engine, block)
    return path


def metadata_matrix(collection: Collection, split: Split, query: NeighborQuery) -> sparse.csr_matrix:
    """The binary matrix [N, T] whose rows are compared; 'union' places the types side by side."""
    if query.kind == "union":
        types = [NeighborQuery(kind, query.tau if kind == "tags" else None, query.pool) for kind in collection.metadata]
        return sparse.hstack([metadata_matrix(collection, split, one) for one in types], format="csr")
    matrix = collection.metadata[query.kind]
    if query.tau is None:
        return matrix
    columns = top_vocabulary(matrix, split.rows["train"], query.tau)
    if query.overlap is not None:
        pair = overlapping_vocabularies(columns, query.overlap.share, query.overlap.seed)
        columns = pair[query.overlap.second]
    return matrix[:, columns]


def neighbor_pool(split: Split, query: NeighborQuery, part: str) -> np.ndarray:
    """Row numbers, sorted, of the images that may be neighbours of those of ``part``."""
    if query.pool == "all":
        return np.sort(np.concatenate([split.neighbors[name] for name in PARTS]))
    return split.rows["train"] if query.pool == "train" else split.neighbors[part]


def fill_random(lists: np.ndarray, rows: np.ndarray, pool: np.ndarray, seed: int) -> np.ndarray:
    """Replace every -1 by a random image of ``pool`` other than the image itself (``neighborhoods.fill=random``).

    Not in the paper; what its public re-implementation does. An image may be drawn twice, or be in the list already.
    """
    filled = np.array(lists)
    row, column = np.nonzero(filled < 0)
    if len(pool) < 2:
        return filled
    # One draw from the pool without the image itself: its place is skipped by counting on from it.
    place = np.searchsorted(pool, rows[row])
    other = (place + np.random.default_rng([seed, len(pool)]).integers(1, len(pool), len(row))) % len(pool)
    filled[row, column] = pool[other]
    return filled


def _visual_identity(collection: Collection) -> bytes:
    features = collection.features
    declared = collection.card["features"][features.backbone]
    path = collection.folder / "features" / f"{features.backbone}.npy"
    # The card's hash names the content; without one, the file's size and time stand in.
    content = declared.get("sha256") or f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}"
    return f"euclidean {content}".encode()


def _key(*parts: bytes | np.ndarray | int) -> str:
    digest = hashlib.sha256(str(VERSION).encode())
    for part in parts:
        data = np.ascontiguousarray(part, dtype=np.int64).tobytes() if not isinstance(part, bytes) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]
