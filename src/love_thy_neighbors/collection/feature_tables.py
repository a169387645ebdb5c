"""Converts feature tables to the types of a collection, int8, float16 and float32, and checks them; block by block.

float16 has 11 significant bits and ends at 65504. Values with a large common part (1000.01, 1000.02), very large
and very small ones lose in it what tells images apart, so such a table is stored as float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from love_thy_neighbors.disk import new_table
from love_thy_neighbors.errors import UserError

_BLOCK_BYTES = 64 << 20
_LOSS = 1 / 50  # rounding that is too much, as a part of a column's standard deviation
_LOSS_INT8 = 1 / 10  # ... of all columns together, of which the largest one has the 127 steps
_SMALL_COLUMN = 1e-5  # a column with less than this part of the largest deviation: sums in float32 round it away, too
_CONSTANT = 1e-13  # a deviation below this part of the mean is the rounding of float64


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


def is_enough_int8(table: np.ndarray, scale: float) -> bool:
    """Whether the steps of `quantise` are small beside the differences between the rows of ``table`` [N, d]."""
    columns = _Columns(table.shape[1])
    step = _block_rows(table)
    for start in range(0, len(table), step):
        columns.add(np.asarray(table[start : start + step], dtype=np.float64))
    rounding = scale**2 / 12 * table.size  # of numbers that are rounded to whole ones, 1/12 is the mean square error
    return bool(rounding <= _LOSS_INT8**2 * columns.squares.sum())


@dataclass(frozen=True)
class Stored:
    """A table that `store` has written: ``table`` float16 or float32 [n, d], memory-mapped.

    bad: why rows were left out, by their place among those that were asked for.
    why: why the table is float32, None for float16.
    """

    table: np.ndarray
    bad: dict[int, str]
    why: str | None

    @property
    def about(self) -> dict[str, str]:
        """What the table's entry in the card says about it."""
        return {} if self.why is None else {"stored": f"as {self.table.dtype}: {self.why}"}


def store(table: np.ndarray, rows: Sequence[int], path: Path, what: str) -> Stored:
    """Write ``rows`` of ``table`` float [N, d] to the ``.npy`` file ``path``: as float16 if that is enough, or float32.

    float16 is enough if in every column its rounding is at most 1/50 of the standard deviation over the rows. A row
    with NaN, infinity or a value beyond float32 is left out.

    Raises `UserError` if float32 is not enough for a float64 table; ``what`` names the table there.
    """
    columns, bad = _Columns(table.shape[1]), {}
    step = _block_rows(table)
    for start in range(0, len(rows), step):
        block = np.asarray(table[np.asarray(rows[start : start + step])])
        with np.errstate(over="ignore"):
            good = np.isfinite(block.astype(np.float32)).all(axis=1)
        for place in np.flatnonzero(~good):
            finite = bool(np.isfinite(block[place]).all())
            bad[start + int(place)] = (
                "holds a value beyond the range of float32 (3.4e38)" if finite else "holds NaN or infinity"
            )
        if block.itemsize > 2:  # float16 is stored as it is
            columns.add(block[good].astype(np.float64))
    if (lost := columns.lost("float32")) is not None:
        raise UserError(
            f"{what}: column {lost[0]} (from 0) has the mean {lost[1]:g}, beside which float32 cannot hold the "
            f"differences between images; subtract from each column its mean, or multiply the table by a number."
        )
    why = None
    if (lost := columns.lost("float16")) is not None:
        rounding = "cannot hold its values" if lost[2] > 1 else f"rounds by {lost[2]:.0%} of its standard deviation"
        why = f"float16 {rounding} in column {lost[0]} (from 0), whose mean is {lost[1]:g}"
    kept = np.delete(np.asarray(rows, dtype=np.int64), list(bad))
    return Stored(_written(table, kept, path, np.dtype("float16" if why is None else "float32")), bad, why)


def _written(table: np.ndarray, rows: np.ndarray, path: Path, kind: np.dtype) -> np.ndarray:
    result = new_table(path, kind, (len(rows), table.shape[1]))
    step = _block_rows(table)
    with np.errstate(under="ignore"):
        for start in range(0, len(rows), step):
            result[start : start + step] = table[rows[start : start + step]]
    result.flush()
    return result


class _Columns:
    """Deviations of columns from their means, and squared errors of storage, added up block by block in float64.

    ``squares`` [d] are sums over the rows of (x - mean)^2 (Chan, Golub and LeVeque 1979).
    """

    def __init__(self, dim: int) -> None:
        self.rows, self.mean, self.squares = 0, np.zeros(dim), np.zeros(dim)
        self.errors = {"float16": np.zeros(dim), "float32": np.zeros(dim)}

    def add(self, block: np.ndarray) -> None:
        """Add the finite rows ``block`` float64 [n, d]."""
        if not len(block):
            return
        mean, total = block.mean(axis=0), self.rows + len(block)
        between = (mean - self.mean) ** 2 * (self.rows * len(block) / total)
        self.squares += ((block - mean) ** 2).sum(axis=0) + between
        self.mean += (mean - self.mean) * (len(block) / total)
        self.rows = total
        with np.errstate(over="ignore"):
            for kind, errors in self.errors.items():
                errors += ((block.astype(kind) - block) ** 2).sum(axis=0)

    def lost(self, kind: str) -> tuple[int, float, float] | None:
        """The column that ``kind`` rounds most, its mean, and the error as a part of its deviation; None if `_LOSS`
        is exceeded nowhere."""
        deviation = np.sqrt(self.squares / max(self.rows, 1))
        seen = deviation > np.maximum(_SMALL_COLUMN * deviation.max(initial=0), _CONSTANT * np.abs(self.mean))
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(seen, np.sqrt(self.errors[kind] / self.squares), 0)
        if not len(parts) or parts.max() <= _LOSS:
            # A value beyond the range can stand in a column that differs too little to count.
            beyond = np.isinf(self.errors[kind])
            if not beyond.any():
                return None
            parts = np.where(beyond, np.inf, 0)
        column = int(parts.argmax())
        return column, float(self.mean[column]), float(parts[column])


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
