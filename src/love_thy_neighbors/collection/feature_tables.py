"""Converts feature tables to the types of a collection, int8 and float16, and checks them; block by block."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError

_BLOCK_BYTES = 64 << 20


def _block_rows(table: np.ndarray) -> int:
    return max(1, _BLOCK_BYTES // max(1, table.shape[1] * max(4, table.itemsize)))


def quantise(table: np.ndarray) -> tuple[np.ndarray, float]:
    """``table`` float [N, d] as int8 [N, d], and the scale with ``scale * int8 ~ table``."""
    step = _block_rows(table)
    starts = range(0, len(table), step)
    largest = max((float(np.abs(table[i : i + step]).max()) for i in starts), default=0.0)
    scale = largest / 127
    if scale < np.finfo(np.float32).tiny:  # too small to divide float32 by
        scale = 1.0
    small = np.empty(table.shape, dtype=np.int8)
    for i in starts:
        small[i : i + step] = np.rint(table[i : i + step] / scale)
    return small, scale


def to_float16(table: np.ndarray, rows: Sequence[int], path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """Rows ``rows`` of ``table`` float [N, d] as float16, memory-mapped in ``path``, and the rows left out.

    A row with NaN, infinity or a value beyond float16's range is left out: the dictionary maps its place in ``rows`` to
    the reason, and the result has fewer rows.
    """
    shape = (len(rows), table.shape[1])
    result = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    bad: dict[int, str] = {}
    done, step = 0, _block_rows(table)
    for start in range(0, len(rows), step):
        block = np.asarray(table[np.asarray(rows[start : start + step])])
        with np.errstate(over="ignore"):
            small = block.astype(np.float16)
        good = np.isfinite(small).all(axis=1)
        for place in np.flatnonzero(~good):
            finite = bool(np.isfinite(block[place]).all())
            bad[start + int(place)] = (
                "holds a value beyond the range of float16 (65504)" if finite else "holds NaN or infinity"
            )
        kept = small[good]
        result[done : done + len(kept)] = kept
        done += len(kept)
    result.flush()
    return result[:done], bad


def refuse_non_finite(path: Path, table: np.ndarray) -> None:
    """Raise `UserError` naming the first row of ``table`` [N, d] with NaN or infinity; reads the table in blocks."""
    if table.dtype.kind != "f":
        return
    step = _block_rows(table)
    for start in range(0, len(table), step):
        block = table[start : start + step]
        if block.dtype == np.float16:  # NumPy's isfinite is slow on float16: test the exponent bits
            finite = (np.asarray(block).view(np.uint16) & 0x7C00) != 0x7C00
        else:
            finite = np.isfinite(block)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite.all(axis=1))[0])
            raise UserError(
                f"{path}: row {row} holds NaN or infinity; extract that image's features again or leave it out."
            )
