"""MATLAB files of version 7.3, which are HDF5, through h5py.

MATLAB writes a matrix column by column, so h5py shows its transpose. A sparse matrix is a group data, ir, jc with the
number of rows in the attribute MATLAB_sparse; a cell array is a table of references to its entries. Links by name and
content in other files (external links, external storage, virtual datasets) are refused.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from love_thy_neighbors.sources.paper_release.matlab_checks import NUMBERS, MatError, errors_name_file, is_hdf5

os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")  # no plugins: a file may ask for any. Read when h5py is imported.
import h5py

_DEFLATE = 1032  # the most that deflate shrinks
_CHARACTERS = np.dtype("<u2")  # MATLAB's are 16-bit units
_LONGEST_TEXT = 1 << 20
_BLOCK_BYTES = 32 << 20
_MOST_COLUMNS = 1 << 16


def variable_names(path: Path) -> list[str]:
    """The names of the variables in the file."""
    with h5py.File(path, "r") as file:
        return [name for name in file if isinstance(name, str) and not name.startswith("#")]


def read_variables(path: Path, names: list[str]) -> dict[str, Any]:
    """Numbers, sparse matrices and lists of texts by name; "NUS.tags" is the field tags of the struct NUS."""
    with h5py.File(path, "r") as file:
        return {name: _plain(file, name, _find(file, name)) for name in names}


class Table:
    """A table of ``count`` images in a file of version 7.3, which is never whole in memory.

    ``columns`` is how many numbers an image has, ``shape`` and ``dtype`` are those of the file: the images may be its
    rows or its columns. Raises `UserError`.
    """

    def __init__(self, path: Path, name: str, count: int) -> None:
        self.path, self.name = path, name
        with errors_name_file(path):
            if not is_hdf5(path):
                raise MatError("is of version 5 to 7; a table of this size needs version 7.3")
            with h5py.File(path, "r") as file:
                table = _find(file, name)
                if not isinstance(table, h5py.Dataset) or table.ndim != 2 or table.dtype.kind != "f":
                    raise MatError(f"holds {name}, which is not a table of real numbers")
                self.shape, self.dtype = [int(size) for size in table.shape], str(table.dtype)
            if self.shape == [count, count]:
                raise MatError(f"holds {name} of {self.shape}, a square: its images can be its rows or its columns")
            if count not in self.shape:
                raise MatError(f"holds {name} of {self.shape}, but there are {count} image ids")
            self.axis = self.shape.index(count)
            self.columns = self.shape[1 - self.axis]
            if not 1 <= self.columns <= _MOST_COLUMNS:
                raise MatError(f"holds {name} with {self.columns} numbers an image; 1 to {_MOST_COLUMNS} are read")

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The images ``rows`` [n], in blocks: places in ``rows`` [b], increasing, and numbers [b, columns]."""
        order = np.argsort(rows, kind="stable")
        with errors_name_file(self.path), h5py.File(self.path, "r") as file:
            table = file[self.name]
            chunk = table.chunks[self.axis] if table.chunks else 1  # a compressed chunk is read once
            step = max(1, _BLOCK_BYTES // (self.columns * table.dtype.itemsize) // chunk) * chunk
            for first in range(0, self.shape[self.axis], step):
                places = np.sort(order[slice(*np.searchsorted(rows[order], (first, first + step)))])
                if len(places):
                    block = table[first : first + step] if self.axis == 0 else table[:, first : first + step].T
                    yield places, block[rows[places] - first]


def _find(file: h5py.File, name: str) -> h5py.Dataset | h5py.Group:
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
    return _checked(name, group[name])


def _checked(name: str, found: Any) -> Any:
    """``found``; raises `MatError` if its content is in another file, or cannot be as large as it says."""
    if isinstance(found, h5py.Dataset):
        if found.external or found.is_virtual:
            raise MatError(f"holds {name}, whose content lies in another file, which is not read")
        stored = min(found.id.get_storage_size(), Path(found.file.filename).stat().st_size)
        if found.shape is None or found.nbytes > stored * (_DEFLATE if found.chunks else 1):
            raise MatError(f"holds {name}, which claims to be larger than its stored data")
    return found


def _plain(file: h5py.File, name: str, found: Any) -> Any:
    if isinstance(found, h5py.Group):
        if "MATLAB_sparse" not in found.attrs:
            raise MatError(f"holds {name} as a struct, not as numbers or texts")
        return _sparse(name, found)
    if isinstance(found, h5py.Dataset) and found.ndim == 2:
        if found.dtype.kind in NUMBERS:
            # An empty matrix is stored as its size.
            return np.zeros((0, 0)) if "MATLAB_empty" in found.attrs else np.ascontiguousarray(found[()].T)
        if h5py.check_ref_dtype(found.dtype) is h5py.Reference:
            return [_text(file, name, reference) for reference in found[()].ravel()]  # MATLAB's order
    raise MatError(f"holds {name}, which is neither numbers nor a cell array of texts")


def _sparse(name: str, group: h5py.Group) -> sparse.csc_matrix:
    starts = np.ravel(_member(group, "jc")[()])
    data, indices = np.zeros(0), np.zeros(0, dtype=np.int64)
    if "data" in group or "ir" in group:  # a matrix of zeros has neither
        data, indices = (np.ravel(_member(group, part)[()]) for part in ("data", "ir"))
    if data.dtype.kind not in NUMBERS:
        raise MatError(f"holds {name}, a sparse matrix of something other than numbers")
    shape = int(group.attrs["MATLAB_sparse"]), len(starts) - 1
    return sparse.csc_matrix((data, indices.astype(np.int64), starts.astype(np.int64)), shape=shape)


def _text(file: h5py.File, name: str, reference: Any) -> str:
    """The characters of a cell. There are hundreds of thousands of cells, so h5py's faster low level reads them."""
    no_text = MatError(f"holds {name}, a cell array with something other than texts in it")
    if not isinstance(reference, h5py.Reference) or not reference:
        raise no_text
    cell = h5py.h5r.dereference(reference, file.id)
    if not isinstance(cell, h5py.h5d.DatasetID):
        raise no_text
    if cell.get_offset() is None:  # not in this file in one piece
        _checked(name, h5py.Dataset(cell))
    if cell.dtype != _CHARACTERS:
        if "MATLAB_empty" in h5py.Dataset(cell).attrs:
            return ""
        raise no_text
    shape = cell.shape
    if len(shape) > 2 or min(shape, default=1) != 1 or max(shape, default=1) > _LONGEST_TEXT:
        raise no_text
    units = np.empty(shape, dtype=_CHARACTERS)
    cell.read(h5py.h5s.ALL, h5py.h5s.ALL, units)
    return units.tobytes().decode("utf-16-le", "replace")
