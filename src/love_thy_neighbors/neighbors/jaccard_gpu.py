"""Neighbours by metadata on a GPU: the lists of `jaccard.nearest_by_jaccard`, bit for bit, by products of matrices.

The images of the pool are rows of a dense 0/1 matrix that stays on the device. Its product with a block of queries,
such a matrix too, counts how many values each pair shares, which is what tensor cores are made for. It pays where the
vocabulary is small enough for dense rows: for the tau most frequent tags, not for sets and groups.

Why the lists are exact:

- Every partial sum of a count is a whole number no larger than the smaller image's size. float16 holds such numbers
  up to 2,048 and float32 up to 2^24, so counts are right in whatever order and precision they are added up.
- With r shared values of a and b, r / (a + b - r) grows with r / (a + b): the second, which needs one operation less,
  gives the same order and the same ties.
- A correctly rounded quotient is the same for equal fractions. Of two different ones, r/n > r'/n', the first is larger
  by (r n' - r' n) / (n n') >= 1 / (n n'), so by at least 1 / (r n') of itself. Numbers further apart than 2 u of the
  larger, u = 2^-24 for float32 and 2^-53 for float64, are not rounded to the same one: float32 tells all pairs apart
  where r n' <= 2^23, which images of up to 2,048 values guarantee, and float64 up to 2^52.
- Equal similarities go to the lower row: the pool is in row order, and every choice is a stable sort.
- Only the best of each `GROUP` images in a row is sorted first. With the ``depth`` groups that come first, by (their
  best similarity, their place), come all images of the list: an image of another group has ``depth`` images before it,
  the best of each of those groups.
"""

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from love_thy_neighbors.neighbors.jaccard import checked_binary, checked_rows, nearest_by_jaccard

log = logging.getLogger(__name__)

QUERY_BLOCK = 2048  # queries at once, if there is memory for their similarities to the whole pool
GROUP = 64  # about the root of pool / depth, which leaves least to sort
MOST_VALUES = 16_384  # a larger vocabulary is the processor's: most of a dense matrix would be zeros
FEWEST_PAIRS = 10**9  # (query, image) pairs; fewer take the processor a fraction of a second
CHECKED = 256  # queries whose lists are compared with the processor's before the others are believed


def gpu_for_jaccard(metadata: sparse.csr_matrix, queries: np.ndarray, pool: np.ndarray) -> torch.device | None:
    """The GPU that a search of this size is worth sending to, or None where there is none or it is not."""
    if metadata.shape[1] > MOST_VALUES or len(queries) * len(pool) < FEWEST_PAIRS or not torch.cuda.is_available():
        return None
    return torch.device("cuda")  # not touched yet: a GPU that cannot be used is found out where that is caught


def nearest_by_jaccard_on(
    device: torch.device,
    metadata: sparse.csr_matrix,
    queries: np.ndarray,
    pool: np.ndarray,
    depth: int,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """`jaccard.nearest_by_jaccard` on ``device``, or on the processor where the device fails.

    The first lists are compared with the processor's. If they differ, or memory runs out, or the device cannot do it,
    one line is logged and the processor makes the lists that are left.

    Shapes, order and errors are those of `jaccard.nearest_by_jaccard`.
    """
    lists = [np.empty((0, depth), dtype=np.int32)]
    done = 0
    try:
        for block in lists_in_blocks(device, metadata, queries, pool, depth):
            few = min(CHECKED, len(block))
            if not done and not np.array_equal(block[:few], nearest_by_jaccard(metadata, queries[:few], pool, depth)):
                raise RuntimeError("its lists are not those of the processor")
            lists.append(block)
            done += len(block)
            if progress is not None:
                progress(len(block))
    except RuntimeError as error:  # torch's, for memory too, and those raised here
        log.warning("Neighbours are found on the processor, not on %s: %s", device, str(error).splitlines()[0])
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what is kept for later does not count as free where the feature table is placed
    if done < len(queries):
        lists.append(nearest_by_jaccard(metadata, queries[done:], pool, depth, progress=progress))
    return np.concatenate(lists)


def lists_in_blocks(
    device: torch.device,
    metadata: sparse.csr_matrix,
    queries: np.ndarray,
    pool: np.ndarray,
    depth: int,
    free_bytes: int | None = None,
) -> Iterator[np.ndarray]:
    """The lists int32 [B, depth] of one block of queries after the other, as `jaccard.nearest_by_jaccard` has them.

    ``free_bytes`` is the memory that is free on the device (asked of CUDA by default), of which half is used. Blocks
    are made smaller where that turns out too much.

    Raises `ValueError` as `jaccard.nearest_by_jaccard` does, and `RuntimeError` if the pool does not fit, or not even
    one query beside it.
    """
    if depth < 1:
        raise ValueError(f"depth = {depth}: it must be at least 1.")
    metadata = checked_binary(metadata)
    queries, pool = checked_rows(queries, metadata, "queries"), np.unique(checked_rows(pool, metadata, "pool"))
    if free_bytes is None:
        free_bytes = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 2 << 30
    search = _Pool(device, metadata, queries, pool, depth)
    rows = search.rows_in(free_bytes // 2)
    start = 0
    while start < len(queries):
        try:
            found = search.lists(queries[start : start + rows])
        except torch.OutOfMemoryError:
            if rows == 1:
                raise
            rows //= 2
            torch.cuda.empty_cache()
            continue
        yield found
        start += len(found)


class _Pool:
    """The images that may be neighbours, ascending row numbers ``pool`` [P], on the device.

    ``places`` is P rounded up to whole groups; what is beyond P has no values.
    """

    def __init__(
        self, device: torch.device, metadata: sparse.csr_matrix, queries: np.ndarray, pool: np.ndarray, depth: int
    ) -> None:
        self.device, self.metadata, self.pool, self.depth = device, metadata, pool, depth
        self.sizes = np.diff(metadata.indptr).astype(np.int64)
        largest = [int(self.sizes[rows].max(initial=0)) for rows in (queries, pool)]
        small = min(largest) <= 2048 and device.type == "cuda"  # a processor multiplies float32 faster
        self.counts = torch.float16 if small else torch.float32
        self.quotients = torch.float32 if min(largest) * sum(largest) <= 2**23 else torch.float64
        self.places = GROUP * max(1, -(-len(pool) // GROUP))
        self.matrix: Tensor | None = None

    def rows_in(self, budget: int) -> int:
        """Place the pool on the device, and say how many queries at once ``budget`` bytes leave room for."""
        wide = self.counts.itemsize * self.metadata.shape[1]
        if self.places * wide > budget:
            raise RuntimeError(f"{self.places * wide >> 20} MiB for the pool, and {budget >> 20} may be used")
        self.matrix = self._dense(self.pool, self.places)
        sizes = torch.zeros(self.places, dtype=self.quotients)
        sizes[: len(self.pool)] = torch.from_numpy(self.sizes[self.pool]).to(self.quotients)
        self.pool_sizes = sizes.clamp(min=1).to(self.device)  # no 0/0 between images that have no values
        sorted_at_once = self.places // GROUP + self.depth * GROUP
        each = wide + self.places * (self.counts.itemsize + self.quotients.itemsize) + 48 * sorted_at_once
        return min(QUERY_BLOCK, max(1, (budget - self.places * wide) // each))

    def lists(self, queries: np.ndarray) -> np.ndarray:
        """The lists int32 [B, depth] of ``queries`` [B]."""
        assert self.matrix is not None
        shared = self._dense(queries, len(queries)) @ self.matrix.t()
        sizes = torch.from_numpy(self.sizes[queries]).to(self.device, self.quotients)
        similar = sizes.unsqueeze(1) + self.pool_sizes
        torch.div(shared, similar, out=similar)
        itself = np.searchsorted(self.pool, queries)
        there = np.flatnonzero(np.append(self.pool, -1)[itself] == queries)
        similar[torch.from_numpy(there).to(self.device), torch.from_numpy(itself[there]).to(self.device)] = 0
        found = _first(similar.unflatten(1, (-1, GROUP)), self.depth).cpu().numpy()
        lists = np.full((len(queries), self.depth), -1, dtype=np.int32)
        lists[:, : found.shape[1]] = np.where(found >= 0, np.append(self.pool, -1)[found], -1)
        return lists

    def _dense(self, rows: np.ndarray, height: int) -> Tensor:
        """The 0/1 matrix [height, T] of the images ``rows``, and of none below them."""
        picked, width = self.metadata[rows], self.metadata.shape[1]
        places = np.repeat(np.arange(len(rows)), np.diff(picked.indptr)) * width + picked.indices
        dense = torch.zeros(height * width, dtype=self.counts, device=self.device)
        return dense.index_fill_(0, torch.from_numpy(places).to(self.device), 1).view(height, width)


def _first(similar: Tensor, depth: int) -> Tensor:
    """Places of the ``depth`` largest entries of each row, the lower place first where they tie, -1 for those of 0.

    Shapes: ``similar`` [B, G, GROUP] of G groups, non-negative; returns [B, min(depth, G * GROUP)].
    """
    rows, groups, _ = similar.shape
    chosen = torch.arange(groups, device=similar.device).expand(rows, -1)
    if groups > depth:
        best = similar.amax(dim=2).sort(dim=1, descending=True, stable=True).indices[:, :depth]
        chosen = best.sort(dim=1).values  # in the order of their places again
        similar = similar.gather(1, chosen.unsqueeze(2).expand(-1, -1, GROUP))
    ranked, place = (one[:, :depth] for one in similar.flatten(1).sort(dim=1, descending=True, stable=True))
    return torch.where(ranked > 0, chosen.gather(1, place // GROUP) * GROUP + place % GROUP, -1)
