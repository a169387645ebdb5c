"""What the machine refuses, in one sentence: space on the disk, rights on files, memory.

An error of another kind is a bug and keeps its traceback.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from love_thy_neighbors.disk import may
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.results import RESULTS

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota on this disk is used up",
    errno.EFBIG: "the file would be larger than this process may write (ulimit -f)",
}
_RIGHTS = (errno.EACCES, errno.EPERM, errno.EROFS)
_FAULTS = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ETIMEDOUT, errno.EREMOTEIO)
_WRONG_PATHS = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)
# How torch, Arrow and NumPy name a lack of memory in errors that are no MemoryError.
_NO_MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|std::bad_alloc|bad allocation|malloc of size|out of memory"
    r"|failed to map segment",
    re.I,
)
_NO_THREAD = "can't start new thread"
_SIZE = re.compile(r"(?:allocate|size) (\d[\d.]*\s?\w*)")


def refusal(error: BaseException, place: Path | None = None) -> str | None:
    """The sentence for an error of the machine, or one raised from it, without the final stop; None for another error.

    place: the folder to name if the error names no file.
    """
    for one in _with_causes(error):
        if isinstance(one, OSError) and (sentence := _of_a_file(one, place)) is not None:
            return sentence
        if (
            isinstance(one, MemoryError | ImportError | RuntimeError | OSError)
            and (found := _of_memory(one)) is not None
        ):
            return found
    return None


def is_of_a_finished_run(error: Exception) -> bool:
    """Whether Hydra may not write its files into the folder of a finished run, as into a colleague's."""
    denied = [one for one in _with_causes(error) if isinstance(one, OSError) and one.errno in _RIGHTS]
    return any((Path(str(one.filename)).parent / RESULTS).is_file() for one in denied)


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, the one that it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def _of_a_file(error: OSError, place: Path | None) -> str | None:
    number = error.errno or (errno.ENOSPC if re.search(r"\d+ requested and \d+ written", str(error.args)) else None)
    named = error.filename if isinstance(error.filename, str | bytes | os.PathLike) else place
    path = None if named is None else Path(os.fsdecode(named))
    who = "the output" if path is None else str(path)
    if number in _FULL:
        return f"{who}: {_FULL[number]}{_space(error, path, number)}; free some space, or give a folder elsewhere"
    if number in _RIGHTS:
        return f"{who}: {_rights(path, number)}"
    if number in _FAULTS:
        return f"{who}: the disk or the network reports a fault ({error.strerror}); check it, or give another folder"
    if number in _WRONG_PATHS:
        return f"{who}: cannot be used as a path here ({error.strerror}); give another one"
    if number in (errno.EMFILE, errno.ENFILE):
        return f"{who}: too many open files; allow more with ulimit -n"
    return None


def _space(error: OSError, path: Path | None, number: int) -> str:
    """What was needed and what is free, as far as it is known."""
    folder = next((one for one in ([] if path is None else path.absolute().parents) if one.is_dir()), None)
    needed = getattr(error, "needed", 0)
    asked = f"{needed:,} bytes are needed" if needed else "more is needed than there is"
    if folder is None or number != errno.ENOSPC:
        return f" ({asked})" if needed else ""
    return f" ({asked}, {shutil.disk_usage(folder).free:,} bytes are free)"


def _rights(path: Path | None, number: int) -> str:
    if number == errno.EROFS:
        return "the disk can only be read; give a folder elsewhere"
    reached = next(
        (one for one in ([] if path is None else (path, *path.absolute().parents)) if may(one, os.F_OK)), None
    )
    if path is None or reached is None:
        return f"no permission to write it; {_ELSEWHERE}"
    if reached != path:
        may_not = "written" if may(reached, os.X_OK) else "entered"
        return f"cannot be reached or made, because {reached} may not be {may_not} by this user; {_ELSEWHERE}"
    if may(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        return f"may not be written by this user; {_ELSEWHERE}"
    return "may not be read by this user; change its permissions (chmod), or ask its owner"


_ELSEWHERE = "give a folder elsewhere, or change the permissions (chmod)"


def _of_memory(error: BaseException) -> str | None:
    text = str(error)
    if _NO_THREAD in text:
        return "no further thread can be started; allow more memory (ulimit -v) or processes (ulimit -u)"
    if (
        not isinstance(error, MemoryError)
        and getattr(error, "errno", None) != errno.ENOMEM
        and not _NO_MEMORY.search(text)
    ):
        return None
    size = _SIZE.search(text)
    asked = f" ({size[1].strip()} more are needed)" if size else ""
    return f"the memory is used up{asked}; give this process more, or a smaller job (batch_size, M, h)"


# Gigabytes of address space, measured with torch 2.14 and two cores: train.py takes 5.8 at most and works with 5.1; 2.7
# of them are torch's libraries for GPUs. With less, the libraries end the process, or loop, without a word.
_LEAST, _TAKEN, _FOR_GPUS = 4.9, 5.8, 2.7


def require_address_space() -> None:
    """Raise `UserError` if this process may use less address space (ulimit -v) than torch and Numba need to start."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # not on Windows
        return
    limit, _ = getrlimit(RLIMIT_AS)
    torch = find_spec("torch")
    folders = [] if torch is None else list(torch.submodule_search_locations or ())
    spared = 0.0 if any((Path(one) / "lib" / "libtorch_cuda.so").is_file() for one in folders) else _FOR_GPUS
    if limit != RLIM_INFINITY and limit < (_LEAST - spared) * 1e9:
        raise UserError(
            f"this process may use {limit / 1e9:.1f} GB of address space, but torch and Numba need about "
            f"{_TAKEN - spared:.1f} GB; allow more (ulimit -v unlimited)."
        )
