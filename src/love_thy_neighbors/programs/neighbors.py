"""The neighbour lists of a split's three parts, made ahead of the training that looks for them: ``neighbors.py``."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.jobs.build import configured_split, neighbor_queries
from love_thy_neighbors.neighbors.lists import list_file


def make_lists(config: dict[str, Any], engine: Engine) -> None:
    """Make the lists that a checked config asks for and that are not in the cache, and print what is there then."""
    data = config["data"]
    collection = load_collection(Path(data["dir"]), data["backbone"])
    split = configured_split(config, collection)
    query, test_query = neighbor_queries(config)
    wanted = [("train", query), ("val", query), ("test", test_query)]
    if config["metadata"] != config["test_metadata"]:  # the run that trains the model is tested as it was trained
        wanted.insert(2, ("test", query))
    few = f"fewer than {config['M']}"
    shown = Table()
    for heading in ("part", "by", "images", "no neighbours", few, "seconds", "file"):
        shown.add_column(heading, justify="left" if heading in ("part", "by", "file") else "right", overflow="fold")
    for part, asked in wanted:
        started = time.monotonic()
        path = list_file(collection, split, asked, config["M"], part, Path(config["cache"]), engine, config["block"])
        seconds = time.monotonic() - started
        lists = np.load(path, mmap_mode="r")
        missing = [np.count_nonzero(lists[:, rank] < 0) for rank in (0, config["M"] - 1)]
        shown.add_row(part, asked.kind, *(f"{n:,}" for n in (len(lists), *missing)), f"{seconds:.1f}", path.name)
    console = Console()
    console.print(shown)
    console.print(
        f"in {config['cache']}; seconds are near 0 for lists that were there", soft_wrap=True, highlight=False
    )
