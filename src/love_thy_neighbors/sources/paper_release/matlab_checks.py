"""What both readers of ``.mat`` files share: the version of a file, and one sentence for a damaged one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from love_thy_neighbors.errors import UserError

NUMBERS = "fiub"  # NumPy's kinds: float, integer, unsigned, logical
_HDF5 = b"\x89HDF\r\n\x1a\n"


class MatError(Exception):
    """Why a ``.mat`` file cannot be used; the message completes "NUS_data.mat: ..."."""


@contextmanager
def errors_name_file(path: Path) -> Iterator[None]:
    """Raise `UserError` with ``path`` for whatever is raised within: the libraries' errors have no common class."""
    try:
        yield
    except MatError as error:
        reason = str(error)
    except Exception as error:
        reason = f"cannot be read ({type(error).__name__}: {next(iter(str(error).splitlines()), '')[:200]})"
    else:
        return
    printable = "".join(character if character.isprintable() else "?" for character in reason)
    raise UserError(f"{path}: {printable}; get this file again.")


def is_hdf5(path: Path) -> bool:
    """Whether the file is of version 7.3; raises `MatError` for anything but a MATLAB file of version 5 or later."""
    if not path.is_file():
        raise MatError("is missing")
    with path.open("rb") as file:
        head = file.read(520)
    if _HDF5 in (head[:8], head[512:520]):
        return True
    if head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise MatError("is not a MATLAB file of version 5 or later")
    return False
