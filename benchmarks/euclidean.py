"""The time of exact visual neighbours: python benchmarks/euclidean.py [--queries 12000 --images 12000 --dim 4096].

Features are made up: normal numbers cut off at zero, as a ReLU gives them, in float16. In one process, three take
turns, and the shortest time of each counts:

    ours      `nearest_by_euclidean`, from the float16 table to lists without the query itself, ties by row
    faiss     one call of `IndexFlatL2.search`, from float32 that is there already (neither it nor the index is timed)
    floor     the matrix products of all queries and images alone, with torch, in blocks of the same size

Prints a table, and last one line of JSON. ``ratio`` and ``core_ratio`` are the medians of ours / faiss over the turns,
in seconds and in core-seconds. Exits with status 1 if the neighbours differ: ``same`` allows two images of faiss's list
to change places only where their distances are closer than float32 can tell.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from love_thy_neighbors.programs.start import let_idle_threads_sleep

let_idle_threads_sleep()  # as train.py does, before torch is there

# ruff: noqa: E402
import faiss
import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.neighbors.euclidean import POOL_BLOCK, QUERY_BLOCK, ROUNDING, nearest_by_euclidean

BLOCK = 1000  # rows made up at a time


def made_up(images: int, dim: int) -> np.ndarray:
    """Features float16 [N, d]."""
    rng, table = np.random.default_rng(0), np.empty((images, dim), dtype=np.float16)
    for start in range(0, images, BLOCK):
        block = table[start : start + BLOCK]
        block[:] = np.maximum(rng.standard_normal(block.shape, dtype=np.float32), 0)
    return table


def bare(index: faiss.IndexFlatL2, features: np.ndarray, depth: int) -> np.ndarray:
    """faiss's own lists [Q, depth + 1], nearly always with the query itself at the front."""
    return np.asarray(index.search(features, depth + 1)[1])


def products(features: Tensor, queries: int) -> None:
    """The matrix products of the first ``queries`` images and all images, and nothing else."""
    room = torch.empty(QUERY_BLOCK * POOL_BLOCK)
    for start in range(0, queries, QUERY_BLOCK):
        x = features[start : min(start + QUERY_BLOCK, queries)]
        for y in features.split(POOL_BLOCK):
            torch.mm(x, y.t(), out=room[: len(x) * len(y)].view(len(x), len(y)))


def same(table: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether the lists agree, but for images whose distances float32 cannot tell apart."""
    queries, depth = np.arange(len(ours)), ours.shape[1]
    others = theirs != queries[:, None]
    others[:, -1] &= others.sum(axis=1) <= depth  # a list without the query itself has one image too many
    theirs = theirs[others].reshape(-1, depth)
    for query in np.flatnonzero((ours != theirs).any(axis=1)):
        x, *both = (table[rows].astype(np.float64) for rows in (query, ours[query], theirs[query]))
        near, far = (((y - x) ** 2).sum(axis=1) for y in both)
        longest = max(np.linalg.norm(y, axis=1).max(initial=0) for y in both)
        if (np.abs(near - far) > 2 * ROUNDING * 2.0**-24 * (np.linalg.norm(x) + longest) ** 2).any():
            return False
    return True


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and core-seconds of this process, which other programs change less."""
    started, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - started, time.process_time() - used


def main() -> int:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=12_000, help="the first so many images")
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--dim", type=int, default=4_096)
    parser.add_argument("--neighbors", type=int, default=20, help="neighbours an image")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each of the three")
    options = parser.parse_args()
    queries, depth = min(options.queries, options.images), min(options.neighbors, options.images - 1)
    table, load = made_up(options.images, options.dim), os.getloadavg()[0]
    features, everyone = table.astype(np.float32), np.arange(options.images)
    index = faiss.IndexFlatL2(options.dim)
    index.add(features)
    lists: dict[str, np.ndarray] = {}
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: lists.update(ours=nearest_by_euclidean(table, everyone[:queries], everyone, depth)),
        "faiss": lambda: lists.update(faiss=bare(index, features[:queries], depth)),
        "floor": lambda: products(torch.from_numpy(features), queries),
    }
    nearest_by_euclidean(table, everyone[:100], everyone[:100], 1)  # starts threads and allocates memory
    turns = np.array([[timed(call) for call in sides.values()] for _ in range(options.repeats)])  # [repeats, 3, 2]
    least = dict(zip(sides, turns.min(axis=0).tolist(), strict=True))
    ratio, core_ratio = np.median(turns[:, 0] / turns[:, 1], axis=0)
    agreed = same(table, lists["ours"], lists["faiss"])
    shown = Table(
        title=f"{depth} nearest of {options.images:,} x {options.dim:,}, {queries:,} queries, float16; "
        f"{torch.get_num_threads()} threads, load {load:.1f}"
    )
    for heading in ("", "seconds", "of faiss", "core-seconds", "of faiss", "GFLOP/s"):
        shown.add_column(heading, justify="right" if heading else "left")
    for name, taken in least.items():
        cells = [f"{one:.2f}" for pair in zip(taken, np.divide(taken, least["faiss"]), strict=True) for one in pair]
        shown.add_row(name, *cells, f"{2e-9 * queries * options.images * options.dim / taken[0]:,.0f}")
    Console().print(shown)
    result = {f"{name}_s": round(taken[0], 3) for name, taken in least.items()}
    print(json.dumps(result | {"ratio": round(ratio, 3), "core_ratio": round(core_ratio, 3), "same": agreed}))
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
