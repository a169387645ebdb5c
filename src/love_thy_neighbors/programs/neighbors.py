"""``neighbors.py``: makes the neighbour lists of a split before training needs them."""

import time
from dataclasses import replace

import numpy as np
from rich.table import Table

from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.neighbors.lists import list_file
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.runs.settings import CollectionSettings, NeighborSettings, SplitSettings
from love_thy_neighbors.terminal import terminal
from love_thy_neighbors.training.neighbor_queries import neighbor_queries


def make_lists(
    collection_settings: CollectionSettings,
    split_settings: SplitSettings,
    neighbors: NeighborSettings,
    engine: Engine,
    block: int,
) -> None:
    """Make the lists that are not in the cache yet, ``block`` images at a time, and print a table of all of them."""
    collection = load_collection(collection_settings.folder, collection_settings.backbone)
    split = split_collection(collection, split_settings)
    query, test_query = neighbor_queries(neighbors, split_settings.number)
    wanted = [("train", query), ("val", query), ("test", test_query)]
    other = {"split": "all", "all": "split"}[neighbors.pool]
    wanted.insert(2, ("val", replace(query, pool=other)))  # for the probabilities that annotate.py uses
    if neighbors.metadata != neighbors.test_metadata:  # the run that trains the model has a test, too
        wanted.insert(3, ("test", query))
    few = f"fewer than {neighbors.M}"
    shown = Table()
    for heading in ("part", "by", "images", "no neighbours", few, "seconds", "file"):
        shown.add_column(heading, justify="left" if heading in ("part", "by", "file") else "right", overflow="fold")
    for part, asked in wanted:
        started = time.monotonic()
        path = list_file(collection, split, asked, neighbors.M, part, neighbors.cache, engine, block)
        seconds = time.monotonic() - started
        lists = np.load(path, mmap_mode="r")
        missing = [np.count_nonzero(lists[:, rank] < 0) for rank in (0, neighbors.M - 1)]
        shown.add_row(part, asked.kind, *(f"{n:,}" for n in (len(lists), *missing)), f"{seconds:.1f}", path.name)
    console = terminal()
    console.print(shown)
    console.print(
        f"in {neighbors.cache}; seconds are near 0 for lists that were there", soft_wrap=True, highlight=False
    )
