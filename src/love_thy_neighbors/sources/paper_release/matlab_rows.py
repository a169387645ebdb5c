"""Rows of a large table in a ``.mat`` file, copied block by block to a float16 ``.npy``. Only for `matlab_worker`."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from love_thy_neighbors.sources.paper_release.matlab_hdf5 import find
from love_thy_neighbors.sources.paper_release.matlab_values import MatError

_BLOCK_BYTES = 32 << 20
_MOST_COLUMNS = 1 << 16
SOUND, NOT_FINITE, TOO_LARGE = 0, 1, 2  # what `copy_rows` says of each row


def copy_rows(
    path: Path, name: str, count: int, wanted: np.ndarray, out: Path, tell: Callable[[int], None]
) -> tuple[np.ndarray, list[int], str]:
    """Write rows ``wanted`` [n] of the table ``name``, which has ``count``, to ``out``, float16 [n, d].

    The table may be stored either way round; ``count`` tells which. Returns for each row [n] whether it is sound, as
    NaN, infinity and what float16 cannot hold is not; the shape as stored, and the type. ``tell`` is told how many rows
    are done. Raises `MatError`.
    """
    with h5py.File(path, "r") as file, out.open("wb") as target:
        table = find(file, name)
        if not isinstance(table, h5py.Dataset) or table.ndim != 2 or table.dtype.kind != "f":
            raise MatError(f"holds {name}, which is not a table of real numbers")
        axis = _row_axis(name, table.shape, count)
        columns = table.shape[1 - axis]
        if not 1 <= columns <= _MOST_COLUMNS:
            raise MatError(f"holds {name} with {columns} numbers an image; 1 to {_MOST_COLUMNS} are read")
        start = _header(target, (len(wanted), columns))
        order = np.argsort(wanted, kind="stable")
        faults = np.zeros(len(wanted), dtype=np.int8)
        for first, block in _blocks(table, axis, wanted[order]):
            low, high = np.searchsorted(wanted[order], (first, first + len(block)))
            places = np.sort(order[low:high])
            faults[places] = _write(target, start, places, block[wanted[places] - first])
            tell(len(places))
        target.truncate(start + 2 * len(wanted) * columns)
        return faults, [int(size) for size in table.shape], str(table.dtype)


def _row_axis(name: str, shape: tuple[int, ...], count: int) -> int:
    if shape[0] == shape[1] == count:
        raise MatError(
            f"holds {name} of {list(shape)}, a square: whether its images are rows or columns cannot be told"
        )
    if count not in shape:
        raise MatError(f"holds {name} of {list(shape)}, but there are {count} image ids")
    return shape.index(count)


def _header(target: IO[bytes], shape: tuple[int, int]) -> int:
    """Write the head of the ``.npy``; returns where its numbers begin."""
    about: dict[str, Any] = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(target, about)
    return target.tell()


def _blocks(table: h5py.Dataset, axis: int, wanted: np.ndarray) -> Any:
    """The blocks of rows that have any of ``wanted``, sorted, in them; a compressed chunk is read once."""
    chunk = table.chunks[axis] if table.chunks else 1
    step = max(1, _BLOCK_BYTES // (table.shape[1 - axis] * table.dtype.itemsize) // chunk) * chunk
    for first in range(0, table.shape[axis], step):
        last = min(first + step, table.shape[axis])
        if np.searchsorted(wanted, first) < np.searchsorted(wanted, last):
            yield first, table[first:last] if axis == 0 else table[:, first:last].T


def _write(target: IO[bytes], start: int, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Write ``rows`` as float16 to their ``places``, increasing; returns what is wrong with each."""
    with np.errstate(over="ignore"):
        small = np.ascontiguousarray(rows, dtype="<f2")
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    for run in np.split(np.arange(len(places)), cuts):
        target.seek(start + int(places[run[0]]) * small.shape[1] * 2)
        target.write(small[run[0] : run[-1] + 1].tobytes())
    finite, held = np.isfinite(rows).all(axis=1), np.isfinite(small).all(axis=1)
    return np.where(held, SOUND, np.where(finite, TOO_LARGE, NOT_FINITE)).astype(np.int8)
