"""A file of neighbour lists, made block by block: what is finished stays finished, whatever is interrupted.

Queries are cut into blocks. The lists of each go into a file of their own in a folder beside the final one, under a
temporary name that becomes ``<first>-<last + 1>.npy`` once it is whole. Another try does the blocks that are not there
yet, whichever engine made the others: lists do not depend on who makes them. When all are there, the blocks are copied
one after the other into the final file, and their folder is removed.
"""

import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.atomic import write_npy, written_whole
from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.neighbors.euclidean import EuclideanSearch
from love_thy_neighbors.neighbors.jaccard import JaccardSearch, cores
from love_thy_neighbors.progress import progress_bar

# Queries a block: little enough work that cores finish together (25 ms at 110,000 images, a minute at 100 million), and
# not too many files.
BLOCK = 2048

Search = JaccardSearch | EuclideanSearch


def write_lists(path: Path, search: Search, description: str, engine: Engine, block: int) -> None:
    """Write the lists int32 [Q, depth] of all queries of ``search`` to ``path``, ``block`` queries at a time."""
    count, depth = len(search.queries), search.depth
    folder = path.with_suffix(".blocks")
    blocks = [range(start, min(start + block, count)) for start in range(0, count, block)]
    files = {rows: folder / f"{rows.start:09}-{rows.stop:09}.npy" for rows in blocks}
    missing = [rows for rows in blocks if not is_whole(files[rows], (len(rows), depth))]
    with progress_bar(description, count, done=count - sum(map(len, missing))) as advance:
        for rows, lists in _made(search, missing, engine):
            write_npy(files[rows], lists)
            advance(len(rows))
    with written_whole(path) as temporary, temporary.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.int32)), "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, header | {"shape": (count, depth)})
        for rows in blocks:
            np.load(files[rows], mmap_mode="r", allow_pickle=False).tofile(file)
    shutil.rmtree(folder, ignore_errors=True)


def is_whole(path: Path, shape: tuple[int, int]) -> bool:
    """Whether the file is there and readable; a damaged one is simply made again."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return array.shape == shape and array.dtype == np.int32


def _made(search: Search, blocks: Sequence[range], engine: Engine) -> Iterator[tuple[range, np.ndarray]]:
    """Yield the blocks, each with its lists, in the order in which they are finished."""
    if engine.name == "ray" and blocks:
        from love_thy_neighbors.cluster.ray_workers import (
            done_on_cluster,  # Ray takes a second, and may not be installed
        )

        yield from done_on_cluster(engine, *_shareable(search), blocks)
        return
    threads = cores() if isinstance(search, JaccardSearch) else 1  # products of matrices use all cores themselves
    executor = ThreadPoolExecutor(threads)
    coming, running = iter(blocks), dict[Future[np.ndarray], range]()
    try:
        while True:
            for rows in islice(coming, 2 * threads - len(running)):  # no more ahead than keeps the threads busy
                running[executor.submit(search.lists, rows.start, rows.stop)] = rows
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        executor.shutdown(cancel_futures=True)


_Lists = Callable[[range], np.ndarray]


def _shareable(search: Search) -> tuple[Callable[[Any], _Lists], Search]:
    """What goes into the object store, and what a worker makes of it.

    A memory-mapped feature table goes as its path: it may be larger than a node's memory, and each worker looks at it a
    part at a time. So the collection has to be seen by all nodes, under one path. An index has to be in memory anyway.
    """
    if isinstance(search, EuclideanSearch) and isinstance(search.table, np.memmap):
        assert search.table.filename is not None
        return partial(_on_file, Path(search.table.filename)), search._replace(table=np.empty(0))
    return _searching, search


def _searching(search: Search) -> _Lists:
    return lambda rows: search.lists(rows.start, rows.stop)


def _on_file(path: Path, search: EuclideanSearch) -> _Lists:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read on {socket.gethostname()} ({error}); visual neighbours need the collection under "
            "the same path on every node."
        ) from None
    return _searching(search._replace(table=table))
