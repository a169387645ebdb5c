"""Pictures decoded into batches of pixels, in order, by worker processes that know nothing of torch."""

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

_AHEAD = 3  # batches that are being decoded while the network is busy


@dataclass(frozen=True)
class Decoding:
    """What is done to each picture; thumbnails of at most ``side`` pixels go to ``thumbnails``, None writes none."""

    preprocessing: Preprocessing
    fit: Fit
    max_pixels: int
    thumbnails: Path | None
    side: int


def decode(how: Decoding, file: Path, row: int) -> np.ndarray | str:
    """The square uint8 [size, size, 3] of the picture in ``file``, or the reason why it cannot be used.

    Writes the thumbnail ``<row>.webp`` on the way.
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

    ``workers`` processes decode a few batches ahead; 0 decodes in this process, when a batch is asked for. Raises
    `UserError` if one of the processes dies.
    """
    starts = range(done, len(files), batch_size)
    batches = [range(start, min(start + batch_size, len(files))) for start in starts]
    if not workers:
        for rows in batches:
            yield gathered(rows, [partial(decode, how, files[row], row) for row in rows], how)
        return
    waiting: deque[tuple[range, list[Future]]] = deque()
    ahead = max(_AHEAD, 1 + -(-2 * workers // batch_size))  # small batches must still keep every process busy
    with _pool(min(workers, max(1, len(files) - done))) as pool:
        coming = iter(batches)
        try:
            for _ in batches:
                while len(waiting) < ahead and (later := next(coming, None)) is not None:
                    waiting.append((later, [pool.submit(decode, how, files[row], row) for row in later]))
                rows, futures = waiting[0]
                yield gathered(rows, [future.result for future in futures], how)
                waiting.popleft()
        except BrokenProcessPool:
            raise _died(files, waiting, workers) from None


def gathered(rows: range, results: Sequence[Callable[[], np.ndarray | str]], how: Decoding) -> Batch:
    """A batch of what `decode` gave for its rows, which is asked for here."""
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


def _died(files: Sequence[Path], waiting: Sequence[tuple[range, list[Future]]], workers: int) -> UserError:
    """What to say when a process is gone; the pictures in work are the first that are not finished, one a process."""
    unfinished = [
        str(files[row])
        for rows, futures in waiting
        for row, future in zip(rows, futures, strict=False)  # the pool may break while a batch is handed over
        if not future.done() or future.cancelled() or future.exception() is not None
    ]
    named = f", while at {', '.join(unfinished[: workers + 1])}" if unfinished else ""
    return UserError(
        "workers: a process that decodes pictures was killed or crashed (memory ran out, or a picture makes the "
        f"decoder crash){named}; the rows before are kept, so give the same command again with fewer workers=, or "
        "without that picture."
    )


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield an executor of ``workers`` processes.

    They are spawned: a forked process would inherit the locks of torch's and CUDA's threads in whatever state they are
    in, and could wait for them for ever. multiprocessing.Pool would hang when a process dies.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        with _interrupts_held():
            for _ in range(workers):
                pool.submit(os.getpid)  # any work starts a process
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until processes are started; they themselves never hear it, and so print no traceback."""
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handler = signal.signal(signal.SIGINT, lambda *what: came.append(what))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if mask is not None:  # which the processes have inherited; there is none on Windows
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if came and callable(handler):
            handler(*came[0])


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even if that was killed: nobody else would end it."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
