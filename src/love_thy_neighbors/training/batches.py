"""Batches of row numbers: the order of an epoch, the neighborhoods that are drawn in it, and each process's share."""

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.neighborhoods import drop, sample, shares, taken, thin

EXACT = "exact"
CHUNK = 8192  # images whose neighborhoods are drawn at once; it does not change what is drawn


class IndexBatch(NamedTuple):
    """What the loader gives: row numbers only. Shapes: rows [B], neighbors [B, K] with -1 for none, or None.

    For a relational model neighbors is [B, R, M], and weights, of the same shape, are theirs in the mean feature z_r.
    """

    rows: Tensor
    neighbors: Tensor | None
    weights: Tensor | None = None

    def each(self, function: Callable[[Tensor], Tensor]) -> "IndexBatch":
        """The batch with the value of ``function`` in place of each tensor that it has."""
        rows, neighbors, weights = (None if one is None else function(one) for one in self)
        assert rows is not None
        return IndexBatch(rows, neighbors, weights)

    def steps(self, size: int) -> "Iterator[IndexBatch]":
        """The batches of ``size`` images that it is made of, the last one perhaps smaller; they share its memory."""
        for start in range(0, len(self.rows), size):
            yield self.each(itemgetter(slice(start, start + size)))


class Rows(Protocol):
    """A table that gives the rows of some places: a tensor, or several files (`relation_lists.Stacked`)."""

    def __getitem__(self, places: Tensor, /) -> Tensor: ...


class Relational(NamedTuple):
    """What a relational model needs beside its lists: their similarities [n, R, D], and lambda."""

    similarities: Rows
    shrinkage: float


class Thinning(NamedTuple):
    """The probability that an entry of a list is kept in an epoch, and how many are then used at most."""

    probability: float
    M: int


class IndexBatches:
    """Batches of row numbers of one part of a split, divided among the processes of a distributed run.

    Order and neighborhoods of an epoch are drawn on the CPU, from (seed, epoch) alone: an epoch is the same on every
    process and device, and after a restart. Neighborhoods are drawn for `CHUNK` images at a time, so ``lists`` may be a
    file that all processes of a machine map into memory. A process itself holds the order, 4 bytes an image.

    Each batch is divided among ``world`` processes. If it does not divide evenly, rows from its start are used twice;
    the metrics count them once. One process may take the batches of several ``steps`` as one (`steps.steps_a_call`).

    Shapes: ``rows`` [n] int64, row numbers of the collection; ``lists`` [n, M] of any integer type, their neighbours,
    -1 for none, or None for a model without. With ``thinning`` they are [n, D], D >= M, and are thinned to M in each
    epoch. With ``relational`` they are [n, R, M or D]; nothing is sampled.
    """

    def __init__(
        self,
        rows: Tensor,
        lists: Rows | None,
        *,
        m: int,
        samples: int | str,
        drop: float,
        batch_size: int,
        seed: int,
        shuffle: bool,
        thinning: Thinning | None = None,
        relational: Relational | None = None,
    ) -> None:
        self.rows, self.lists, self.thinning, self.relational = rows, lists, thinning, relational
        self.m, self.samples, self.drop = m, samples, drop
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.epoch: Callable[[], int] = lambda: 0
        self.rank, self.world, self.steps = 0, 1, 1

    def __len__(self) -> int:
        return -(-self.steps_an_epoch // self.steps)

    @property
    def steps_an_epoch(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[IndexBatch]:
        n, size = len(self.rows), self.batch_size * self.steps
        # The order and the m-subsets are drawn by the first; each other step has one of its own.
        drawing, dropping, thinning = (
            torch.Generator().manual_seed(hash_seed(self.seed, self.epoch(), *purpose)) for purpose in ((), (1,), (2,))
        )
        order = torch.arange(n, dtype=torch.int32)
        if self.shuffle:
            order = torch.randperm(n, generator=drawing, dtype=torch.int32)
        for chunk in order.split(size * max(1, CHUNK // size)):
            places = chunk.long()
            drawn = IndexBatch(self.rows[places], *self._neighborhoods(places, drawing, dropping, thinning))
            for start in range(0, len(places), size):
                share = self._share(start, min(start + size, len(places)))
                yield drawn.each(itemgetter(share))

    def _neighborhoods(
        self, places: Tensor, drawing: torch.Generator, dropping: torch.Generator, thinning: torch.Generator
    ) -> tuple[Tensor | None, Tensor | None]:
        """This epoch's neighbours of the images at ``places``, and for a relational model their weights."""
        if self.lists is None:
            return None, None
        neighbors, weights = self.lists[places].long(), None
        if self.relational is not None:
            weights = self.relational.similarities[places]
        if self.thinning is not None:
            kept = thin(neighbors, *self.thinning, thinning)
            neighbors = taken(neighbors, kept, -1)
            weights = None if weights is None else taken(weights, kept, 0)
        if self.relational is not None and weights is not None:
            weights = shares(weights, self.relational.shrinkage)
        elif self.samples != EXACT:
            neighbors = sample(neighbors, self.m, int(self.samples), drawing)
        return drop(neighbors, self.drop, dropping), weights

    def _share(self, start: int, end: int) -> slice | Tensor:
        """The places of a batch that are this process's; with one process a slice, which copies nothing."""
        if self.world == 1:
            return slice(start, end)
        places = torch.arange(start, end)
        return places.repeat(self.world)[: -(-len(places) // self.world) * self.world][self.rank :: self.world]


def hash_seed(*numbers: int) -> int:
    """One seed from several numbers, well mixed (nearby seeds give unrelated streams)."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)
