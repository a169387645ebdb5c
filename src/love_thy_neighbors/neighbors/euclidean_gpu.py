"""Visual neighbours on a GPU: `euclidean.nearest_by_euclidean` with torch's products and top-k in place of faiss.

The lists are those of the processor, because distances that rounding may have changed are compared in float64.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.neighbors import euclidean
from love_thy_neighbors.neighbors.euclidean import EuclideanSearch, nearest_by_euclidean

log = logging.getLogger(__name__)

POOL_BLOCK = 8192
FEWEST_PRODUCTS = 10**11  # with fewer multiplications, the processor needs only a few seconds


def gpu_for_euclidean(table: np.ndarray, queries: np.ndarray, pool: np.ndarray) -> torch.device | None:
    """The GPU for a search of this size, or None if there is no GPU or the search is too small to gain."""
    if len(queries) * len(pool) * table.shape[1] < FEWEST_PRODUCTS or not torch.cuda.is_available():
        return None
    return torch.device("cuda")  # not used here: `NearestOn` handles the errors of a GPU that does not work


def nearest_by_euclidean_on(
    device: torch.device,
    table: np.ndarray,
    queries: np.ndarray,
    pool: np.ndarray,
    depth: int,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """`euclidean.nearest_by_euclidean` with its products on ``device``, or on the processor if the device fails."""
    on_device = NearestOn(device)
    lists = nearest_by_euclidean(table, queries, pool, depth, progress, on_device)
    del on_device
    if device.type == "cuda":
        torch.cuda.empty_cache()  # otherwise the memory does not count as free when the feature table moves to the GPU
    return lists


class NearestOn:
    """An `euclidean.Nearest` on a device; after an error of the device, the processor takes over.

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
                    return self._nearest(search, queries, count)
            except RuntimeError as error:  # also if memory runs out
                self.failed, self.features = True, None
                reason = str(error).splitlines()[0]
                log.warning("Visual neighbours are computed on the processor, not on %s: %s", self.device, reason)
        return euclidean._nearest(search, queries, count)

    def _nearest(self, search: EuclideanSearch, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        table, pool = search.table, search.pool
        if self.features is None and len(pool) * table[:1].nbytes <= self._free() // 2:
            kept = torch.empty((len(pool), table.shape[1]), dtype=self._sent(table[:0]).dtype, device=self.device)
            for start in range(0, len(pool), POOL_BLOCK):
                block = pool[start : start + POOL_BLOCK]
                kept[start : start + len(block)] = torch.from_numpy(table[block])
            self.features = kept
        x = search.moved(self._sent(table[queries]))
        near, places = x.new_empty((len(x), 0)), torch.empty((len(x), 0), dtype=torch.int64, device=self.device)
        for start in range(0, len(pool), POOL_BLOCK):
            stop = min(start + POOL_BLOCK, len(pool))
            y = self._sent(table[pool[start:stop]]) if self.features is None else self.features[start:stop]
            y = search.moved(y)
            distance = torch.addmm(y.square().sum(dim=1), x, y.t(), alpha=-2)
            distance += x.square().sum(dim=1, keepdim=True)
            distance, chosen = distance.clamp_(min=0).topk(min(count, len(y)), dim=1, largest=False)
            near, places = torch.cat((near, distance), dim=1), torch.cat((places, chosen + start), dim=1)
            near, chosen = near.topk(min(count, near.shape[1]), dim=1, largest=False)
            places = places.gather(1, chosen)
        return near.cpu().numpy(), pool[places.cpu().numpy()]

    def _sent(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def _free(self) -> int:
        if self.free_bytes is not None:
            return self.free_bytes
        return int(torch.cuda.mem_get_info(self.device)[0]) if self.device.type == "cuda" else 0


@contextmanager
def _full_float32() -> Iterator[None]:
    """Switch TF32 off: some installations enable it, and `euclidean.ROUNDING` does not cover it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
