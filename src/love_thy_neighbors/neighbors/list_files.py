"""Writes a file of neighbour lists block by block, so that an interrupted computation can be continued.

The queries are cut into blocks. The lists of a block go into ``<first>-<last + 1>.npy`` in a folder beside the final
file. Another try computes only the missing blocks, with any engine, because the lists do not depend on the engine. At
the end the blocks are copied one after the other into the final file, and their folder is removed.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from love_thy_neighbors.atomic import write_npy, written_whole
from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.disk import pass_on_refusal, write_head
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.neighbors.euclidean import EuclideanSearch
from love_thy_neighbors.neighbors.jaccard import JaccardSearch, cores
from love_thy_neighbors.ownership import known_names, remove_own, remove_remains, require_own
from love_thy_neighbors.progress import progress_bar

# Queries in a block: small enough that all cores finish at about the same time (a block takes 25 ms at 110,000 images
# and a minute at 100 million), large enough that there are not too many files.
BLOCK = 2048
_BLOCKS = known_names(r"\d+-\d+\.npy")  # the files in the folder of blocks

Search = JaccardSearch | EuclideanSearch


def write_lists(path: Path, search: Search, description: str, engine: Engine, block: int) -> None:
    """Write the lists int32 [Q, depth] of all queries of ``search`` to ``path``, ``block`` queries at a time.

    One process at a time writes ``path``. Raises `UserError` if the folder of blocks is a link or has other files.
    """
    count, depth = len(search.queries), search.depth
    folder = path.with_suffix(".blocks")
    require_own(folder, _BLOCKS)
    remove_remains(path)
    blocks = [range(start, min(start + block, count)) for start in range(0, count, block)]
    files = {rows: folder / f"{rows.start:09}-{rows.stop:09}.npy" for rows in blocks}
    missing = [rows for rows in blocks if not is_complete(files[rows], (len(rows), depth))]
    with progress_bar(description, count, done=count - sum(map(len, missing))) as advance:
        for rows, lists in _computed(search, missing, engine):
            write_npy(files[rows], lists)
            advance(len(rows))
    with written_whole(path) as temporary, temporary.open("wb") as file:
        write_head(file, temporary, np.int32, (count, depth))
        for rows in blocks:
            np.load(files[rows], mmap_mode="r", allow_pickle=False).tofile(file)
    remove_own(folder, _BLOCKS)


def remove_blocks(path: Path) -> None:
    """Remove the blocks of a finished list file: a process that was killed after its last write has left them.

    Nothing is done while another process holds the lock, since that one removes them, or in a folder of somebody else.
    """
    if path.with_suffix(".blocks").is_dir():
        with suppress(OSError, Timeout), FileLock(path.with_suffix(".lock"), timeout=0):
            remove_own(path.with_suffix(".blocks"), _BLOCKS)


def is_complete(path: Path, shape: tuple[int, int], dtype: type = np.int32) -> bool:
    """Whether the file exists with this shape; a damaged file counts as missing and is computed again."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return array.shape == shape and array.dtype == dtype


def _computed(search: Search, blocks: Sequence[range], engine: Engine) -> Iterator[tuple[range, np.ndarray]]:
    """Yield each block with its lists, in the order in which they finish."""
    if engine.name == "ray" and blocks:
        from love_thy_neighbors.cluster.ray_workers import run_on_cluster  # late: Ray is slow to import, and optional

        yield from run_on_cluster(engine, *_for_workers(search), blocks)
        return
    threads = cores() if isinstance(search, JaccardSearch) else 1  # matrix products use all cores already
    executor = ThreadPoolExecutor(threads)
    waiting, running = iter(blocks), dict[Future[np.ndarray], range]()
    try:
        while True:
            for rows in islice(waiting, 2 * threads - len(running)):  # a few waiting blocks keep the threads busy
                running[executor.submit(search.lists, rows.start, rows.stop)] = rows
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        executor.shutdown(cancel_futures=True)


_Lists = Callable[[range], np.ndarray]


def _for_workers(search: Search) -> tuple[Callable[[Any], _Lists], Search]:
    """A function that opens the search on a worker, and the object that is sent to it through Ray's object store.

    A memory-mapped feature table is sent as its path, because it may be larger than a node's memory. So every node
    must see the collection under the same path. A Jaccard index is sent itself.
    """
    if isinstance(search, EuclideanSearch) and isinstance(search.table, np.memmap):
        assert search.table.filename is not None
        return partial(_with_table_at, Path(search.table.filename)), search._replace(table=np.empty(0))
    return _lists_of, search


def _lists_of(search: Search) -> _Lists:
    return lambda rows: search.lists(rows.start, rows.stop)


def _with_table_at(path: Path, search: EuclideanSearch) -> _Lists:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        pass_on_refusal(path, error)
        raise UserError(
            f"{path}: cannot be read on {socket.gethostname()} ({error}); visual neighbours need the collection under "
            "the same path on every node."
        ) from None
    return _lists_of(search._replace(table=table))
