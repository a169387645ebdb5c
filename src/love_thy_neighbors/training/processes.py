"""Which of a distributed run's processes this is, and what all of them are told by the first."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from love_thy_neighbors.errors import UserError

# What torchrun, Lightning, the person who starts a node by hand, and srun number processes or nodes by.
NUMBERS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_main_process() -> bool:
    """True in the process that alone prints and writes: number 0 of node 0; also before a run is distributed."""
    return all(os.environ.get(number, "0") == "0" for number in NUMBERS)


def give_large_blocks_back() -> None:
    """Make glibc take blocks of 4 MiB and more from the system, and give them back when they are freed.

    Otherwise it keeps those of up to 32 MiB for later. In evaluation a batch's features and its small, lasting results
    take turns, so what is kept is holes between results, into which the next batch's aligned blocks do not fit: a
    quarter of a gigabyte at the paper's size. A training step's blocks are smaller.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # other C libraries have other ways
        mallopt(-3, 4 << 20)  # M_MMAP_THRESHOLD


@contextmanager
def a_lost_process_is_told() -> Iterator[None]:
    """Make a `UserError` of what a process meets that waits for another one of its run which has ended."""
    try:
        yield
    except RuntimeError as error:
        from torch.distributed import DistError

        if not isinstance(error, DistError) and "gloo" not in str(error):  # gloo's errors have no class of their own
            raise
        raise UserError(
            "another process of this run has ended, and none goes on without it; see what that one printed, and start "
            "the same command again with resume=true to go on from the last epoch."
        ) from None


def told_by_main_process(look: Callable[[], Any]) -> Any:
    """What ``look`` gives in the main process, in every process; a `UserError` of its is raised in all of them.

    For what is read from files that the main process has just written: a node may go on seeing a shared folder as it
    was for up to a minute. Before the run is distributed every process looks for itself.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return look()
    told: list[Any] = [None, None]
    if is_main_process():
        try:
            told[0] = look()
        except UserError as error:
            told[1] = error
    distributed.broadcast_object_list(told)
    if told[1] is not None:
        raise told[1]
    return told[0]
