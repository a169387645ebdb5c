"""Nearest neighbours by metadata: exact Jaccard distance between sets of tags, sets or groups (paper, Eq. 3).

    d(x, x') = 1 - |t_x & t_x'| / |t_x | t_x'|

Neighbours are ordered by similarity, descending, and by row number, ascending, where similarities tie, which they
often do. Similarities are compared as fractions of integers, never as floats, so the lists are the same on every
machine and for every number of threads.

How it is made fast, and why the lists stay exact:

- An inverted index: for each value of the query, the counter of every image on the value's posting list goes up by one.
  Then each counter is how many values an image shares with the query, and nothing else has to be looked up.
- Counters are as small as the largest image allows, one byte where none has more than 255 values, so that those of the
  whole pool stay in a core's cache.
- The pool is renumbered by size (how many values an image has). Then images of one size lie side by side, and all of
  them need the same count to enter the list: one comparison tells of a run of counters that none of them does. Sizes
  at which even a subset or a superset of the query would be too different are not looked at.
- Queries of a block are searched by size too, since how similar the last entry of a list is depends on the size most
  of all. The last entry of the list before, a little lowered, is a guess at it: only images that reach the guess are
  looked at. A list that they do not fill is made again with a lower guess, so a wrong one costs time and no more.
- Where the posting lists are short, as those of sets and groups are, they are gone through again, not all counters.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numba
import numpy as np
from scipy import sparse

BLOCK = 1024  # queries a task; small enough that the cores finish together and progress is seen
RUN = 128  # counters that are compared at once
FEW = 1 / 64  # posting lists shorter in all than this share of the pool are gone through twice, instead of the counters


class Pool(NamedTuple):
    """The images that may be neighbours, renumbered by (size, row): image i is row ``rows[i]``, of size ``sizes[i]``.

    Shapes: ``rows`` and ``sizes`` [P]; ``first`` [S + 2], the first image of each size up to the largest, S, and P;
    ``starts`` [T + 1] and ``postings``: the images that have value v are ``postings[starts[v]:starts[v + 1]]``.
    """

    rows: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    starts: np.ndarray
    postings: np.ndarray


class JaccardSearch(NamedTuple):
    """All that the search for any of the ``queries`` [Q] needs; only read, so that processes may share its memory."""

    indptr: np.ndarray  # of the binary matrix [N, T] whose rows are compared, like indices
    indices: np.ndarray
    queries: np.ndarray
    pool: Pool
    depth: int

    def lists(self, start: int, stop: int) -> np.ndarray:
        """The lists int32 [stop - start, depth] of ``queries[start:stop]``, made by one thread, without the GIL."""
        queries = self.queries[start:stop]
        order = np.argsort(self.indptr[queries] - self.indptr[queries + 1], kind="stable")  # by size, the largest first
        neighbours = np.full((len(queries), self.depth), -1, dtype=np.int32)
        no_counts = np.empty(0, np.min_scalar_type(max(1, len(self.pool.first) - 2)))  # tells the compiler their type
        few = int(FEW * len(self.pool.rows))
        _search(self.indptr, self.indices, queries, order, self.pool, no_counts, few, neighbours)
        return neighbours


def jaccard_search(metadata: sparse.csr_matrix, queries: np.ndarray, pool: np.ndarray, depth: int) -> JaccardSearch:
    """Index the pool, to search queries in blocks; arguments and errors are those of `nearest_by_jaccard`."""
    if depth < 1:
        raise ValueError(f"depth = {depth}: a list must have room for at least one neighbour.")
    metadata = checked_binary(metadata)
    queries, pool = checked_rows(queries, metadata, "queries"), np.unique(checked_rows(pool, metadata, "pool"))
    return JaccardSearch(metadata.indptr, metadata.indices, queries, _indexed(metadata, pool), depth)


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
    if threads is not None and threads < 1:
        raise ValueError(f"threads = {threads}: there must be at least one.")
    search = jaccard_search(metadata, queries, pool, depth)
    neighbours = np.empty((len(search.queries), depth), dtype=np.int32)
    starts = range(0, len(neighbours), BLOCK)
    executor = ThreadPoolExecutor(threads or cores())
    try:
        for start, block in zip(starts, executor.map(lambda at: search.lists(at, at + BLOCK), starts), strict=True):
            neighbours[start : start + BLOCK] = block
            if progress is not None:
                progress(len(block))
    finally:
        executor.shutdown(cancel_futures=True)
    return neighbours


def checked_binary(metadata: sparse.csr_matrix) -> sparse.csr_matrix:
    """``metadata`` itself, or a copy without stored zeros and repeated entries, which would be counted as values."""
    if metadata.has_canonical_format and metadata.data.all():
        return metadata
    metadata = metadata.copy()
    metadata.sum_duplicates()
    metadata.eliminate_zeros()
    return metadata


def checked_rows(rows: np.ndarray, metadata: sparse.csr_matrix, name: str) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < metadata.shape[0]):
        raise ValueError(f"{name} must be a list of row numbers from 0 to {metadata.shape[0] - 1}.")
    return rows


def cores() -> int:
    """Cores that this process may use, which on a shared machine can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _indexed(metadata: sparse.csr_matrix, pool: np.ndarray) -> Pool:
    """The inverted index of the images ``pool`` [P], which are ascending row numbers."""
    sizes = np.diff(metadata.indptr)[pool]
    rows = pool[np.argsort(sizes, kind="stable")]  # equal sizes stay in row order
    sizes = np.sort(sizes)
    first = np.searchsorted(sizes, np.arange(sizes.max(initial=0) + 2))
    postings = metadata[rows].tocsc()
    # Unsigned: Numba need not look whether an index is negative.
    return Pool(rows, sizes, first, postings.indptr, postings.indices.astype(np.uint32))


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile to machine code that runs without the GIL, kept on disk where there is a folder that can be written."""
    try:
        return numba.njit(function, nogil=True, cache=True)
    except RuntimeError:  # no such folder: compile anew in every process
        return numba.njit(function, nogil=True)


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
def _least_shared(c: int, d: int, query_size: int, size: int) -> int:
    """How many values an image of ``size`` shares at least if it is c/d similar: r / (query_size + size - r) >= c/d."""
    return max(1, -(-c * (query_size + size) // (c + d)))


@_compiled
def _scan(
    counts: np.ndarray, pool: Pool, query: int, query_size: int, c: int, d: int, best: np.ndarray, nearest: np.ndarray
) -> None:
    """Put the images that are at least c/d similar to the query, and enter its list, into the list.

    c/d grows to the similarity of the list's last entry. None is more similar than the smaller size over the larger.
    """
    largest = len(pool.first) - 2
    if c > 0:
        largest = min(largest, query_size * d // c)
    smallest = min(-(-c * query_size // d), largest)
    stop = pool.first[largest + 1]
    size, least = -1, 0
    for start in range(pool.first[max(1, smallest)] // RUN * RUN, stop, RUN):
        if pool.sizes[start] != size:  # the smallest size of the run; larger images need to share no fewer values
            size = pool.sizes[start]
            least = _least_shared(c, d, query_size, size)
        most = counts[start]
        for count in counts[start : start + RUN]:
            if count > most:
                most = count
        if most < least:
            continue
        for image in range(start, min(start + RUN, stop)):
            if counts[image] >= least:
                shared = np.int64(counts[image])
                union = query_size + pool.sizes[image] - shared
                if shared * d >= c * union and pool.rows[image] != query:
                    last_shared, last_union = _insert(best, nearest, shared, union, pool.rows[image])
                    if last_shared * d > c * last_union:
                        c, d = last_shared, last_union
                        least = _least_shared(c, d, query_size, size)


@_compiled
def _walk(
    counts: np.ndarray, pool: Pool, query: int, values: np.ndarray, best: np.ndarray, nearest: np.ndarray
) -> None:
    """Put the images on the posting lists of ``values`` that enter the list into it, and clear their counters."""
    c, d = 0, 1
    for value in values:
        for image in pool.postings[pool.starts[value] : pool.starts[value + 1]]:
            shared = np.int64(counts[image])
            if shared > 0:  # 0: the image was on an earlier list too
                counts[image] = 0
                union = len(values) + pool.sizes[image] - shared
                if shared * d >= c * union and pool.rows[image] != query:
                    c, d = _insert(best, nearest, shared, union, pool.rows[image])


@_compiled
def _search(
    indptr: np.ndarray,
    indices: np.ndarray,
    queries: np.ndarray,
    block: np.ndarray,
    pool: Pool,
    no_counts: np.ndarray,
    few: int,
    neighbours: np.ndarray,
) -> None:
    """Fill the lists ``neighbours`` [Q, depth] of those of ``queries`` [Q] that ``block`` names.

    ``no_counts`` is an empty array of the counters' type; ``few`` is how many entries of posting lists are few.
    """
    counts = np.zeros(-(-len(pool.rows) // RUN) * RUN, dtype=no_counts.dtype)
    best = np.empty((neighbours.shape[1], 2), dtype=np.int64)
    c, d = 0, 1  # the guess
    for q in block:
        query, nearest = queries[q], neighbours[q]
        values = indices[indptr[query] : indptr[query + 1]]
        entries = 0
        for value in values:
            entries += pool.starts[value + 1] - pool.starts[value]
            for image in pool.postings[pool.starts[value] : pool.starts[value + 1]]:
                counts[image] += 1
        best[:, 0], best[:, 1] = 0, 1
        if entries <= few:
            _walk(counts, pool, query, values, best, nearest)
            continue
        _scan(counts, pool, query, len(values), c, d, best, nearest)
        # Too high a guess: halved until the list is full, or one shared value in the largest union would reach it.
        while best[-1, 0] == 0 and c * (len(values) + len(pool.first)) > d:
            d *= 2
            best[:, 0], best[:, 1], nearest[:] = 0, 1, -1
            _scan(counts, pool, query, len(values), c, d, best, nearest)
        counts[:] = 0
        c, d = best[-1, 0] * 3, best[-1, 1] * 4
