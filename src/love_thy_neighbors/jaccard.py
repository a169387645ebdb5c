"""Nearest neighbours by metadata: exact Jaccard distance between sets of tags, sets or groups (paper, Eq. 3).

    d(x, x') = 1 - |t_x & t_x'| / |t_x | t_x'|

Neighbours are ordered by similarity, descending, and by row number, ascending, where similarities tie, which they
often do. Similarities are compared as fractions of integers, never as floats, so the lists are the same on every
machine and for every number of threads.

How it is made fast, and why the lists stay exact:

- Values that few images carry go through an inverted index: only images on the posting lists of the query's values
  are touched, and the values that they share are counted.
- The posting lists of the most common values would be nearly as long as the pool. These values are also one bit each of
  a 64-bit mask per image, so that how many of them two images share is one population count.
- An image that shares common values alone is still to be found. By then the list is full of good entries, and the last
  of them bounds how many values an image of a given size must share to enter. The common values are gone through
  from the rarest: an image not met before shares no more than those left, which leaves few sizes and in the end none.
- The pool is renumbered by size (how many values an image has), so that a posting list is sorted by size and those few
  sizes are one short stretch of it.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numba
import numpy as np
from scipy import sparse

BLOCK = 512  # queries a task; small enough that the cores finish together and progress is seen
MASK_BITS = 64  # the most values that can be common
COMMON = 1 / 256  # a value is common if more than this share of the pool carries it


def nearest_by_jaccard(
    metadata: sparse.csr_matrix,
    queries: np.ndarray,
    pool: np.ndarray,
    depth: int,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """The ``depth`` images of the pool with the smallest Jaccard distance to each query (Eq. 3).

    Only images that share at least one value with the query are its neighbours, and never the image itself. Ties go
    to the lower row number.

    Shapes: ``metadata`` [N, T] binary; ``queries`` [Q] and ``pool`` [P] row numbers, in any order, a row named twice
    in the pool counting once; returns int32 [Q, depth] row numbers of ``metadata``, -1 where no neighbours are left.
    ``threads`` is the number of cores used, None for all; ``progress`` is called with the number of queries that
    have been finished since the last call. Memory beyond the result grows with N + threads * P.

    Raises `ValueError` if depth or threads is below 1, or a row number is not one of ``metadata``.

    >>> tags = sparse.csr_matrix([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    >>> rows = np.arange(5)
    >>> nearest_by_jaccard(tags, rows[[0, 4]], rows, depth=3)  # similarities 2/3, 1/2, 1/2; nothing shared
    array([[ 1,  2,  3],
           [-1, -1, -1]], dtype=int32)
    """
    if depth < 1 or (threads is not None and threads < 1):
        raise ValueError(f"depth = {depth} and threads = {threads}: both must be at least 1.")
    metadata = _binary(metadata)
    queries, pool = _rows(queries, metadata, "queries"), np.unique(_rows(pool, metadata, "pool"))
    neighbours = np.full((len(queries), depth), -1, dtype=np.int32)
    values, *index = _index_pool(metadata, pool)

    def search(start: int) -> int:
        block = queries[start : start + BLOCK]
        _search(values.indptr, values.indices, block, *index, neighbours[start : start + BLOCK])
        return len(block)

    executor = ThreadPoolExecutor(threads or _cores())
    try:
        for done in as_completed([executor.submit(search, start) for start in range(0, len(queries), BLOCK)]):
            finished = done.result()
            if progress is not None:
                progress(finished)
    finally:
        executor.shutdown(cancel_futures=True)
    return neighbours


def top_vocabulary(metadata: sparse.csr_matrix, rows: np.ndarray, tau: int) -> np.ndarray:
    """The columns of the tau values that most of ``rows`` carry (section 5.1: the tau most frequent tags).

    Ties go to the value whose column comes first; values that none of the rows carries are left out, so there may be
    fewer than tau.

    Shapes: ``metadata`` [N, T] binary, ``rows`` row numbers of the training split; returns int64 [<= tau], ascending.

    >>> top_vocabulary(sparse.csr_matrix([[0, 1, 1, 0], [0, 0, 1, 1]]), rows=np.array([0, 1]), tau=2)
    array([1, 2])
    """
    if tau < 1:
        raise ValueError(f"tau = {tau}: the vocabulary must have at least one value.")
    metadata = _binary(metadata)
    rows = _rows(rows, metadata, "rows")
    frequency = np.bincount(metadata[rows].indices, minlength=metadata.shape[1])
    most = np.argsort(-frequency, kind="stable")[:tau]
    return np.sort(most[frequency[most] > 0])


def _binary(metadata: sparse.csr_matrix) -> sparse.csr_matrix:
    """``metadata`` itself, or a copy without stored zeros and repeated entries, which would be counted as values."""
    if metadata.has_canonical_format and metadata.data.all():
        return metadata
    metadata = metadata.copy()
    metadata.sum_duplicates()
    metadata.eliminate_zeros()
    return metadata


def _rows(rows: np.ndarray, metadata: sparse.csr_matrix, name: str) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < metadata.shape[0]):
        raise ValueError(f"{name} must be a list of row numbers from 0 to {metadata.shape[0] - 1}.")
    return rows


def _cores() -> int:
    """Cores that this process may use, which on a shared machine can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _index_pool(metadata: sparse.csr_matrix, pool: np.ndarray) -> tuple[Any, ...]:
    """What `_search` has to know about the pool, its images renumbered by (size, row) and values by frequency.

    Returns the metadata [N, T] with columns from the rarest value in the pool to the most common; rows [P], the row
    number of each image; sizes [P]; first [S + 2], the first image of each size; the first common column; masks [P],
    the common values of each image; the posting lists, as CSC pointers [T + 1] and images.
    """
    sizes = np.diff(metadata.indptr)[pool]
    rows = pool[np.argsort(sizes, kind="stable")]  # pool is ascending: equal sizes stay in row order
    sizes = np.sort(sizes)
    first = np.searchsorted(sizes, np.arange(sizes.max(initial=0) + 2))

    T = metadata.shape[1]
    frequency = np.bincount(metadata[pool].indices, minlength=T)
    column = np.empty(T, dtype=np.int32)
    column[np.argsort(frequency, kind="stable")] = np.arange(T)
    values = sparse.csr_matrix(
        (metadata.data, column[metadata.indices], metadata.indptr), shape=metadata.shape, copy=True
    )
    values.sort_indices()
    postings = values[rows].tocsc()

    common = T - min(MASK_BITS, int((frequency > len(pool) * COMMON).sum()))
    masks = np.zeros(len(rows), dtype=np.uint64)
    for bit, value in enumerate(range(common, T)):
        images = postings.indices[postings.indptr[value] : postings.indptr[value + 1]]
        masks[images] |= np.uint64(1) << np.uint64(bit)
    return values, rows, sizes, first, common, masks, postings.indptr, postings.indices


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile to machine code that runs without the GIL, kept on disk where there is a folder that can be written."""
    try:
        return numba.njit(function, nogil=True, cache=True)
    except RuntimeError:  # no such folder: compile anew in every process
        return numba.njit(function, nogil=True)


@_compiled
def _shared_bits(a: np.uint64, b: np.uint64) -> np.int64:
    """|a & b| as sets of bits; LLVM knows these lines and makes them one instruction."""
    x = a & b
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@_compiled
def _insert(best: np.ndarray, nearest: np.ndarray, shared: int, union: int, row: int) -> tuple[int, int]:
    """Put an image in its place in the list, and return the similarity of the list's last entry as a fraction.

    ``best`` [depth, 2] holds |t_x & t_x'| and |t_x | t_x'| of the entries of ``nearest``, 0 and 1 where there is none
    yet: a/b > c/d is compared as a*d > c*b.
    """
    place = len(nearest)
    while place > 0:
        ours, theirs = shared * best[place - 1, 1], best[place - 1, 0] * union
        if ours < theirs or (ours == theirs and row > nearest[place - 1]):
            break
        place -= 1
        if place + 1 < len(nearest):
            best[place + 1, 0], best[place + 1, 1] = best[place, 0], best[place, 1]
            nearest[place + 1] = nearest[place]
    if place < len(nearest):
        best[place, 0], best[place, 1], nearest[place] = shared, union, row
    return best[-1, 0], best[-1, 1]


@_compiled
def _sizes_that_enter(c: int, d: int, query_size: int, left: int, largest: int) -> tuple[int, int]:
    """Smallest and largest size of an image that can enter the list while it shares at most ``left`` values.

    With c/d the similarity of the list's last entry, an image of size s that shares r values enters or ties if
    r / (query_size + s - r) >= c/d, which is r * (c + d) >= c * (query_size + s), and r is at most min(left, s).
    """
    if c == 0:
        return 1, largest
    return -(-c * query_size // d), min(largest, left * (c + d) // c - query_size)


@_compiled
def _search(
    indptr: np.ndarray,
    indices: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    sizes: np.ndarray,
    first: np.ndarray,
    first_common: int,
    masks: np.ndarray,
    starts: np.ndarray,
    postings: np.ndarray,
    neighbours: np.ndarray,
) -> None:
    """Fill the lists ``neighbours`` [Q, depth] of ``queries`` [Q]; the rest is what `_index_pool` returns."""
    counts = np.zeros(len(rows), dtype=np.int32)  # rare values shared with the query
    met = np.empty(len(rows), dtype=np.int32)
    best = np.empty((neighbours.shape[1], 2), dtype=np.int64)
    for q in range(len(queries)):
        query, nearest = queries[q], neighbours[q]
        values = indices[indptr[query] : indptr[query + 1]]
        size, rare = len(values), np.searchsorted(values, first_common)
        best[:, 0], best[:, 1] = 0, 1
        c, d = 0, 1  # similarity of the last entry, which nearly every image falls short of

        found = 0
        for value in values[:rare]:
            for image in postings[starts[value] : starts[value + 1]]:
                if counts[image] == 0:
                    met[found] = image
                    found += 1
                counts[image] += 1
        mask = np.uint64(0)
        for value in values[rare:]:
            mask |= np.uint64(1) << np.uint64(value - first_common)
        for image in met[:found]:
            shared = counts[image] + _shared_bits(mask, masks[image])
            union = size + sizes[image] - shared
            if shared * d >= c * union and rows[image] != query:
                c, d = _insert(best, nearest, shared, union, rows[image])

        for i in range(rare, size):
            smallest, largest = _sizes_that_enter(c, d, size, size - i, len(first) - 2)
            if smallest > largest:
                break
            images = postings[starts[values[i]] : starts[values[i] + 1]]
            for image in images[np.searchsorted(images, first[smallest]) :]:
                if image >= first[largest + 1]:
                    break
                if counts[image] == 0:
                    met[found], counts[image] = image, 1
                    found += 1
                    shared = _shared_bits(mask, masks[image])
                    union = size + sizes[image] - shared
                    if shared * d >= c * union and rows[image] != query:
                        c, d = _insert(best, nearest, shared, union, rows[image])
        for image in met[:found]:
            counts[image] = 0
