"""Nearest neighbours by metadata: exact Jaccard distance between sets of tags, sets or groups (paper, Eq. 3).

    d(x, x') = 1 - |t_x & t_x'| / |t_x | t_x'|

Neighbours are ordered by similarity, descending, and by row number, ascending, where similarities tie, which they
often do. Similarities are compared as fractions of integers, never as floats, so the lists are the same on every
machine and for every number of threads.

How the search is fast, and why the lists stay exact:

- It uses an inverted index: each value of the query adds one to the counter of every image on the value's posting
  list. Then each counter is the number of values that an image shares with the query.
- Counters are as small as the largest image allows: one byte if no image has more than 255 values. So the counters of
  the whole pool fit into a core's cache.
- The pool is sorted by size, the number of values of an image. Images of the same size need the same count to enter
  the list, so one comparison can reject a whole run of them. Sizes that cannot be similar enough, even if one image's
  values contain the other's, are skipped.
- The queries of a block are sorted by size too, because the similarity of a list's last entry depends mostly on the
  size. The last entry of the previous list, lowered a little, is a guess: only images that reach it are examined. If
  they do not fill the list, the query is searched again with a lower guess. A wrong guess costs only time.
- Where the posting lists are short, as for sets and groups, the search goes through them again and not through all
  counters.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy import sparse

from love_thy_neighbors.compiled import compiled

BLOCK = 1024  # queries in a task; small enough that all cores finish at about the same time
RUN = 128  # counters that one comparison can reject
FEW = 1 / 64  # posting lists shorter in total than this share of the pool are read twice, instead of all counters


class Pool(NamedTuple):
    """The images that may be neighbours, sorted by (size, row): image i is row ``rows[i]`` and has ``sizes[i]`` values.

    Shapes: ``rows`` and ``sizes`` [P]; ``first`` [S + 2], the first image of each size 0 .. S, the largest, and then P;
    ``starts`` [T + 1] and ``postings``: the images with value v are ``postings[starts[v]:starts[v + 1]]``.
    """

    rows: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    starts: np.ndarray
    postings: np.ndarray


class JaccardSearch(NamedTuple):
    """The index and the ``queries`` [Q]. Searching does not change it, so processes may share its memory."""

    indptr: np.ndarray  # indptr and indices of the binary CSR matrix [N, T] whose rows are compared
    indices: np.ndarray
    queries: np.ndarray
    pool: Pool
    depth: int

    def lists(self, start: int, stop: int) -> np.ndarray:
        """The lists int32 [stop - start, depth] of ``queries[start:stop]``; one thread, without the GIL."""
        queries = self.queries[start:stop]
        order = np.argsort(self.indptr[queries] - self.indptr[queries + 1], kind="stable")  # largest first
        neighbours = np.full((len(queries), self.depth), -1, dtype=np.int32)
        no_counts = np.empty(0, np.min_scalar_type(max(1, len(self.pool.first) - 2)))  # carries the counters' type
        few = int(FEW * len(self.pool.rows))
        _search(self.indptr, self.indices, queries, order, self.pool, no_counts, few, neighbours)
        return neighbours


def jaccard_search(metadata: sparse.csr_matrix, queries: np.ndarray, pool: np.ndarray, depth: int) -> JaccardSearch:
    """Index the pool; arguments and errors are those of `nearest_by_jaccard`."""
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
) -> np.ndarray:
    """The ``depth`` images of the pool with the smallest Jaccard distance to each query (Eq. 3).

    Only images that share at least one value with the query are neighbours; the image itself never is. Ties go to the
    lower row number.

    Shapes: ``metadata`` [N, T] binary; ``queries`` [Q] and ``pool`` [P] row numbers in any order, duplicates in the
    pool count once; returns int32 [Q, depth] row numbers, -1 where there are no more neighbours. ``threads`` is the
    number of cores used, None for all. Memory beyond the result grows with N + threads * P.

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
    starts = range(0, len(search.queries), BLOCK)
    executor = ThreadPoolExecutor(threads or cores())
    try:
        blocks = executor.map(lambda start: search.lists(start, start + BLOCK), starts)
        return np.concatenate([np.empty((0, depth), dtype=np.int32), *blocks])
    finally:
        executor.shutdown(cancel_futures=True)


def checked_binary(metadata: sparse.csr_matrix) -> sparse.csr_matrix:
    """``metadata``, or a copy without stored zeros and duplicate entries, which would count as values."""
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
    """The number of cores that this process may use; on a shared machine this can be fewer than all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _indexed(metadata: sparse.csr_matrix, pool: np.ndarray) -> Pool:
    """The inverted index of the images in ``pool`` [P], ascending row numbers."""
    sizes = np.diff(metadata.indptr)[pool]
    rows = pool[np.argsort(sizes, kind="stable")]  # equal sizes stay in row order
    sizes = np.sort(sizes)
    first = np.searchsorted(sizes, np.arange(sizes.max(initial=0) + 2))
    postings = metadata[rows].tocsc()
    # Unsigned, so that Numba does not check for negative indices.
    return Pool(rows, sizes, first, postings.indptr, postings.indices.astype(np.uint32))


@compiled()
def _insert(best: np.ndarray, nearest: np.ndarray, shared: int, union: int, row: int) -> tuple[int, int]:
    """Insert an image into the sorted list; returns the similarity of the list's last entry as a fraction.

    ``best`` [depth, 2] holds |t_x & t_x'| and |t_x | t_x'| of the entries of ``nearest``, and 0 and 1 for empty places.
    Fractions a/b > c/d are compared as a*d > c*b.
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


@compiled()
def _least_shared(c: int, d: int, query_size: int, size: int) -> int:
    """How many values an image of ``size`` must share to be c/d similar: r / (query_size + size - r) >= c/d."""
    return max(1, -(-c * (query_size + size) // (c + d)))


@compiled()
def _scan(
    counts: np.ndarray, pool: Pool, query: int, query_size: int, c: int, d: int, best: np.ndarray, nearest: np.ndarray
) -> None:
    """Insert the images that are at least c/d similar to the query into its list.

    c/d rises to the similarity of the list's last entry. Two images are at most (smaller size) / (larger size) similar,
    which bounds the sizes to look at.
    """
    largest = len(pool.first) - 2
    if c > 0:
        largest = min(largest, query_size * d // c)
    smallest = min(-(-c * query_size // d), largest)
    stop = pool.first[largest + 1]
    size, least = -1, 0
    for start in range(pool.first[max(1, smallest)] // RUN * RUN, stop, RUN):
        if pool.sizes[start] != size:  # the smallest size of the run; larger images must share at least as many values
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


@compiled()
def _walk(
    counts: np.ndarray, pool: Pool, query: int, values: np.ndarray, best: np.ndarray, nearest: np.ndarray
) -> None:
    """Insert the images on the posting lists of ``values`` into the list, and reset their counters to zero."""
    c, d = 0, 1
    for value in values:
        for image in pool.postings[pool.starts[value] : pool.starts[value + 1]]:
            shared = np.int64(counts[image])
            if shared > 0:  # 0: the image was on an earlier posting list and is done
                counts[image] = 0
                union = len(values) + pool.sizes[image] - shared
                if shared * d >= c * union and pool.rows[image] != query:
                    c, d = _insert(best, nearest, shared, union, pool.rows[image])


@compiled()
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
    """Fill the rows ``block`` of the lists ``neighbours`` [Q, depth] of ``queries`` [Q].

    ``no_counts`` is an empty array of the counters' type. Queries with at most ``few`` posting entries use `_walk`.
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
        # The guess was too high: halve it until the list is full, or until a single shared value reaches it.
        while best[-1, 0] == 0 and c * (len(values) + len(pool.first)) > d:
            d *= 2
            best[:, 0], best[:, 1], nearest[:] = 0, 1, -1
            _scan(counts, pool, query, len(values), c, d, best, nearest)
        counts[:] = 0
        c, d = best[-1, 0] * 3, best[-1, 1] * 4
