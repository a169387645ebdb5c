"""Batches: images, their sampled neighborhoods and their labels, gathered from one feature table."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from scipy import sparse
from torch import Tensor

from love_thy_neighbors.baselines.sparse import Bag, BagTable
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.neighbors.lists import (
    NeighborQuery,
    counted_rows,
    fill_random,
    metadata_matrix,
    neighbor_pool,
    without_neighbors,
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
from love_thy_neighbors.training.batches import IndexBatch, IndexBatches, Relational, Rows, Thinning, hash_seed
from love_thy_neighbors.training.feature_table import FeatureTable
from love_thy_neighbors.training.neighbor_queries import Queries, neighbor_queries, relation_queries
from love_thy_neighbors.training.neighbor_states import NeighborStates
from love_thy_neighbors.training.opened_lists import OpenedLists
from love_thy_neighbors.training.processes import is_main_process
from love_thy_neighbors.training.relation_lists import Stacked, relation_lists, whole

log = logging.getLogger(__name__)

EVALUATION_BATCH = 512  # images
_PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


class Batch(NamedTuple):
    """The task's input.

    Shapes: rows [B]; x [B, d]; z [B, K, d] and mask [B, K], or None for a model without neighbours; y [B, L]; bag of B
    sparse binary vectors, or None for a model without them. With ``has_states`` z holds the neighbours' hidden states
    [B, K, h] instead of their features. For a relational model z holds one mean feature a relation, [B, R, d], and mask
    [B, R] says whether there is any neighbour.
    """

    rows: Tensor
    x: Tensor
    z: Tensor | None
    mask: Tensor | None
    y: Tensor
    bag: Bag | None = None
    has_states: bool = False


class NeighborhoodData(pl.LightningDataModule):
    """m-of-M neighborhoods of one split of a collection.

    Args:
        collection, split: which collection, and its split.
        neighbors: who the neighbours are; None for a model without.
        neighborhoods: how neighborhoods are drawn from the neighbour lists.
        values: the sparse binary vector that the model sees besides: the tau values of a metadata type that are most
            frequent on the training images, or the true labels (type 'labels'); None for a model without.
        cache: where it is remembered that the collection has been checked; None to check it always.
        relational: whether the model sees one mean feature for each metadata type.
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
        cache: Path | None = None,
        relational: bool = False,
        batch_size: int = EVALUATION_BATCH,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # one writer, also where the nodes share the cache
        self.collection = load_collection(collection.folder, collection.backbone, cache, writes=is_main_process())
        self.split = split_collection(self.collection, split)
        self.neighbors, self.neighborhoods, self.seed = neighbors, neighborhoods, seed
        self.relational, self.queries = relational, dict[str, Queries]()
        if neighbors is not None:
            first, second = neighbor_queries(neighbors, split.number)
            asked: tuple[Queries, Queries] = ([first], [second])
            if relational:
                asked = relation_queries(neighbors, split.number, list(self.collection.metadata))
            self.opened = OpenedLists(self.collection, neighbors.cache)
            self.queries = {"train": asked[0], "val": asked[0], "test": asked[1]}
        self.samples = {"train": neighborhoods.train, "val": neighborhoods.test, "test": neighborhoods.test}
        self.batch_size = {"train": batch_size, "val": EVALUATION_BATCH, "test": EVALUATION_BATCH}
        self.features = FeatureTable(self.collection)
        self.labels = torch.from_numpy(self.collection.labels.toarray())
        self.states: NeighborStates | None = None  # set by the task while it evaluates
        self.bags = None if values is None else BagTable(self._values(values))
        self._warned: set[str] = set()
        self.steps_a_call = 0  # of training: the batch is then row numbers, and the task gathers (`training.steps`)

    @property
    def dim(self) -> int:
        return self.collection.features.dim

    def _values(self, values: ValuesSettings) -> sparse.csr_matrix:
        """The binary matrix [N, T] of the model's sparse input."""
        if values.type == "labels":
            return self.collection.labels
        query = NeighborQuery(values.type, values.tau, "split")  # the model has a weight for each value of training
        return metadata_matrix(self.collection, self.split, query, counted_rows(self.split, query, "train"))

    @property
    def relations(self) -> list[str]:
        """The metadata types that a relational model is trained with, one a tower."""
        return [query.kind for query in self.queries["train"] if query is not None] if self.relational else []

    def has_all_relations(self, part: str) -> bool:
        """Whether images of ``part`` find neighbours as in training: by the same metadata types and the same tags.

        New names for all tags (``rename_test``) make no difference, as they give the same neighbours.
        """
        queries = self.queries[part]
        other_tags = any(
            query and query.overlap and query.overlap.second and query.overlap.share < 1 for query in queries
        )
        return [query and query.kind for query in queries] == self.relations and not other_tags

    def lists(self, part: str, pool: str | None = None) -> np.ndarray | None:
        """Neighbour lists [n, M] of ``split.rows[part]``, or None for a model without neighbours.

        Those of a relational model are [n, R, M], one list a relation. pool: 'split' or 'all' in place of the pool of
        the settings.
        """
        if self.neighbors is None:
            return None
        lists = self._lists(part, self.neighbors.M, pool)[0]
        return lists.numpy() if isinstance(lists, Tensor) else whole(lists)

    def _lists(self, part: str, depth: int, pool: str | None = None) -> tuple[Tensor | Stacked, Stacked | None]:
        """The lists, ``depth`` long, and for a relational model their similarities; the files are mapped, not read."""
        assert self.neighbors is not None
        queries = [query and replace(query, pool=pool or query.pool) for query in self.queries[part]]
        if self.relational:
            found = relation_lists(self.opened, self.split, queries, depth, part)
            if pool is None:
                self._warn_of_no_neighbors(part, without_neighbors(whole(found[0].nearest())))
            return found
        query = queries[0]
        assert query is not None
        lists = self.opened.lists(self.split, query, depth, part)
        if pool is None:
            self._warn_of_no_neighbors(part, without_neighbors(lists))
        if self.neighborhoods.fill == "random":
            lists = fill_random(lists, self.split.rows[part], neighbor_pool(self.split, query, part), self.seed)
        return torch.from_numpy(lists), None

    def _nobody(self, part: str) -> tuple[Tensor | Stacked, Stacked | None]:
        """`_lists` without any neighbour."""
        assert self.neighbors is not None
        if self.relational:
            nobody = [None] * len(self.relations)
            return relation_lists(self.opened, self.split, nobody, 1, part)
        return torch.full((len(self.split.rows[part]), self.neighborhoods.m), -1, dtype=torch.int32), None

    def _warn_of_no_neighbors(self, part: str, without: np.ndarray) -> None:
        """Say once for each part if most images have no neighbour: the model then sees their own features alone."""
        alone, queries = np.count_nonzero(without), [query for query in self.queries[part] if query is not None]
        if part in self._warned or 2 * alone <= len(without) or not queries or not is_main_process():
            return
        self._warned.add(part)
        only_known = any(one.tau is not None and one.vocabulary == "train" and one.overlap is None for one in queries)
        log.warning(
            "%s of %s %s images have no neighbour by %s; only their own features count.%s",
            *(f"{alone:,}", f"{len(without):,}", _PART_NAMES[part], " or ".join(one.kind for one in queries)),
            " Values that no training image has do not count; vocabulary=pool counts them." if only_known else "",
        )

    def prepare_data(self) -> None:
        """Compute the neighbour lists that are not in the cache, in one process, before the others read them.

        A node with a cache of its own computes them again.
        """
        for part in self._parts():
            self._batches(part)

    def setup(self, stage: str) -> None:
        self.batches = {part: self._batches(part) for part in self._parts()}

    def _parts(self) -> tuple[str, ...]:
        """The parts whose neighbour lists are needed; a test of a trained model needs those of the test images only."""
        tests = self.trainer is not None and self.trainer.state.fn == TrainerFn.TESTING
        return ("test",) if tests else PARTS

    def batches_with(self, part: str, pool: str | None) -> IndexBatches:
        """Batches of ``part`` with neighbours from ``pool`` ('split' or 'all'), or without any neighbour (None)."""
        return self._batches(part, pool, alone=pool is None)

    def _batches(self, part: str, pool: str | None = None, *, alone: bool = False) -> IndexBatches:
        lists: Rows | None = None
        thinning, relational = None, None
        if self.neighbors is not None:
            thinning = None if alone else self._thinning(part)
            depth = self.neighbors.M if thinning is None else max(self.neighbors.M, self.neighborhoods.deep)
            lists, similarities = self._nobody(part) if alone else self._lists(part, depth, pool)
            if similarities is not None:
                relational = Relational(similarities, self.neighborhoods.shrinkage)
        return IndexBatches(
            torch.from_numpy(self.split.rows[part]),
            lists,
            m=self.neighborhoods.m,
            samples=self.samples[part],
            drop=self.neighborhoods.drop if part == "train" else 0.0,
            batch_size=self.batch_size[part],
            seed=hash_seed(self.seed, PARTS.index(part)),
            shuffle=part == "train",
            thinning=thinning,
            relational=relational,
        )

    def _thinning(self, part: str) -> Thinning | None:
        """How training lists are thinned; None where they are not. See `neighborhoods.thin`."""
        probability, query = self.neighborhoods.thin, next(iter(self.queries["train"]))
        assert query is not None
        assert self.neighbors is not None
        if probability == "auto":
            training, test = (len(neighbor_pool(self.split, query, part)) for part in ("train", "test"))
            probability = min(1.0, test / training)
        return None if part != "train" or probability == 1 else Thinning(float(probability), self.neighbors.M)

    def _loader(self, part: str) -> IndexBatches:
        batches, trainer = self.batches[part], self.trainer
        assert trainer is not None
        batches.rank, batches.world = trainer.global_rank, trainer.world_size
        batches.steps = max(1, self.steps_a_call) if part == "train" else 1
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
        if self.steps_a_call and self.trainer is not None and self.trainer.training:
            return IndexBatch(*batch)
        return self.gather(batch)

    def gather(self, batch: IndexBatch) -> Batch:
        """Gather features and labels for the whole batch, on the device where the table lives."""
        rows, neighbors, weights = batch
        device = rows.device
        self.features.to(device)
        self.labels = self.labels.to(device)  # a byte a label: always fits, and stays there
        y = self.labels.index_select(0, rows).float()
        bag = None if self.bags is None else self.bags.gather(rows)
        if neighbors is None:
            return Batch(rows, self.features.gather(rows, device), None, None, y, bag)
        if weights is not None:
            x, z = self.features.gather(rows, device), self.features.weighted_sum(neighbors, weights, device)
            return Batch(rows, x, z, (neighbors >= 0).any(dim=-1), y, bag)
        if self.states is not None:
            x, v = self.features.gather(rows, device), self.states.gather(neighbors)
            return Batch(rows, x, v, neighbors >= 0, y, bag, has_states=True)
        x, z = self.features.gather_both(rows, neighbors, device)
        return Batch(rows, x, z, neighbors >= 0, y, bag)
