"""Tables of numbers in text files, as NUS-WIDE has them: one row a line, columns separated by white space.

A file is read in blocks of lines. Each line must have the right number of columns, and the file one line for each row.
Line ends, a missing last line end and blank lines at the end of the file do not matter.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError

_BLOCK = 8 << 20  # bytes
_SHOWN = 30  # characters of a wrong value in an error
_CURE = "get this file of the release again."


@dataclass(frozen=True)
class Shape:
    """The expected number of rows and columns; ``rows_of`` is the file whose lines are the rows."""

    rows: int
    rows_of: str
    columns: int


def read_bits(path: Path, shape: Shape) -> Iterator[np.ndarray]:
    """The table of 0 and 1 in ``path``, in blocks of rows: bool [n, columns]. Raises as `read_numbers` does."""
    done = 0
    for rows in read_numbers(path, shape):
        wrong = np.argwhere((rows != 0) & (rows != 1))
        if len(wrong):
            row, column = wrong[0]
            raise UserError(f"{path}, line {done + row + 1}: holds {rows[row, column]:.9g}, not 0 or 1; {_CURE}")
        done += len(rows)
        yield rows.astype(bool)


def read_numbers(path: Path, shape: Shape) -> Iterator[np.ndarray]:
    """The table of numbers in ``path``, in blocks of rows: float32 [n, columns].

    Raises `UserError` with the file and line for a wrong number of columns and for anything that is not a number, and
    with the file for a wrong number of lines.
    """
    done = 0
    for block in _blocks(path, longest=64 * shape.columns + 1000):
        rows = _parsed(path, done, block, shape)
        done += len(rows)
        yield rows
    if done != shape.rows:
        raise UserError(f"{path}: {done} lines, but {shape.rows_of} has {shape.rows}; {_CURE}")


def _blocks(path: Path, longest: int) -> Iterator[bytes]:
    """Whole lines, without the blank lines at the end; raises `UserError` for a line of more than ``longest`` bytes."""
    rest, lines = b"", 0
    with path.open("rb") as file:
        while chunk := file.read(_BLOCK):
            data = rest + chunk
            # The last line that is not blank waits: it may continue, or only blank lines may follow.
            cut = data.rfind(b"\n", 0, len(data.rstrip())) + 1
            block, rest = data[:cut], data[cut:]
            lines += block.count(b"\n")
            if len(rest) > longest:
                raise UserError(f"{path}, line {lines + 1}: is longer than {longest} bytes; {_CURE}")
            if block:
                yield block
    if rest.strip():
        yield rest.rstrip() + b"\n"


def _parsed(path: Path, done: int, block: bytes, shape: Shape) -> np.ndarray:
    """The block's rows; ``done`` lines come before it."""
    characters = np.frombuffer(block, dtype=np.uint8)
    begins = characters > ord(" ")  # a number begins here: no white space here, but white space before
    begins[1:] &= ~begins[:-1]
    lines = np.concatenate([[0], np.flatnonzero(characters == ord("\n"))[:-1] + 1])
    columns = np.add.reduceat(begins, lines, dtype=np.int64)
    if (columns != shape.columns).any():
        line = int(np.argmax(columns != shape.columns))
        reason = f"has {columns[line]} columns, not {shape.columns}" if columns[line] else "is blank"
        raise UserError(f"{path}, line {done + line + 1}: {reason}; {_CURE}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # NumPy's answer to text that is not a number
        try:
            values = np.fromstring(block, dtype=np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            values = np.empty(0, dtype=np.float32)
    if values.size != len(lines) * shape.columns:
        place, entry = next((found for found in enumerate(block.split()) if not _is_number(found[1])), (0, b""))
        shown = entry[:_SHOWN].decode("ascii", "backslashreplace")
        raise UserError(f"{path}, line {done + place // shape.columns + 1}: holds {shown!r}, not a number; {_CURE}")
    return values.reshape(-1, shape.columns)


def _is_number(entry: bytes) -> bool:
    try:
        float(entry)
    except ValueError:
        return False
    return b"_" not in entry  # Python's 1_000
