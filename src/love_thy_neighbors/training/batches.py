"""Batches of row numbers: the order of an epoch, the neighborhoods that are drawn in it, and each process's share."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.neighborhoods import drop, sample

EXACT = "exact"
CHUNK = 8192  # images whose neighborhoods are drawn at once; it does not change what is drawn


class IndexBatch(NamedTuple):
    """What the loader gives: row numbers only. Shapes: rows [B], neighbors [B, K] with -1 for none, or None."""

    rows: Tensor
    neighbors: Tensor | None


class IndexBatches:
    """Batches of row numbers of one part of a split, divided among the processes of a distributed run.

    Order and neighborhoods of an epoch are drawn on the CPU, from (seed, epoch) alone: an epoch is the same on every
    process and device, and after a restart. Neighborhoods are drawn for `CHUNK` images at a time, so ``lists`` may be a
    file that all processes of a machine map into memory. A process itself holds the order, 4 bytes an image.

    Each batch is divided among ``world`` processes. If it does not divide evenly, rows from its start are used twice;
    the metrics count them once.

    Shapes: ``rows`` [n] int64, row numbers of the collection; ``lists`` [n, M] of any integer type, their neighbours,
    -1 for none, or None for a model without.
    """

    def __init__(
        self,
        rows: Tensor,
        lists: Tensor | None,
        *,
        m: int,
        samples: int | str,
        drop: float,
        batch_size: int,
        seed: int,
        shuffle: bool,
    ) -> None:
        self.rows, self.lists = rows, lists
        self.m, self.samples, self.drop = m, samples, drop
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.epoch: Callable[[], int] = lambda: 0
        self.rank, self.world = 0, 1

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[IndexBatch]:
        n, size = len(self.rows), self.batch_size
        drawing = torch.Generator().manual_seed(hash_seed(self.seed, self.epoch()))
        dropping = torch.Generator().manual_seed(hash_seed(self.seed, self.epoch(), 1))
        order = torch.arange(n, dtype=torch.int32)
        if self.shuffle:
            order = torch.randperm(n, generator=drawing, dtype=torch.int32)
        for chunk in order.split(size * max(1, CHUNK // size)):
            places = chunk.long()
            rows, neighbors = self.rows[places], None
            if self.lists is not None:
                neighbors = self.lists[places].long()
                if self.samples != EXACT:
                    neighbors = sample(neighbors, self.m, int(self.samples), drawing)
                neighbors = drop(neighbors, self.drop, dropping)
            for start in range(0, len(rows), size):
                share = self._share(start, min(start + size, len(rows)))
                yield IndexBatch(rows[share], None if neighbors is None else neighbors[share])

    def _share(self, start: int, end: int) -> slice | Tensor:
        """The places of a batch that are this process's; with one process a slice, which copies nothing."""
        if self.world == 1:
            return slice(start, end)
        places = torch.arange(start, end)
        return places.repeat(self.world)[: -(-len(places) // self.world) * self.world][self.rank :: self.world]


def hash_seed(*numbers: int) -> int:
    """One seed from several numbers, well mixed (nearby seeds give unrelated streams)."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)
