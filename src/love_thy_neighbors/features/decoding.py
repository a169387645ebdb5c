"""Decodes pictures into batches of pixels, in order, in worker processes that do not import torch."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones.preprocessing import Fit, Preprocessing, to_square
from love_thy_neighbors.features.images import ImageError, read_image, write_thumbnail

_AHEAD = 3  # batches that are decoded while the network works


@dataclass(frozen=True)
class Decoding:
    """How to decode. Thumbnails of at most ``side`` pixels go into the folder ``thumbnails``; None writes none."""

    preprocessing: Preprocessing
    fit: Fit
    max_pixels: int
    thumbnails: Path | None
    side: int


def decode(how: Decoding, file: Path, row: int) -> np.ndarray | str:
    """The square uint8 [size, size, 3] of the picture in ``file``, or the reason why it cannot be used.

    Also writes the thumbnail ``<row>.webp``.
    """
    try:
        image = read_image(file, how.max_pixels)
        if how.thumbnails:
            write_thumbnail(image, how.thumbnails / f"{row}.webp", how.side)
        return to_square(image, how.preprocessing, how.fit)
    except ImageError as error:
        return str(error)


Batch = tuple[range, np.ndarray, dict[int, str]]


def decoded_batches(files: Sequence[Path], done: int, batch_size: int, how: Decoding, workers: int) -> Generator[Batch]:
    """Yield rows, pixels uint8 [B, size, size, 3] and the reasons of unusable rows, from row ``done`` on.

    ``workers`` processes decode a few batches ahead; with 0, this process decodes each batch when it is needed. Raises
    `UserError` if a worker dies.
    """
    starts = range(done, len(files), batch_size)
    batches = [range(start, min(start + batch_size, len(files))) for start in starts]
    if not workers:
        for rows in batches:
            yield make_batch(rows, [partial(decode, how, files[row], row) for row in rows], how)
        return
    waiting: deque[tuple[range, list[Future]]] = deque()
    ahead = max(_AHEAD, 1 + -(-2 * workers // batch_size))  # small batches must keep every process busy too
    with _pool(min(workers, max(1, len(files) - done))) as pool:
        remaining = iter(batches)
        try:
            for _ in batches:
                while len(waiting) < ahead and (later := next(remaining, None)) is not None:
                    waiting.append((later, [pool.submit(decode, how, files[row], row) for row in later]))
                rows, futures = waiting[0]
                yield make_batch(rows, [future.result for future in futures], how)
                waiting.popleft()
        except BrokenProcessPool:
            raise _dead_worker(files, waiting, workers) from None


def make_batch(rows: range, results: Sequence[Callable[[], np.ndarray | str]], how: Decoding) -> Batch:
    """Call ``results``, which return what `decode` returns for each row, and put them into one batch."""
    size = how.preprocessing.size
    pixels = np.zeros((len(rows), size, size, 3), dtype=np.uint8)
    reasons: dict[int, str] = {}
    for place, result in enumerate(results):
        decoded = result()
        if isinstance(decoded, str):
            reasons[rows[place]] = decoded
        else:
            pixels[place] = decoded
    return rows, pixels, reasons


def _dead_worker(files: Sequence[Path], waiting: Sequence[tuple[range, list[Future]]], workers: int) -> UserError:
    """The error for a dead worker. Each worker was busy with one of the first unfinished pictures, which are named."""
    unfinished = [
        str(files[row])
        for rows, futures in waiting
        for row, future in zip(rows, futures, strict=False)  # the pool may break while a batch is submitted
        if not future.done() or future.cancelled() or future.exception() is not None
    ]
    named = f" while it decoded one of {', '.join(unfinished[: workers + 1])}" if unfinished else ""
    return UserError(
        f"workers: a process that decodes pictures was killed or crashed{named} (memory ran out, or a picture makes "
        "the decoder crash); finished rows are stored, so give the same command again with fewer workers=, or without "
        "that picture."
    )


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield an executor of ``workers`` processes.

    The processes are spawned, because a forked process inherits the locks of torch's and CUDA's threads and may wait
    for them for ever. multiprocessing.Pool would hang when a process dies.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        with _delayed_interrupts():
            for _ in range(workers):
                pool.submit(os.getpid)  # any work starts a process
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _delayed_interrupts() -> Iterator[None]:
    """Delay Ctrl-C until the processes are started. They ignore it for their whole life, so they print no traceback."""
    received: list[tuple[int, FrameType | None]] = []
    handler = signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if mask is not None:  # the processes have inherited the mask; Windows has none
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if received and callable(handler):
            handler(*received[0])


def _end_with_parent() -> None:
    """End this process when its parent ends, even if the parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
