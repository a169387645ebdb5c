"""Jaccard similarities of the neighbours in a list file, stored beside it.

A file of lists ``KEY.npy``, int32 [n, D], gets a file ``KEY.similarities.npy``, float32 [n, D]: for each entry

    s(x, z) = |t_x & t_z| / |t_x | t_z| = 1 - d(x, z)       (Eq. 3)

and 0 where the list has no neighbour. It is memory-mapped like the lists.
"""

from pathlib import Path

import numpy as np
from filelock import FileLock
from scipy import sparse

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.compiled import compiled
from love_thy_neighbors.disk import write_head
from love_thy_neighbors.neighbors.jaccard import checked_binary
from love_thy_neighbors.neighbors.list_files import is_complete
from love_thy_neighbors.neighbors.lists import NeighborQuery, counted_rows, list_file, metadata_matrix, open_lists
from love_thy_neighbors.ownership import remove_remains
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.splits import Split

BLOCK = 8192  # lists whose similarities are computed and written at a time


def neighbor_similarities(
    collection: Collection, split: Split, query: NeighborQuery, M: int, part: str, cache: Path
) -> np.ndarray:
    """The similarities float32 [n, M] of `lists.neighbor_lists`, computed if they are not in the cache.

    Raises `ValueError` for visual neighbours, which have a distance but no similarity.
    """
    return open_lists(similarity_file(collection, split, query, M, part, cache))[:, :M]


def similarity_file(collection: Collection, split: Split, query: NeighborQuery, M: int, part: str, cache: Path) -> Path:
    """The file of the similarities float32 [n, M or more]; `lists.list_file` makes the lists first."""
    return similarities_beside(list_file(collection, split, query, M, part, cache), collection, split, query, part)


def similarities_beside(
    lists_path: Path, collection: Collection, split: Split, query: NeighborQuery, part: str
) -> Path:
    """The file of the similarities to the neighbours in a file of lists, computed if it is missing."""
    if query.kind == "visual":
        raise ValueError("visual neighbours have no Jaccard similarity")
    lists, path = np.load(lists_path, mmap_mode="r"), lists_path.with_suffix(".similarities.npy")
    if is_complete(path, lists.shape, np.float32):
        return path
    with FileLock(path.with_suffix(".lock")):
        if not is_complete(path, lists.shape, np.float32):  # another process may have computed it meanwhile
            remove_remains(path)
            matrix = metadata_matrix(collection, split, query, counted_rows(split, query, part))
            with (
                written_whole(path) as temporary,
                temporary.open("wb") as file,
                progress_bar(f"{query.kind} similarities, {part}", len(lists)) as advance,
            ):
                write_head(file, temporary, np.float32, lists.shape)
                for start in range(0, len(lists), BLOCK):
                    rows = split.rows[part][start : start + BLOCK]
                    similarities(matrix, rows, lists[start : start + BLOCK]).tofile(file)
                    advance(len(rows))
    return path


def similarities(metadata: sparse.csr_matrix, rows: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """The Jaccard similarity of each row to the neighbours in its list.

    Shapes: metadata [N, T] binary; rows [n] row numbers; lists [n, M] row numbers, -1 for none -> float32 [n, M], 0 for
    none.

    >>> tags = sparse.csr_matrix([[1, 1, 0], [1, 1, 1], [0, 0, 1]])
    >>> similarities(tags, np.array([0, 2]), np.array([[1, -1], [1, 0]])).round(2).tolist()
    [[0.6700000166893005, 0.0], [0.33000001311302185, 0.0]]
    """
    metadata = checked_binary(metadata)
    if not metadata.has_sorted_indices:
        metadata = metadata.sorted_indices()
    found = np.zeros(lists.shape, dtype=np.float32)
    _fill(metadata.indptr, metadata.indices, np.asarray(rows, np.int64), np.asarray(lists, np.int64), found)
    return found


@compiled()
def _fill(indptr: np.ndarray, indices: np.ndarray, rows: np.ndarray, lists: np.ndarray, found: np.ndarray) -> None:
    """Compare the sorted values of both images of every pair by merging them."""
    for image in range(len(rows)):
        first, first_end = indptr[rows[image]], indptr[rows[image] + 1]
        for rank in range(lists.shape[1]):
            if lists[image, rank] < 0:
                continue
            second, second_end = indptr[lists[image, rank]], indptr[lists[image, rank] + 1]
            union, shared, a, b = first_end - first + second_end - second, 0, first, second
            while a < first_end and b < second_end:
                if indices[a] == indices[b]:
                    shared += 1
                    a += 1
                    b += 1
                elif indices[a] < indices[b]:
                    a += 1
                else:
                    b += 1
            if shared > 0:
                found[image, rank] = np.float32(shared / (union - shared))
