"""Tables of numbers in text files, as NUS-WIDE has them: a row a line, columns apart by white space.

A file is read in blocks and checked whole: every line has as many columns as it must (white space at its end, which
some programs take for an empty last column, does not count), every column holds what it must, and there are as many
lines as rows. Both line ends, a missing last one and blank lines at the end of the file are all the same.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError

_BLOCK = 8 << 20  # bytes
_NEWLINE = 10
_SHOWN = 30  # characters of a wrong value in an error
_CURE = "get this file of the release again."


@dataclass(frozen=True)
class Shape:
    """How many rows and columns a table must have, and what says so: the names of two other files."""

    rows: int
    rows_of: str
    columns: int
    columns_of: str | None = None


def read_bits(path: Path, shape: Shape) -> Iterator[np.ndarray]:
    """The table of 0 and 1 in ``path``, in blocks of rows: bool [n, columns].

    Raises `UserError` with the file, line and reason for anything else, and for a wrong number of lines.
    """
    return _read(path, shape, _bits, _bit)


def read_numbers(path: Path, shape: Shape) -> Iterator[np.ndarray]:
    """The table of numbers in ``path``, in blocks of rows: float32 [n, columns]; raises as `read_bits` does."""
    return _read(path, shape, _numbers, _number)


def _read(
    path: Path,
    shape: Shape,
    quick: Callable[[bytes, int], np.ndarray | None],
    value: Callable[[bytes], float],
) -> Iterator[np.ndarray]:
    """Blocks that ``quick`` understands at once, and the others line by line with ``value``, which raises
    `ValueError`."""
    done = 0
    for block in _blocks(path, longest=64 * shape.columns + 1000):
        rows = quick(block, shape.columns)
        if rows is None:
            rows = _slowly(path, done, block, shape, value)
        done += len(rows)
        yield rows
    if done != shape.rows:
        raise UserError(f"{path}: {done} lines, but {shape.rows_of} has {shape.rows}; {_CURE}")


def _blocks(path: Path, longest: int) -> Iterator[bytes]:
    """Whole lines, without the blank ones that end the file; raises `UserError` for a line of over ``longest``
    bytes."""
    rest, lines = b"", 0
    with path.open("rb") as file:
        while chunk := file.read(_BLOCK):
            data = rest + chunk
            # The last line with anything in it waits: it may go on, or only blank lines may follow.
            cut = data.rfind(b"\n", 0, len(data.rstrip())) + 1
            block, rest = data[:cut], data[cut:]
            lines += block.count(b"\n")
            if len(rest) > longest:
                raise UserError(f"{path}, line {lines + 1}: is longer than {longest} bytes; {_CURE}")
            if block:
                yield block
    if rest.strip():
        yield rest.rstrip() + b"\n"


def _slowly(path: Path, done: int, block: bytes, shape: Shape, value: Callable[[bytes], float]) -> np.ndarray:
    """The block's rows, line by line; raises `UserError` for the first that is wrong."""
    rows = []
    for number, line in enumerate(block[:-1].split(b"\n"), done + 1):
        entries = line.split()
        fault = partial(_fault, path, number)
        if not entries:
            raise fault("is blank")
        if len(entries) != shape.columns:
            must = f"not {shape.columns}" if shape.columns_of is None else f"but {shape.columns_of} has {shape.columns}"
            raise fault(f"has {len(entries)} columns, {must}")
        try:
            rows.append([value(entry) for entry in entries])
        except ValueError:
            wrong = next(entry for entry in entries if _fails(value, entry))
            raise fault(f"holds {_shown(wrong)}, not {'0 or 1' if value is _bit else 'a number'}") from None
    return np.array(rows, dtype=bool if value is _bit else np.float32)


def _fault(path: Path, number: int, reason: str) -> UserError:
    return UserError(f"{path}, line {number}: {reason}; {_CURE}")


def _shown(entry: bytes) -> str:
    text = entry.decode("ascii", "backslashreplace")
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def _fails(value: Callable[[bytes], float], entry: bytes) -> bool:
    try:
        value(entry)
    except ValueError:
        return True
    return False


def _bit(entry: bytes) -> float:
    if entry not in (b"0", b"1"):
        raise ValueError
    return entry == b"1"


def _number(entry: bytes) -> float:
    if b"_" in entry:  # Python's 1_000
        raise ValueError
    return float(entry)


def _bits(block: bytes, columns: int) -> np.ndarray | None:
    """The rows of ``block``, or None if it does not look as it should."""
    solid = np.frombuffer(block, dtype=np.uint8) > ord(" ")
    if (solid[1:] & solid[:-1]).any():  # two characters with nothing between: not 0 or 1
        return None
    dense = np.frombuffer(block.translate(None, b" \t\r"), dtype=np.uint8)
    if len(dense) % (columns + 1):
        return None
    lines = dense.reshape(-1, columns + 1)
    rows = lines[:, :-1] - np.uint8(ord("0"))
    if (lines[:, -1] != _NEWLINE).any() or rows.max() > 1:
        return None
    return rows.view(bool)


def _numbers(block: bytes, columns: int) -> np.ndarray | None:
    """The rows of ``block``, or None if it does not look as it should."""
    characters = np.frombuffer(block, dtype=np.uint8)
    begins = characters > ord(" ")
    begins[1:] &= ~begins[:-1]
    lines = np.concatenate([[0], np.flatnonzero(characters == _NEWLINE)[:-1] + 1])
    if (np.add.reduceat(begins, lines, dtype=np.int64) != columns).any():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # what NumPy gives for text that is no number
        try:
            values = np.fromstring(block, dtype=np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return values.reshape(-1, columns) if values.size == len(lines) * columns else None
