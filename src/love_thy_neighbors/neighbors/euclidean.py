"""Visual neighbours: images with the smallest Euclidean distance between their features (section 5.2, Table 3).

faiss compares a block of queries with a block of the pool at a time, by float32 matrix products. Only where two
distances of a list are closer than the rounding of these products, they are computed again in float64. So ties go by
row, and lists do not depend on blocks, threads, machine or device. docs/benchmarks.md says what changes without this.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

QUERY_BLOCK = 2048
POOL_BLOCK = 2048  # small enough that its features in float32 are mostly still in the cache for the products
SPARE = 4  # images found beyond the list and the query itself, so that few lists end in a tie that goes on
# How far |x|^2 + |y|^2 - 2 x.y may be off, in units of 2^-24 (|x| + |y|)^2. Measured: at most 6.4, for 4 to 16,384
# dimensions, with faiss and with torch. The bound for any order of sums is d + 8 (Higham, Accuracy and Stability, 3.1).
ROUNDING = 8.0
_PAIRS = 1 << 22  # (query, pool image) pairs held at a time when lists with long ties are searched again
_EXACT_BYTES = 4 << 20  # memory of one block of exact distances


class EuclideanSearch(NamedTuple):
    """``table`` [N, d], row numbers ``queries`` [Q] and ``pool`` [P], ascending.

    A float32 table is scaled and moved for the products, ``table * factor - centre``, as a common part of its values
    would hide the differences, and squares of very large or small values are beyond float32.
    """

    table: np.ndarray
    queries: np.ndarray
    pool: np.ndarray
    depth: int
    centre: np.ndarray | None = None
    factor: float = 1.0

    def moved(self, features: Tensor) -> Tensor:
        """What the products are computed with: features as the table has them, on any device, to float32."""
        if self.centre is None:
            return features.float()
        return (features * self.factor).sub_(torch.from_numpy(self.centre).to(features.device))

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """`moved` features of ``rows`` [n], float32 [n, d]."""
        return self.moved(torch.from_numpy(self.table[rows])).numpy()

    def lists(self, start: int, stop: int, nearest: "Nearest | None" = None) -> np.ndarray:
        """The lists int32 [stop - start, depth] of ``queries[start:stop]``; ``nearest`` replaces `_nearest`."""
        starts = range(start, min(stop, len(self.queries)), QUERY_BLOCK)
        blocks = (self.queries[at : min(at + QUERY_BLOCK, stop)] for at in starts)
        count = self.depth + 1 + SPARE
        return np.concatenate([_search(self, block, count, nearest or _nearest) for block in blocks])


# A function like `_nearest`, called with search, queries and count.
Nearest = Callable[[EuclideanSearch, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def euclidean_search(table: np.ndarray, queries: np.ndarray, pool: np.ndarray, depth: int) -> EuclideanSearch:
    """Prepare a search; arguments and errors are those of `nearest_by_euclidean`."""
    if depth < 1:
        raise ValueError(f"depth = {depth}: a list must have room for at least one neighbour.")
    queries, pool = _rows(queries, table, "queries"), np.unique(_rows(pool, table, "pool"))
    if table.dtype != np.float32 or not len(pool):
        return EuclideanSearch(table, queries, pool, depth)
    return EuclideanSearch(table, queries, pool, depth, *_centre(table, pool, queries))


def nearest_by_euclidean(
    table: np.ndarray,
    queries: np.ndarray,
    pool: np.ndarray,
    depth: int,
    progress: Callable[[int], None] | None = None,
    nearest: Nearest | None = None,
) -> np.ndarray:
    """The ``depth`` images of the pool with the smallest |phi(x) - phi(x')| to each query.

    The image itself is never its own neighbour; equal distances go by row number. Distances are compared as in float64.
    phi(x) = scale * table[x], but the scale does not change the order.

    Shapes: ``table`` [N, d], float16, float32 or int8, may be memory-mapped; ``queries`` [Q] and ``pool`` [P] row
    numbers in any order, duplicates in the pool count once; returns int32 [Q, depth] row numbers of ``table``, -1 where
    the pool is too small. ``progress`` is called with the number of queries finished since the last call. Memory beyond
    the result is that of a few blocks in float32. ``nearest`` replaces faiss (`euclidean_gpu`).

    Raises `ValueError` if depth is below 1, or a row number is not one of the table.

    >>> table = np.array([[0, 0], [3, 4], [0, 1], [1, 0]], dtype=np.int8)  # distances to row 0: 5, 1, 1
    >>> nearest_by_euclidean(table, queries=np.array([0]), pool=np.arange(4), depth=4)
    array([[ 2,  3,  1, -1]], dtype=int32)
    """
    search = euclidean_search(table, queries, pool, depth)
    neighbours = np.empty((len(search.queries), depth), dtype=np.int32)
    for start in range(0, len(neighbours), QUERY_BLOCK):
        block = neighbours[start : start + QUERY_BLOCK]
        block[:] = search.lists(start, start + QUERY_BLOCK, nearest)
        if progress is not None:
            progress(len(block))
    return neighbours


def _rows(rows: np.ndarray, table: np.ndarray, name: str) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < len(table)):
        raise ValueError(f"{name} must be a list of row numbers from 0 to {len(table) - 1}.")
    return rows


def _centre(table: np.ndarray, pool: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, float]:
    """The scaled mean of the pool, and the scale: a power of two that brings the largest deviation near 1."""
    mean = np.zeros(table.shape[1])
    low, high = np.full_like(mean, np.inf), np.full_like(mean, -np.inf)
    for rows, weight in ((pool, 1 / len(pool)), (queries, 0)):
        for start in range(0, len(rows), POOL_BLOCK):
            features = table[rows[start : start + POOL_BLOCK]]
            mean += features.sum(axis=0, dtype=np.float64) * weight
            low, high = np.minimum(low, features.min(axis=0)), np.maximum(high, features.max(axis=0))
    largest = np.maximum(high - mean, mean - low).max(initial=0)
    factor = 2.0 ** -np.clip(np.ceil(np.log2(largest)), -126, 126) if largest else 1.0
    return (mean * factor).astype(np.float32), float(factor)


def _search(search: EuclideanSearch, queries: np.ndarray, count: int, nearest: Nearest) -> np.ndarray:
    """The lists [B, depth] of one block of queries, from the ``count`` nearest images of each."""
    depth, count = search.depth, min(count, len(search.pool))
    neighbours = np.full((len(queries), depth), -1, dtype=np.int32)
    if not count:
        return neighbours
    distance, rows = nearest(search, queries, count)
    runs = _runs(search, queries, distance)
    # With a run that reaches from the list to the last image found, an image that was not found may be in the list.
    cut = (runs[:, -1] == runs[:, min(depth, count - 1)]) & (count < len(search.pool))
    ranked = _ranked(search.table, queries[~cut], rows[~cut], runs[~cut])[:, :depth]
    neighbours[~cut, : ranked.shape[1]] = ranked
    more, again = 8 * count, np.flatnonzero(cut)
    for some in np.split(again, range(max(1, _PAIRS // more), len(again), max(1, _PAIRS // more))):
        if len(some):
            neighbours[some] = _search(search, queries[some], more, nearest)
    return neighbours


def _nearest(search: EuclideanSearch, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """|x - y|^2 of the ``count`` pool images nearest to each query, float32 [B, count] ascending, and their rows."""
    import faiss  # late: a program that searches no visual neighbours does not load it

    faiss.omp_set_num_threads(torch.get_num_threads())  # counts in this thread alone
    found, x = faiss.ResultHeap(len(queries), count), search.rows(queries)
    for start in range(0, len(search.pool), POOL_BLOCK):
        y = search.rows(search.pool[start : start + POOL_BLOCK])
        distance, places = faiss.knn(x, y, min(count, len(y)))
        found.add_result(distance, places + start)
    found.finalize()
    return found.D, search.pool[found.I]


def _runs(search: EuclideanSearch, queries: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Numbers the runs of each row of |x - y|^2 [B, K], ascending: images whose order rounding may have changed."""
    x = search.moved(torch.from_numpy(search.table[queries]))
    lengths = torch.linalg.vector_norm(x, dim=1, keepdim=True).double().numpy()
    # |y| <= |x| + |x - y|; two distances may each be off.
    off = 2 * ROUNDING * 2.0**-24 * (2 * lengths + np.sqrt(distance[:, -1:])) ** 2
    return np.cumsum(np.diff(distance, axis=1, prepend=distance[:, :1]) > off, axis=1)


def _ranked(table: np.ndarray, queries: np.ndarray, rows: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """The rows [B, K] by (run, distance, row), where only runs of several images need exact distances.

    The query itself is moved to the end, as -1.
    """
    with_next = np.diff(runs, axis=1) == 0
    tied = np.pad(with_next, ((0, 0), (0, 1))) | np.pad(with_next, ((0, 0), (1, 0)))
    exact = np.zeros(rows.shape)
    query, place = np.nonzero(tied)
    exact[query, place] = _exact(table, queries[query], rows[query, place])
    own = rows == queries[:, None]
    order = np.lexsort((rows, exact, runs, own), axis=1)
    return np.where(np.take_along_axis(own, order, axis=1), -1, np.take_along_axis(rows, order, axis=1))


def _exact(table: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """|x - y|^2 float64 [n] of pairs of rows, from the differences, so that nothing cancels."""
    found = np.empty(len(rows))
    width = max(1, _EXACT_BYTES // (8 * table.shape[1]))
    for start in range(0, len(rows), width):
        some = slice(start, start + width)
        difference = table[rows[some]].astype(np.float64) - table[queries[some]]
        found[some] = np.einsum("nd,nd->n", difference, difference)
    return found
