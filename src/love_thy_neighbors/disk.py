"""Space on the disk is reserved before it is needed, and an error of the disk names its file.

`programs.machine` turns these errors into sentences.
"""

import errno
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

# What posix_fallocate answers where a file system has no such call.
_NO_RESERVATION = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What says nothing about a file's content: a missing right, a faulty or full disk, no memory, too many open files.
_NOT_OF_THE_CONTENT = (
    *(*FULL, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT),
    *(errno.ENOMEM, errno.EMFILE, errno.ENFILE),
)


class NoSpaceError(OSError):
    """A file does not fit on its disk; ``needed`` are its bytes."""

    needed: int = 0


def reserve(path: Path, size: int) -> None:
    """Make the existing file ``path`` at least ``size`` bytes long, all of them on the disk.

    Raises `NoSpaceError` if they do not fit, before anything is written. Does nothing where that cannot be known.
    """
    if size == 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in _NO_RESERVATION:
            return
        if error.errno not in FULL:
            raise
        full = NoSpaceError(error.errno, error.strerror, str(path))
        full.needed = size
        raise full from None


def write_head(file: IO[bytes], path: Path, kind: Any, shape: tuple[int, ...]) -> None:
    """Write the head of a ``.npy`` file of this dtype and shape at the beginning of ``file``, which is ``path``, and
    reserve the space of the whole table; raises `NoSpaceError`."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    reserve(path, file.tell() + math.prod(shape) * np.dtype(kind).itemsize)


def new_table(path: Path, kind: Any, shape: tuple[int, ...]) -> np.memmap:
    """A new ``.npy`` file of zeros with this dtype and shape, memory-mapped for writing.

    Its space is reserved, because a memory-mapped file that outgrows the disk kills the process. Raises `NoSpaceError`,
    and then leaves no file.
    """
    try:
        with path.open("wb") as file:
            write_head(file, path, kind, shape)
        return np.lib.format.open_memmap(path, mode="r+")
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the operating system inside name ``path`` if it names no file, as those of writing and flushing.

    The name of something temporary beside ``path``, which the user never gave, becomes the final one.
    """
    try:
        yield
    except OSError as error:
        named = error.filename
        if not isinstance(named, str | bytes | os.PathLike):  # none, or the number of an open file
            error.filename = str(path)
        elif (found := Path(os.fsdecode(named))).is_relative_to(path.parent) and found != path.parent:
            first, *rest = found.relative_to(path.parent).parts
            if first.startswith(f".{path.name}."):
                error.filename = str(path.joinpath(*rest))
        raise


def may(path: Path, mode: int) -> bool:
    """Whether this process may do ``mode`` (os.R_OK, os.W_OK, os.X_OK, or os.F_OK: see it) with ``path``."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def pass_on_refusal(path: Path, error: BaseException) -> None:
    """Raise ``error`` again, with the name of ``path``, if the system refuses to read or write it: it may be sound.

    Called where another error means that the file is damaged.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _NOT_OF_THE_CONTENT):
        with naming(path):
            raise error
