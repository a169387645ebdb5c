"""Labels in a table of two columns, as a spreadsheet saves it: ``file,label`` or ``file,labels``.

    file,label                 file,labels
    2019/Italy/beach.jpg,sea   2019/Italy/beach.jpg,sea;people
    2019/Italy/beach.jpg,people

The header shows whether a line has one label, or all labels with semicolons between them, and whether the columns are
separated by comma, semicolon or tab. UTF-8, with or without a byte order mark. Blank lines are skipped.
"""

import csv
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.jsonl_lines import raw_lines
from love_thy_neighbors.sources.rejects import Rejects, RowError

MAX_LINE_BYTES = 1_000_000
_DELIMITERS = (",", ";", "\t")
_SHOWN = 60  # characters of a cell in an error


@dataclass(frozen=True)
class GivenLabels:
    """``of`` has the sorted labels of each entry; ``rejects`` has the unusable lines."""

    of: dict[str, tuple[str, ...]]
    rejects: Rejects
    counts: dict[str, int]


def read_labels(path: Path, key: str, find: Callable[[str], str | None], on_error: str) -> GivenLabels:
    """The labels in ``path``, whose first column is called ``key`` ("file").

    ``find`` returns the entry for a cell of that column, or None if the cell is unknown. Labels become NFC, stripped.
    A line with an unknown cell, without a label, or repeating an earlier line is refused: it raises `UserError` with
    on_error 'stop', and goes to ``rejects`` with 'skip'. A cell of a column ``labels`` may be empty: no labels.

    Raises `UserError` if there is no such file, header or usable line.
    """
    if not path.is_file():
        raise UserError(f"labels: {path} is not a file; give a table with the columns {key},label or {key},labels.")
    rejects = Rejects(str(path), "line", on_error)
    lines = _Lines(path)
    delimiter, many = _header(path, key, next(lines, ""))
    found: dict[str, dict[str, int]] = {}  # labels of each entry, with their lines
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    used = 0
    row: list[str] | None = []
    while row is not None:
        number = lines.number + 1
        try:
            row = next(rows, None)
            if row:
                if many and delimiter == ";" and len(row) > 2:
                    row = [row[0], ";".join(row[1:])]  # the csv reader has split the labels
                _add(row, number, found, find, many)
                used += 1
        except csv.Error as error:
            rejects.refuse(number, f"is not a line of CSV ({error})")
        except RowError as error:
            rejects.refuse(number, str(error))
    if not used:
        raise rejects.empty()
    counts = {"label_lines": used, "label_lines_left_out": len(rejects.reasons), **_spellings(found)}
    return GivenLabels({name: tuple(sorted(labels)) for name, labels in found.items()}, rejects, counts)


def _spellings(found: Mapping[str, Iterable[str]]) -> dict[str, int]:
    spellings = Counter(label.casefold() for label in {label for labels in found.values() for label in labels})
    return {"labels_that_differ_from_another_in_capitals_only": sum(n for n in spellings.values() if n > 1)}


class _Lines(Iterator[str]):
    """The lines of a file as text; ``number`` is the number of the last one, from 1."""

    def __init__(self, path: Path) -> None:
        self._path, self._lines, self.number = path, raw_lines(path, MAX_LINE_BYTES), 0

    def __next__(self) -> str:
        self.number, raw = next(self._lines)
        if raw is None:
            raise UserError(f"{self._path}, line {self.number}: is longer than {MAX_LINE_BYTES} bytes; shorten it.")
        try:
            return raw.decode("utf-8") + "\n"
        except UnicodeDecodeError:
            raise UserError(
                f"{self._path}, line {self.number}: is not UTF-8; save the table as 'CSV UTF-8' and try again."
            ) from None


def _header(path: Path, key: str, line: str) -> tuple[str, bool]:
    """The delimiter, and whether a line has all labels of an entry."""
    for delimiter in _DELIMITERS:
        names = [name.strip().strip('"').casefold() for name in line.split(delimiter)]
        if names in ([key, "label"], [key, "labels"]):
            return delimiter, names[1] == "labels"
    raise UserError(
        f"{path}, line 1: is {_shown(line.strip())}, not a header; write {key},label for one label a line, or "
        f"{key},labels for all of them with semicolons between."
    )


def _add(
    row: list[str], number: int, found: dict[str, dict[str, int]], find: Callable[[str], str | None], many: bool
) -> None:
    """Add line ``number`` to ``found``; raises `RowError`."""
    if len(row) != 2:
        raise RowError(f"has {len(row)} cells, not 2")
    name, shown = find(row[0].strip()), _shown(row[0])
    if name is None:
        raise RowError(f"names an unknown entry ({shown})")
    cells = row[1].split(";") if many else [row[1]]
    labels = [" ".join(unicodedata.normalize("NFC", cell).split()) for cell in cells]
    if "" in labels and not (many and labels == [""]):
        raise RowError("has an empty label")
    earlier = found.get(name, {})
    if many and name in found:
        raise RowError(f"repeats the entry of an earlier line ({shown})")
    if not many and labels[0] in earlier:
        raise RowError(f"repeats line {earlier[labels[0]]} ({shown})")
    found[name] = earlier | dict.fromkeys(filter(None, labels), number)


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= _SHOWN else cell[: _SHOWN - 3] + "...")
