"""Visual neighbours on a GPU: `euclidean.nearest_by_euclidean` with its matrix products on the device.

The device chooses candidates by float32 products; the bound on their rounding error holds for sums in any order. The
processor ranks the candidates, so the lists are the same bit for bit as without a GPU.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.neighbors import euclidean
from love_thy_neighbors.neighbors.euclidean import EuclideanSearch, bound, nearest_by_euclidean

log = logging.getLogger(__name__)

FEWEST_PRODUCTS = 10**11  # with fewer multiplications, the processor needs only a few seconds


def gpu_for_euclidean(table: np.ndarray, queries: np.ndarray, pool: np.ndarray) -> torch.device | None:
    """The GPU for a search of this size, or None if there is no GPU or the search is too small to gain."""
    if len(queries) * len(pool) * table.shape[1] < FEWEST_PRODUCTS or not torch.cuda.is_available():
        return None
    return torch.device("cuda")  # not used here: `CandidatesOn` handles the errors of a GPU that does not work


def nearest_by_euclidean_on(
    device: torch.device,
    table: np.ndarray,
    queries: np.ndarray,
    pool: np.ndarray,
    depth: int,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """`euclidean.nearest_by_euclidean` with its products on ``device``, or on the processor if the device fails."""
    on_device = CandidatesOn(device)
    lists = nearest_by_euclidean(table, queries, pool, depth, progress, on_device)
    del on_device
    if device.type == "cuda":
        torch.cuda.empty_cache()  # otherwise the memory does not count as free when the feature table moves to the GPU
    return lists


class CandidatesOn:
    """An `euclidean.Candidates` on a device; after an error of the device, the processor takes over.

    The pool's features stay on the device, in the type of the table, if they fit into half of ``free_bytes`` (None
    asks CUDA); otherwise they are sent in blocks, again for every block of queries.
    """

    def __init__(self, device: torch.device, free_bytes: int | None = None) -> None:
        self.device, self.free_bytes, self.failed = device, free_bytes, False
        self.features: Tensor | None = None

    def __call__(self, search: EuclideanSearch, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        if not self.failed:
            try:
                with _full_float32():
                    near, rows = self._nearest(search, queries, count)
                return rows, bound(search, queries, near, count)
            except RuntimeError as error:  # also if memory runs out
                self.failed, self.features = True, None
                reason = str(error).splitlines()[0]
                log.warning("Visual neighbours are computed on the processor, not on %s: %s", self.device, reason)
        return euclidean._candidates(search, queries, count)

    def _nearest(self, search: EuclideanSearch, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """|y|^2 - 2 x.y of the candidates, float32 [B, min(count, P)], and their rows."""
        table, pool = search.table, search.pool
        if self.features is None and len(pool) * table[:1].nbytes <= self._free() // 2:
            self.features = torch.empty((len(pool), table.shape[1]), dtype=_type(table), device=self.device)
            for start in range(0, len(pool), euclidean.POOL_BLOCK):
                block = pool[start : start + euclidean.POOL_BLOCK]
                self.features[start : start + len(block)] = torch.from_numpy(_rows(search, block))
        x = self._sent(_rows(search, queries)).float()
        near = x.new_empty((len(queries), 0))
        places = torch.empty((len(queries), 0), dtype=torch.int64, device=self.device)
        for start in range(0, len(pool), euclidean.POOL_BLOCK):
            stop = min(start + euclidean.POOL_BLOCK, len(pool))
            y = self._sent(_rows(search, pool[start:stop])) if self.features is None else self.features[start:stop]
            distance = x @ y.float().t()  # the operations and their order that `bound` assumes
            distance *= -2
            distance += self._sent(search.lengths[start:stop].astype(np.float32))
            near = torch.cat((near, distance), dim=1)
            places = torch.cat((places, torch.arange(start, stop, device=self.device).expand(len(queries), -1)), dim=1)
            near, chosen = near.topk(min(count, near.shape[1]), dim=1, largest=False, sorted=False)
            places = places.gather(1, chosen)
        return near.cpu().numpy(), pool[places.cpu().numpy()]

    def _sent(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def _free(self) -> int:
        if self.free_bytes is not None:
            return self.free_bytes
        return int(torch.cuda.mem_get_info(self.device)[0]) if self.device.type == "cuda" else 0


def _rows(search: EuclideanSearch, rows: np.ndarray) -> np.ndarray:
    """Features of ``rows`` in the type of the table, which takes less time to send than float32."""
    return search.table[rows] if search.centre is None else search.rows(rows)


def _type(table: np.ndarray) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype=table.dtype)).dtype


@contextmanager
def _full_float32() -> Iterator[None]:
    """Switch TF32 off: some installations enable it, and the bound does not cover it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
