"""Batches: images, their sampled neighborhoods and their labels, gathered from one feature table."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from scipy import sparse
from torch import Tensor

from love_thy_neighbors.baselines.sparse import Bag, BagTable
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.neighbors.lists import (
    NeighborQuery,
    fill_random,
    metadata_matrix,
    neighbor_lists,
    neighbor_pool,
)
from love_thy_neighbors.splits import PARTS, Split, given_split, make_split
from love_thy_neighbors.training.batches import IndexBatch, IndexBatches, hash_seed
from love_thy_neighbors.training.neighbor_states import NeighborStates

EVALUATION_BATCH = 512  # images


class Batch(NamedTuple):
    """What the task sees.

    Shapes: rows [B]; x [B, d]; z [B, K, d] and mask [B, K], or None for a model without neighbours; y [B, L]; bag of B
    sparse binary vectors, or None for a model without; v [B, K, h] in place of z where the neighbours' hidden states
    are known already.
    """

    rows: Tensor
    x: Tensor
    z: Tensor | None
    mask: Tensor | None
    y: Tensor
    bag: Bag | None = None
    v: Tensor | None = None


class FeatureTable:
    """Rows of phi, gathered for a whole batch at once.

    The table keeps its type on disk (float16 or int8) and is memory-mapped; it moves to the GPU if it takes at most
    half of the memory that is free there. A gathered batch is float32.
    """

    def __init__(self, collection: Collection) -> None:
        self.table = torch.from_numpy(collection.features.table)
        self.scale = collection.features.scale

    def to(self, device: torch.device, free_bytes: int | None = None) -> None:
        """Move the table to ``device`` if it fits; ``free_bytes`` is what is free there (asked of CUDA by default)."""
        if device.type == "cpu" or self.table.device == device:
            return
        if free_bytes is None:
            free_bytes = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        if self.table.nbytes <= free_bytes // 2:
            self.table = self.table.to(device)

    def gather(self, rows: Tensor, device: torch.device) -> Tensor:
        """phi of ``rows`` [...], any shape -> float32 [..., d] on ``device``; a row of -1 gives some row's feature."""
        flat = rows.clamp(min=0).flatten().to(self.table.device)
        taken = self.table.index_select(0, flat).to(device).float()
        if self.scale != 1:  # float16 tables have none; it would be one more pass over the batch
            taken.mul_(self.scale)
        return taken.view(*rows.shape, -1)

    def gather_both(self, rows: Tensor, neighbors: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """`gather` of ``rows`` [B] and ``neighbors`` [B, K] in one go: each call wakes all threads, or a GPU, anew."""
        both = self.gather(torch.cat((rows, neighbors.flatten())), device)
        return both[: len(rows)], both[len(rows) :].view(*neighbors.shape, -1)


def split_collection(
    collection: Collection,
    split: int,
    sizes: list[float],
    split_by: str,
    keep_unlabelled: bool,
    discard_without_metadata: bool,
) -> Split:
    """The split of a collection that the settings of these names ask for; see `splits`."""
    if split_by == "release":
        assert collection.splits is not None
        return given_split(collection.splits[split], collection.labels, keep_unlabelled=keep_unlabelled)
    return make_split(
        collection.labels,
        sizes,
        split,
        sets=collection.metadata["sets"] if split_by == "set" else None,
        keep_unlabelled=keep_unlabelled,
        discard=collection.without_metadata if discard_without_metadata else None,
    )


class NeighborhoodData(pl.LightningDataModule):
    """m-of-M neighborhoods of one split of a collection.

    Args:
        folder, backbone: the collection and which of its feature tables.
        split, sizes, split_by, keep_unlabelled, discard_without_metadata: see `splits.make_split`.
        query, test_query: who the neighbours are in training and validation, and at test time; None for models without.
        m, M: neighborhood size and max rank (section 3.1).
        train, test: sampled neighborhoods an image and pass, or 'exact' for Eq. 1 over all of them.
        fill: 'random' fills up lists shorter than M with random images; 'none' leaves them short.
        drop: probability that a training image's whole neighborhood is left out, each epoch anew.
        values: the sparse binary vector that the model sees besides: 'tags' (or another metadata type) or 'labels', and
            how many of its values count, the most frequent on the training images (None: all); None for no vector.
        batch_size: images a step in training, over all processes together.
        cache: folder of neighbour lists.
    """

    def __init__(
        self,
        *,
        folder: Path,
        backbone: str | None,
        split: int,
        sizes: list[float],
        split_by: str,
        keep_unlabelled: bool,
        discard_without_metadata: bool,
        query: NeighborQuery | None,
        test_query: NeighborQuery | None,
        m: int,
        M: int,
        train: int | str,
        test: int | str,
        fill: str,
        drop: float,
        values: tuple[str, int | None] | None,
        batch_size: int,
        seed: int,
        cache: Path,
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # one writer, also where the nodes share the cache
        self.collection = load_collection(folder, backbone)
        self.split = split_collection(
            self.collection, split, sizes, split_by, keep_unlabelled, discard_without_metadata
        )
        self.queries = {"train": query, "val": query, "test": test_query}
        self.m, self.M, self.fill, self.seed, self.cache = m, M, fill, seed, cache
        self.samples = {"train": train, "val": test, "test": test}
        self.drop = {"train": drop, "val": 0.0, "test": 0.0}
        self.batch_size = {"train": batch_size, "val": EVALUATION_BATCH, "test": EVALUATION_BATCH}
        self.features = FeatureTable(self.collection)
        self.labels = torch.from_numpy(self.collection.labels.toarray())
        self.states: NeighborStates | None = None  # set by the task while it evaluates
        self.bags = None if values is None else BagTable(self._values(*values))
        self.leaves_rows = False  # whether training batches stay row numbers, for a step that gathers (graphed.py)

    @property
    def dim(self) -> int:
        return self.collection.features.dim

    def _values(self, kind: str, tau: int | None) -> sparse.csr_matrix:
        """The binary matrix [N, T] of the model's sparse input."""
        if kind == "labels":
            return self.collection.labels
        return metadata_matrix(self.collection, self.split, NeighborQuery(kind, tau, "split"))

    def lists(self, part: str) -> np.ndarray | None:
        """Neighbour lists [n, M] of ``split.rows[part]``, or None for a model without neighbours."""
        query = self.queries[part]
        if query is None:
            return None
        lists = neighbor_lists(self.collection, self.split, query, self.M, part, self.cache)
        if self.fill == "random":
            pool = neighbor_pool(self.split, query, part)
            lists = fill_random(lists, self.split.rows[part], pool, self.seed)
        return lists

    def prepare_data(self) -> None:
        """Compute what is not in the cache yet, in one process, before a distributed run's others look for it.

        A node that does not see that process's cache finds nothing in its own and computes the lists once more.
        """
        for part in PARTS:
            self.lists(part)

    def setup(self, stage: str) -> None:
        self.batches = {part: self._batches(part) for part in PARTS}

    def _batches(self, part: str) -> IndexBatches:
        lists = self.lists(part)
        return IndexBatches(
            torch.from_numpy(self.split.rows[part]),
            None if lists is None else torch.from_numpy(lists),  # still the file: no process has a copy of its own
            m=self.m,
            samples=self.samples[part],
            drop=self.drop[part],
            batch_size=self.batch_size[part],
            seed=hash_seed(self.seed, PARTS.index(part)),
            shuffle=part == "train",
        )

    def _loader(self, part: str) -> IndexBatches:
        batches, trainer = self.batches[part], self.trainer
        assert trainer is not None
        batches.rank, batches.world = trainer.global_rank, trainer.world_size
        if getattr(trainer, "overfit_batches", 0):  # the same batches again and again
            batches.shuffle = False
        elif part == "train":  # validation and test see the same neighborhoods every time
            batches.epoch = lambda: trainer.current_epoch
        return batches

    def train_dataloader(self) -> IndexBatches:
        return self._loader("train")

    def val_dataloader(self) -> IndexBatches:
        return self._loader("val")

    def test_dataloader(self) -> IndexBatches:
        return self._loader("test")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch | IndexBatch:
        if self.leaves_rows and self.trainer is not None and self.trainer.training:
            return IndexBatch(*batch)
        return self.gather(batch)

    def gather(self, batch: IndexBatch) -> Batch:
        """Gather features and labels for the whole batch, on the device where the table lives."""
        rows, neighbors = batch
        device = rows.device
        self.features.to(device)
        self.labels = self.labels.to(device)  # a byte a label: always fits, and stays there
        y = self.labels.index_select(0, rows).float()
        bag = None if self.bags is None else self.bags.gather(rows)
        if neighbors is None:
            return Batch(rows, self.features.gather(rows, device), None, None, y, bag)
        if self.states is not None:
            x, v = self.features.gather(rows, device), self.states.gather(neighbors)
            return Batch(rows, x, None, neighbors >= 0, y, bag, v)
        x, z = self.features.gather_both(rows, neighbors, device)
        return Batch(rows, x, z, neighbors >= 0, y, bag)
