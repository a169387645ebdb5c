"""Batches: images, their sampled neighborhoods and their labels, gathered from one feature table."""

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from scipy import sparse
from torch import Tensor

from love_thy_neighbors.baselines.sparse import Bag, BagTable
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.neighbors.lists import (
    NeighborQuery,
    Overlap,
    counted_rows,
    fill_random,
    metadata_matrix,
    neighbor_lists,
    neighbor_pool,
)
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.runs.settings import (
    CollectionSettings,
    NeighborhoodSettings,
    NeighborSettings,
    SplitSettings,
    ValuesSettings,
)
from love_thy_neighbors.splits import PARTS
from love_thy_neighbors.training.batches import IndexBatch, IndexBatches, hash_seed
from love_thy_neighbors.training.neighbor_states import NeighborStates
from love_thy_neighbors.training.processes import is_main_process

log = logging.getLogger(__name__)

EVALUATION_BATCH = 512  # images
_PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


class Batch(NamedTuple):
    """The task's input.

    Shapes: rows [B]; x [B, d]; z [B, K, d] and mask [B, K], or None for a model without neighbours; y [B, L]; bag of B
    sparse binary vectors, or None for a model without them. With ``has_states`` z holds the neighbours' hidden states
    [B, K, h] instead of their features.
    """

    rows: Tensor
    x: Tensor
    z: Tensor | None
    mask: Tensor | None
    y: Tensor
    bag: Bag | None = None
    has_states: bool = False


class FeatureTable:
    """Rows of phi, gathered for a whole batch at once.

    The table keeps its type on disk (float16, float32 or int8) and is memory-mapped; it moves to the GPU if it takes
    at most half of the memory that is free there. A gathered batch is float32.
    """

    def __init__(self, collection: Collection) -> None:
        self.table = torch.from_numpy(collection.features.table)
        self.scale = collection.features.scale

    def to(self, device: torch.device, free_bytes: int | None = None) -> None:
        """Move the table to ``device`` if it fits into half of ``free_bytes`` (default: what CUDA reports as free)."""
        if device.type == "cpu" or self.table.device == device:
            return
        if free_bytes is None:
            free_bytes = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        if self.table.nbytes <= free_bytes // 2:
            self.table = self.table.to(device)

    def gather(self, rows: Tensor, device: torch.device) -> Tensor:
        """phi of ``rows``, any shape [...] -> float32 [..., d] on ``device``; -1 gives the feature of row 0."""
        flat = rows.clamp(min=0).flatten().to(self.table.device)
        taken = self.table.index_select(0, flat).to(device).float()
        if self.scale != 1:  # tables of floats have scale 1, and need no extra pass over the batch
            taken.mul_(self.scale)
        return taken.view(*rows.shape, -1)

    def gather_both(self, rows: Tensor, neighbors: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """`gather` of ``rows`` [B] and ``neighbors`` [B, K] in one call, which costs less than two."""
        both = self.gather(torch.cat((rows, neighbors.flatten())), device)
        return both[: len(rows)], both[len(rows) :].view(*neighbors.shape, -1)


def neighbor_queries(neighbors: NeighborSettings, split: int) -> tuple[NeighborQuery, NeighborQuery]:
    """Who the neighbours are in training and validation, and at test time, for the split of that number."""
    # The two vocabularies are drawn anew for each split, so their chance is part of the deviation over splits.
    overlaps = (
        [None, None]
        if neighbors.overlap is None
        else [Overlap(neighbors.overlap, second, split) for second in (False, True)]
    )
    first, second = (
        NeighborQuery(metadata.type, metadata.tau, neighbors.pool, overlap, neighbors.vocabulary)
        for metadata, overlap in zip((neighbors.metadata, neighbors.test_metadata), overlaps, strict=True)
    )
    return first, replace(second, renamed=neighbors.rename_test)


class NeighborhoodData(pl.LightningDataModule):
    """m-of-M neighborhoods of one split of a collection.

    Args:
        collection, split: which collection, and its split.
        neighbors: who the neighbours are; None for a model without.
        neighborhoods: how neighborhoods are drawn from the neighbour lists.
        values: the sparse binary vector that the model sees besides: the tau values of a metadata type that are most
            frequent on the training images, or the true labels (type 'labels'); None for a model without.
        batch_size: images a step in training, over all processes together.
        seed: of order and neighborhoods.
    """

    def __init__(
        self,
        collection: CollectionSettings,
        split: SplitSettings,
        neighbors: NeighborSettings | None,
        neighborhoods: NeighborhoodSettings,
        values: ValuesSettings | None = None,
        *,
        batch_size: int = EVALUATION_BATCH,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # one writer, also where the nodes share the cache
        self.collection = load_collection(collection.folder, collection.backbone)
        self.split = split_collection(self.collection, split)
        self.neighbors, self.neighborhoods, self.seed = neighbors, neighborhoods, seed
        self.queries: dict[str, NeighborQuery] = {}
        if neighbors is not None:
            query, test_query = neighbor_queries(neighbors, split.number)
            self.queries = {"train": query, "val": query, "test": test_query}
        self.samples = {"train": neighborhoods.train, "val": neighborhoods.test, "test": neighborhoods.test}
        self.batch_size = {"train": batch_size, "val": EVALUATION_BATCH, "test": EVALUATION_BATCH}
        self.features = FeatureTable(self.collection)
        self.labels = torch.from_numpy(self.collection.labels.toarray())
        self.states: NeighborStates | None = None  # set by the task while it evaluates
        self.bags = None if values is None else BagTable(self._values(values))
        self._warned: set[str] = set()
        self.leaves_rows = False  # whether training batches stay row numbers (cuda_graph)

    @property
    def dim(self) -> int:
        return self.collection.features.dim

    def _values(self, values: ValuesSettings) -> sparse.csr_matrix:
        """The binary matrix [N, T] of the model's sparse input."""
        if values.type == "labels":
            return self.collection.labels
        query = NeighborQuery(values.type, values.tau, "split")  # the model has a weight for each value of training
        return metadata_matrix(self.collection, self.split, query, counted_rows(self.split, query, "train"))

    def lists(self, part: str, pool: str | None = None) -> np.ndarray | None:
        """Neighbour lists [n, M] of ``split.rows[part]``, or None for a model without neighbours.

        pool: 'split' or 'all' in place of the pool of the settings.
        """
        if self.neighbors is None:
            return None
        query, M = self.queries[part], self.neighbors.M
        query = query if pool is None else replace(query, pool=pool)
        lists = neighbor_lists(self.collection, self.split, query, M, part, self.neighbors.cache)
        if pool is None:
            self._warn_of_no_neighbors(part, lists)
        if self.neighborhoods.fill == "random":
            lists = fill_random(lists, self.split.rows[part], neighbor_pool(self.split, query, part), self.seed)
        return lists

    def _warn_of_no_neighbors(self, part: str, lists: np.ndarray) -> None:
        """Say once for each part if most images have no neighbour: the model then sees their own features alone."""
        alone = np.count_nonzero(lists[:, 0] < 0)
        if part in self._warned or 2 * alone <= len(lists) or not is_main_process():
            return
        self._warned.add(part)
        query = self.queries[part]
        only_known = query.tau is not None and query.vocabulary == "train" and query.overlap is None
        log.warning(
            "%s of %s %s images have no neighbour by %s; only their own features count.%s",
            *(f"{alone:,}", f"{len(lists):,}", _PART_NAMES[part], query.kind),
            " Values that no training image has do not count; vocabulary=pool counts them." if only_known else "",
        )

    def prepare_data(self) -> None:
        """Compute the neighbour lists that are not in the cache, in one process, before the others read them.

        A node with a cache of its own computes them again.
        """
        for part in self._parts():
            self.lists(part)

    def setup(self, stage: str) -> None:
        self.batches = {part: self._batches(part, self.lists(part)) for part in self._parts()}

    def _parts(self) -> tuple[str, ...]:
        """The parts whose neighbour lists are needed; a test of a trained model needs those of the test images only."""
        tests = self.trainer is not None and self.trainer.state.fn == TrainerFn.TESTING
        return ("test",) if tests else PARTS

    def batches_with(self, part: str, pool: str | None) -> IndexBatches:
        """Batches of ``part`` with neighbours from ``pool`` ('split' or 'all'), or without any neighbour (None)."""
        nobody = np.full((len(self.split.rows[part]), self.neighborhoods.m), -1, dtype=np.int32)
        return self._batches(part, nobody if pool is None else self.lists(part, pool))

    def _batches(self, part: str, lists: np.ndarray | None) -> IndexBatches:
        return IndexBatches(
            torch.from_numpy(self.split.rows[part]),
            None if lists is None else torch.from_numpy(lists),  # still the mapped file, not a copy
            m=self.neighborhoods.m,
            samples=self.samples[part],
            drop=self.neighborhoods.drop if part == "train" else 0.0,
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
            return Batch(rows, x, v, neighbors >= 0, y, bag, has_states=True)
        x, z = self.features.gather_both(rows, neighbors, device)
        return Batch(rows, x, z, neighbors >= 0, y, bag)
