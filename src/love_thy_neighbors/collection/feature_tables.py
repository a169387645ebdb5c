"""Feature tables in the types that collections are stored in; a table on disk is read block by
block and never whole."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

_BLOCK_BYTES = 64 << 20


def _block_rows(table: np.ndarray) -> int:
    return max(1, _BLOCK_BYTES // max(1, table.shape[1] * max(4, table.itemsize)))


def quantise(table: np.ndarray) -> tuple[np.ndarray, float]:
    """``table`` float [N, d] as int8 [N, d] and the one scale with ``scale * int8 ~ table``."""
    step = _block_rows(table)
    starts = range(0, len(table), step)
    largest = max((float(np.abs(table[i : i + step]).max()) for i in starts), default=0.0)
    scale = largest / 127
    if scale < np.finfo(np.float32).tiny:  # float32, which most tables are, cannot be divided by it
        scale = 1.0
    small = np.empty(table.shape, dtype=np.int8)
    for i in starts:
        small[i : i + step] = np.rint(table[i : i + step] / scale)
    return small, scale


def to_float16(table: np.ndarray, rows: Sequence[int], path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """Rows ``rows`` of ``table`` float [N, d] as float16 in the memory-mapped ``path``, and which
    could not be converted.

    A row with NaN, infinity or a value beyond float16's range is left out; the dictionary has its
    place in ``rows`` and the reason. The result has ``len(rows)`` less that many rows.
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
