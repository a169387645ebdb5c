"""Visual neighbours: images with the smallest Euclidean distance between their features (section 5.2, Table 3).

First, float32 matrix products give approximate distances, which choose candidates. Then the candidates are ranked by
float64 sums of squared differences, which have no cancellation error. If a bound on the rounding error shows that the
candidates of a query may not be enough, that query is compared with the whole pool.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

QUERY_BLOCK = 1024
POOL_BLOCK = 8192
SPARE = 32  # candidates beyond ``depth``, so that very few queries are compared with the whole pool
_EXACT_BYTES = 64 << 20  # memory of one block of exact distances


class EuclideanSearch(NamedTuple):
    """``table`` [N, d], row numbers ``queries`` [Q] and ``pool`` [P], ascending, the pool's squared ``lengths`` [P].

    A float32 table is moved and scaled for the products, ``(table - centre) * factor``, as a common part of its values
    would hide the differences, and squares of very large or small values are beyond float32. Lengths are those of the
    moved and scaled rows.
    """

    table: np.ndarray
    queries: np.ndarray
    pool: np.ndarray
    lengths: np.ndarray
    depth: int
    centre: np.ndarray | None = None
    factor: float = 1.0

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """What the products are computed with: features of ``rows`` [n], float32 [n, d] (exact for other tables)."""
        return _moved(self.table, rows, self.centre, self.factor)

    def lists(self, start: int, stop: int, candidates: "Candidates | None" = None) -> np.ndarray:
        """The lists int32 [stop - start, depth] of ``queries[start:stop]``; ``candidates`` replaces `_candidates`."""
        starts = range(start, min(stop, len(self.queries)), QUERY_BLOCK)
        blocks = (self.queries[at : min(at + QUERY_BLOCK, stop)] for at in starts)
        return np.concatenate([_search(self, block, candidates or _candidates) for block in blocks])


# A function like `_candidates`, called with search, queries and count.
Candidates = Callable[[EuclideanSearch, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def euclidean_search(table: np.ndarray, queries: np.ndarray, pool: np.ndarray, depth: int) -> EuclideanSearch:
    """Compute the lengths of the pool; arguments and errors are those of `nearest_by_euclidean`."""
    if depth < 1:
        raise ValueError(f"depth = {depth}: a list must have room for at least one neighbour.")
    queries, pool = _rows(queries, table, "queries"), np.unique(_rows(pool, table, "pool"))
    centre, factor = (None, 1.0) if table.dtype != np.float32 else _centre(table, pool, queries)
    return EuclideanSearch(table, queries, pool, _squared_lengths(table, pool, centre, factor), depth, centre, factor)


def nearest_by_euclidean(
    table: np.ndarray,
    queries: np.ndarray,
    pool: np.ndarray,
    depth: int,
    progress: Callable[[int], None] | None = None,
    candidates: Candidates | None = None,
) -> np.ndarray:
    """The ``depth`` images of the pool with the smallest |phi(x) - phi(x')| to each query.

    The image itself is never its own neighbour; ties go to the lower row number. phi(x) = scale * table[x], but the
    scale does not change the order.

    Shapes: ``table`` [N, d], float16, float32 or int8, may be memory-mapped; ``queries`` [Q] and ``pool`` [P] row
    numbers in any order, duplicates in the pool count once; returns int32 [Q, depth] row numbers of ``table``, -1 where
    the pool is too small. ``progress`` is called with the number of queries finished since the last call. Memory beyond
    the result does not grow with N. ``candidates`` replaces the choice of candidates on the processor
    (`euclidean_gpu`).

    Raises `ValueError` if depth is below 1, or a row number is not one of the table.

    >>> table = np.array([[0, 0], [3, 4], [0, 1], [1, 0]], dtype=np.int8)  # distances to row 0: 5, 1, 1
    >>> nearest_by_euclidean(table, queries=np.array([0]), pool=np.arange(4), depth=4)
    array([[ 2,  3,  1, -1]], dtype=int32)
    """
    search = euclidean_search(table, queries, pool, depth)
    neighbours = np.empty((len(search.queries), depth), dtype=np.int32)
    for start in range(0, len(neighbours), QUERY_BLOCK):
        block = neighbours[start : start + QUERY_BLOCK]
        block[:] = search.lists(start, start + QUERY_BLOCK, candidates)
        if progress is not None:
            progress(len(block))
    return neighbours


def _rows(rows: np.ndarray, table: np.ndarray, name: str) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < len(table)):
        raise ValueError(f"{name} must be a list of row numbers from 0 to {len(table) - 1}.")
    return rows


def _centre(table: np.ndarray, pool: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, float]:
    """The mean of the pool, and a power of two that brings the largest deviation from it near 1."""
    centre, largest = np.zeros(table.shape[1]), 0.0
    for start in range(0, len(pool), POOL_BLOCK):
        centre += table[pool[start : start + POOL_BLOCK]].sum(axis=0, dtype=np.float64) / len(pool)
    centre = centre.astype(np.float32)
    for rows in (pool, queries):
        for start in range(0, len(rows), POOL_BLOCK):
            far = np.abs(table[rows[start : start + POOL_BLOCK]].astype(np.float64) - centre)
            largest = max(largest, float(far.max(initial=0)))
    return centre, 2.0 ** -np.ceil(np.log2(largest)) if largest else 1.0


def _moved(table: np.ndarray, rows: np.ndarray, centre: np.ndarray | None, factor: float) -> np.ndarray:
    features = table[rows]
    if centre is None:
        return np.asarray(features, dtype=np.float32)
    return np.asarray((features.astype(np.float64) - centre) * factor, dtype=np.float32)


def _squared_lengths(
    table: np.ndarray, rows: np.ndarray, centre: np.ndarray | None = None, factor: float = 1.0
) -> np.ndarray:
    """|x|^2 of each row, moved and scaled, float64."""
    lengths = np.empty(len(rows))
    for start in range(0, len(rows), POOL_BLOCK):
        features = _moved(table, rows[start : start + POOL_BLOCK], centre, factor)
        lengths[start : start + POOL_BLOCK] = np.einsum("nd,nd->n", features, features, dtype=np.float64)
    return lengths


def _search(search: EuclideanSearch, queries: np.ndarray, choose: Candidates) -> np.ndarray:
    """The lists [B, depth] of one block of queries."""
    table, depth = search.table, search.depth
    candidates, bound = choose(search, queries, depth + 1 + SPARE)
    neighbours = np.full((len(queries), depth), -1, dtype=np.int32)
    width = max(1, _EXACT_BYTES // max(1, 8 * table.shape[1] * candidates.shape[1]))
    for start in range(0, len(queries), width):
        some = slice(start, start + width)
        found, farthest = _rank_exactly(table, queries[some], candidates[some], depth)
        neighbours[some, : found.shape[1]] = found
        # All other images are at least ``bound`` away: a list whose last entry is nearer than that is correct.
        for q in start + np.flatnonzero(np.isfinite(bound[some]) & (farthest >= bound[some])):
            everything, _ = _rank_exactly(table, queries[q : q + 1], search.pool[None, :], depth)
            neighbours[q, : everything.shape[1]] = everything[0]
    return neighbours


def _candidates(search: EuclideanSearch, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` pool images nearest to each query in float32, and a lower bound on the distance of all others.

    |x - y|^2 = |x|^2 + |y|^2 - 2 x.y, where |x|^2 is the same for all y and is added only to the bound.

    Returns rows [B, min(count, P)], and the squared distance [B] that all other pool images have at least, infinite if
    there are no others.
    """
    pool, x = search.pool, search.rows(queries)
    near: np.ndarray = np.empty((len(queries), 0), dtype=np.float32)
    rows: np.ndarray = np.empty((len(queries), 0), dtype=np.int64)
    for start in range(0, len(pool), POOL_BLOCK):
        block = pool[start : start + POOL_BLOCK]
        distance = x @ search.rows(block).T
        distance *= -2
        distance += search.lengths[start : start + POOL_BLOCK].astype(np.float32)
        chosen = _smallest(distance, count)
        near = np.hstack((near, np.take_along_axis(distance, chosen, axis=1)))
        rows = np.hstack((rows, block[chosen]))
        chosen = _smallest(near, count)
        near, rows = (np.take_along_axis(values, chosen, axis=1) for values in (near, rows))
    return rows, bound(search, queries, near, count)


def bound(search: EuclideanSearch, queries: np.ndarray, near: np.ndarray, count: int) -> np.ndarray:
    """The squared distance [B] that every image outside the ``count`` candidates of a query has at least.

    ``near`` [B, min(count, P)] are the candidates' |y|^2 - 2 x.y from float32 products. Infinite if all are candidates.
    """
    if len(search.pool) <= count:
        return np.full(len(queries), np.inf)
    # A float32 dot product of d terms, summed in any order, is off by at most d * eps * |x| |y| with eps = 2^-24, and
    # the three operations around it by a few eps more (Higham, Accuracy and Stability, section 3.1).
    squared = _squared_lengths(search.table, queries, search.centre, search.factor)
    longest = np.sqrt(search.lengths.max())
    rounding = 1.01 * (search.table.shape[1] + 8) * 2.0**-24 * (2 * np.sqrt(squared) * longest + longest**2)
    if search.centre is not None:  # x and y have been rounded: |x - y| is off by at most eps (|x| + |y|)
        rounding += 2.02 * 2.0**-24 * (np.sqrt(squared) + longest) ** 2
    return np.asarray(squared + near.max(axis=1) - rounding) / search.factor**2


def _smallest(distance: np.ndarray, count: int) -> np.ndarray:
    """Columns of the ``count`` smallest entries of each row, unordered."""
    if distance.shape[1] <= count:
        return np.broadcast_to(np.arange(distance.shape[1]), distance.shape)
    return np.argpartition(distance, count - 1, axis=1)[:, :count]


def _rank_exactly(
    table: np.ndarray, queries: np.ndarray, candidates: np.ndarray, depth: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ``depth`` nearest of the candidates [B, K] by (distance, row), without the query itself.

    Returns rows [B, min(depth, K)], -1 where there are no more, and the squared distance [B] of the last entry,
    infinite where the list is not full.
    """
    x = table[queries].astype(np.float64)[:, None, :]
    distance: np.ndarray = np.empty(candidates.shape)
    width = max(1, _EXACT_BYTES // max(1, 8 * table.shape[1] * len(queries)))
    for start in range(0, candidates.shape[1], width):
        difference = table[candidates[:, start : start + width]] - x
        distance[:, start : start + width] = np.einsum("bkd,bkd->bk", difference, difference)
    distance[candidates == queries[:, None]] = np.inf
    order: np.ndarray = np.asarray(np.lexsort((candidates, distance), axis=1))[:, :depth]
    distance, rows = (np.take_along_axis(values, order, axis=1) for values in (distance, candidates))
    rows = np.where(np.isinf(distance), -1, rows)
    full = distance.shape[1] == depth
    return rows, distance[:, -1] if full else np.full(len(queries), np.inf)
