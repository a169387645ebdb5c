"""The processes of a distributed run: the main process, and how it shares its data with the others."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from love_thy_neighbors.errors import UserError

# The variables by which torchrun, Lightning, a user who starts a node by hand, and srun number processes or nodes.
NUMBERS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_main_process() -> bool:
    """True in process 0 of node 0, the only one that prints and writes; also before a run is distributed."""
    return all(os.environ.get(number, "0") == "0" for number in NUMBERS)


def has_one_process(trainer: Mapping[str, Any]) -> bool:
    """Whether a run with these arguments of the Trainer is a single process."""
    devices = trainer.get("devices", 1)
    count = len(devices) if isinstance(devices, list) else devices
    return str(count) == "1" and str(trainer.get("num_nodes", 1)) == "1"


def release_large_blocks() -> None:
    """Make glibc return freed blocks of 4 MiB and more to the system at once.

    By default it keeps blocks of up to 32 MiB. In evaluation large features and small lasting results alternate, so the
    memory between the results could not be used again: 250 MB at the paper's size. Blocks of a training step are
    smaller than 4 MiB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # None: another C library
        mallopt(-3, 4 << 20)  # M_MMAP_THRESHOLD


@contextmanager
def lost_process_as_user_error() -> Iterator[None]:
    """Raise a `UserError` where another process of the run has ended and this one cannot go on."""
    try:
        yield
    except RuntimeError as error:
        from torch.distributed import DistError

        if not isinstance(error, DistError) and "gloo" not in str(error):  # gloo raises a bare RuntimeError
            raise
        raise UserError(
            "another process of this run has ended, so this one ends too; see the other one's output, and start the "
            "same command again with resume=true to continue from the last epoch."
        ) from None


def from_main_process(read: Callable[[], Any]) -> Any:
    """The value of ``read()`` in the main process, returned in every process; a `UserError` is raised in all of them.

    For files that the main process has just written: another node may see a shared folder's old state for a minute.
    Before the run is distributed every process reads for itself.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return read()
    shared: list[Any] = [None, None]
    if is_main_process():
        try:
            shared[0] = read()
        except UserError as error:
            shared[1] = error
    distributed.broadcast_object_list(shared)
    if shared[1] is not None:
        raise shared[1]
    return shared[0]
