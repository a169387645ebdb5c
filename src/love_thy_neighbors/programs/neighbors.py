"""``neighbors.py``: makes the neighbour lists of a split before training needs them."""

import time
from dataclasses import replace

import numpy as np
from rich.table import Table

from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.neighbors.lists import NeighborQuery, list_file
from love_thy_neighbors.neighbors.similarities import similarity_file
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.runs.rules import ALL
from love_thy_neighbors.runs.settings import CollectionSettings, NeighborSettings, SplitSettings
from love_thy_neighbors.terminal import terminal
from love_thy_neighbors.training.neighbor_queries import neighbor_queries, relation_queries


def make_lists(
    collection_settings: CollectionSettings,
    split_settings: SplitSettings,
    neighbors: NeighborSettings,
    engine: Engine,
    block: int,
    deep: int,
) -> None:
    """Make the lists that are not in the cache yet, ``block`` images at a time, and print a table of all of them.

    deep: the length of training lists, if it is more than M: those that are to be thinned. With metadata=all
    similarities are made, too.
    """
    collection = load_collection(collection_settings.folder, collection_settings.backbone, neighbors.cache)
    split = split_collection(collection, split_settings)
    wanted = wanted_lists(neighbors, split_settings.number, list(collection.metadata))
    few = f"fewer than {neighbors.M}"
    shown = Table()
    for heading in ("part", "by", "images", "no neighbours", few, "seconds", "file"):
        shown.add_column(heading, justify="left" if heading in ("part", "by", "file") else "right", overflow="fold")
    for part, asked in wanted:
        started = time.monotonic()
        depth = max(neighbors.M, deep) if part == "train" else neighbors.M
        path = list_file(collection, split, asked, depth, part, neighbors.cache, engine, block)
        if neighbors.metadata.type == ALL:  # a relational model weighs its neighbours
            similarity_file(collection, split, asked, depth, part, neighbors.cache)
        seconds = time.monotonic() - started
        lists = np.load(path, mmap_mode="r")
        missing = [np.count_nonzero(lists[:, rank] < 0) for rank in (0, neighbors.M - 1)]
        shown.add_row(part, asked.kind, *(f"{n:,}" for n in (len(lists), *missing)), f"{seconds:.1f}", path.name)
    console = terminal()
    console.print(shown)
    console.print(
        f"in {neighbors.cache}; seconds are near 0 for lists that were there", soft_wrap=True, highlight=False
    )


def wanted_lists(neighbors: NeighborSettings, split: int, there: list[str]) -> list[tuple[str, NeighborQuery]]:
    """Part and query of all lists that a run with these settings reads, in the order in which they are made.

    there: the metadata types of the collection.
    """
    relational = neighbors.metadata.type == ALL
    pairs = zip(*relation_queries(neighbors, split, there), strict=True) if relational else []
    other = {"split": "all", "all": "split"}[neighbors.pool]
    wanted = []
    for query, test_query in pairs if relational else [neighbor_queries(neighbors, split)]:
        assert query is not None
        # Validation images have neighbours from the other pool for the probabilities that annotate.py uses.
        wanted += [("train", query), ("val", query), ("val", replace(query, pool=other))]
        if neighbors.metadata != neighbors.test_metadata:  # the run that trains the model has a test, too
            wanted.append(("test", query))
        wanted += [] if test_query is None else [("test", test_query)]
    return wanted
