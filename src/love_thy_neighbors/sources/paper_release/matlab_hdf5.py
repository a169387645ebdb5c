"""MATLAB files of version 7.3, which are HDF5, through h5py. Only for the process of `matlab_worker`.

MATLAB writes a matrix column by column, so h5py shows its transpose. A sparse matrix is a group data, ir, jc with the
number of rows in the attribute MATLAB_sparse; a cell array is a table of references to its entries. What would read
other files (external links, external storage, virtual datasets) is refused, and so is a link by name.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from love_thy_neighbors.sources.paper_release.matlab_values import MatError

_NUMBERS = "fiub"  # NumPy's kinds: float, integer, unsigned, logical
_DEFLATE = 1032  # the most that deflate shrinks
_CHARACTERS = np.dtype("<u2")  # MATLAB's are 16-bit units
_LONGEST_TEXT = 1 << 20
_STEP = 1000  # entries of a cell array between two signs of life


def names(path: Path) -> list[str]:
    """The variables of the file."""
    with h5py.File(path, "r") as file:
        return [name for name in file if isinstance(name, str) and not name.startswith("#")]


def read(path: Path, wanted: list[str], tell: Callable[[int], None]) -> dict[str, Any]:
    """The variables ``wanted``; "NUS.tags" is the field tags of the struct NUS. A list of texts is a cell array.

    ``tell`` is called with 0 now and then, as a sign of life.
    """
    with h5py.File(path, "r") as file:
        return {name: _plain(file, name, find(file, name), tell) for name in wanted}


def find(file: h5py.File, name: str) -> h5py.Dataset | h5py.Group:
    """The variable, or field of a struct; raises `MatError`."""
    place: Any = file
    for part in name.split("."):
        if not isinstance(place, h5py.Group) or part not in place:
            there = ", ".join(sorted(map(str, list(place)[:20]))) if isinstance(place, h5py.Group) else "nothing"
            raise MatError(f"has no {name} (there: {there})")
        place = _member(place, part)
    return place


def _member(group: h5py.Group, name: str) -> Any:
    if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
        raise MatError(f"holds {name} as a link to somewhere else, which is not followed")
    return _inside(name, group[name])


def _inside(name: str, found: Any) -> Any:
    """``found``, if its content lies in this file and may be as large as it says."""
    if isinstance(found, h5py.Dataset):
        if found.external or found.is_virtual:
            raise MatError(f"holds {name}, whose content lies in another file, which is not read")
        stored = min(found.id.get_storage_size(), Path(found.file.filename).stat().st_size)
        most = stored * _DEFLATE if found.chunks else stored
        if found.shape is None or found.nbytes > most:
            raise MatError(f"holds {name}, which claims to be larger than what is stored of it")
    return found


def _plain(file: h5py.File, name: str, found: Any, tell: Callable[[int], None]) -> Any:
    if isinstance(found, h5py.Group):
        if "MATLAB_sparse" not in found.attrs:
            raise MatError(f"holds {name} as a struct, not as numbers or texts")
        return _sparse(name, found)
    if isinstance(found, h5py.Dataset) and found.ndim == 2:
        if found.dtype.kind in _NUMBERS:
            # An empty matrix is stored as its size.
            return np.zeros((0, 0)) if "MATLAB_empty" in found.attrs else np.ascontiguousarray(found[()].T)
        if h5py.check_ref_dtype(found.dtype) is h5py.Reference:
            return _texts(file, name, found, tell)
    raise MatError(f"holds {name}, which is neither numbers nor a cell array of texts")


def _sparse(name: str, group: h5py.Group) -> sparse.csc_matrix:
    rows = int(group.attrs["MATLAB_sparse"])
    starts = _vector(name, _member(group, "jc"))
    data, indices = np.zeros(0), np.zeros(0, dtype=np.int64)
    if "data" in group or "ir" in group:  # a matrix of zeros has neither
        data, indices = _vector(name, _member(group, "data")), _vector(name, _member(group, "ir"))
    for part in (starts, indices):
        if part.dtype.kind not in "iu" or (len(part) and int(part.max()) >= 1 << 62):
            raise MatError(f"holds {name}, a sparse matrix with impossible indices")
    if len(starts) < 1 or not 0 <= rows < 1 << 40:
        raise MatError(f"holds {name}, a sparse matrix of impossible size")
    parts = (data, indices.astype(np.int64), starts.astype(np.int64))
    return sparse.csc_matrix(parts, shape=(rows, len(starts) - 1))


def _vector(name: str, found: Any) -> np.ndarray:
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in _NUMBERS or found.ndim > 2:
        raise MatError(f"holds {name}, a sparse matrix without its parts")
    return np.atleast_1d(found[()]).ravel()


def _texts(file: h5py.File, name: str, cells: h5py.Dataset, tell: Callable[[int], None]) -> list[str]:
    texts = []
    for number, reference in enumerate(cells[()].ravel()):  # MATLAB's order
        texts.append(_text(file, name, reference))
        if number % _STEP == 0:
            tell(0)
    return texts


def _text(file: h5py.File, name: str, reference: Any) -> str:
    """The characters that a cell refers to. There are hundreds of thousands, so this is h5py's lower, quicker level."""
    if not isinstance(reference, h5py.Reference) or not reference:
        raise MatError(f"holds {name}, a cell array with empty cells")
    entry = h5py.h5r.dereference(reference, file.id)
    if not isinstance(entry, h5py.h5d.DatasetID):
        raise MatError(f"holds {name}, a cell array with something other than texts in it")
    if entry.get_offset() is None:  # else it lies in this file, in one piece
        _inside(name, h5py.Dataset(entry))
    if entry.dtype != _CHARACTERS:
        if "MATLAB_empty" in h5py.Dataset(entry).attrs:
            return ""
        raise MatError(f"holds {name}, a cell array with something other than texts in it")
    shape = entry.shape
    if len(shape) > 2 or min(shape, default=1) != 1 or max(shape, default=1) > _LONGEST_TEXT:
        raise MatError(f"holds {name}, a cell array with something other than rows of characters in it")
    units = np.empty(shape, dtype=_CHARACTERS)
    entry.read(h5py.h5s.ALL, h5py.h5s.ALL, units)
    return units.tobytes().decode("utf-16-le", "replace")
