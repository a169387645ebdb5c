"""Which columns of a table have the labels, and what a cell of them says.

    file,label                 file,labels                             file,sea,people
    2019/beach.jpg,sea         2019/beach.jpg,sea;people               2019/beach.jpg,1,1
    2019/beach.jpg,people      2019/street.jpg,people                  2019/street.jpg,0,1

The first row names the columns; their order does not matter, and others are not read. In a column ``label`` a cell is
one label. In a column ``labels`` it is a list: a semicolon, ``|`` or line break separates; if no cell of the column has
one of these, a comma does. Without such a column, each column of 0 and 1 is a label.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from love_thy_neighbors.sources.rejects import RowError
from love_thy_neighbors.sources.spelling import clean

YES = frozenset({"1", "1.0", "1,0", "true", "yes", "y", "x", "✓", "✔"})
NO = frozenset({"0", "0.0", "0,0", "false", "no", "n", "-", ""})
_SEPARATORS = re.compile(r"[;|\n\r]")
_MANY = re.compile(r"[;|\n\r,]")
_SHOWN = 60  # characters of a cell in a message


@dataclass(frozen=True)
class LabelColumns:
    """Where a row has its file and its labels.

    kind: 'label', 'labels' or 'marks'. ``columns`` are the places of the columns with labels and their names; ``width``
    is the number of named columns, ``unread`` has the names of those that are not read. ``separator`` divides a list.
    """

    key: int
    kind: str
    columns: dict[int, str]
    width: int
    unread: tuple[str, ...]
    separator: re.Pattern[str]

    def labels(self, row: Sequence[str]) -> list[str]:
        """The labels of a row, in NFC, without empty ones; raises `RowError`."""
        (first, *_) = self.columns
        overflows = self.kind == "labels" and first == self.width - 1
        if len(row) > self.width and not overflows:
            raise RowError(f"has {len(row)} cells, but the first line names {self.width} columns")
        if self.kind == "marks":
            return [name for place, name in self.columns.items() if _is_marked(_at(row, place), name)]
        cell = _list_cell(row, first, self.width) if self.kind == "labels" else _at(row, first)
        parts = [cell] if self.kind == "label" else self.separator.split(cell)
        return [label for part in parts if (label := clean(part))]

    def kept_whole(self, labels: Sequence[str]) -> str:
        """The first of a row's labels that may have been meant as a list; empty if none."""
        signs = {"label": ";|", "labels": ","}.get(self.kind, "")
        return next((label for label in labels if any(sign in label for sign in signs)), "")


def label_columns(header: Sequence[str], rows: Sequence[Sequence[str]], key: str) -> LabelColumns | None:
    """The columns of a table with this header, one of whose columns is called ``key``; None if there are no labels."""
    names = [clean(name) for name in header]
    folded = [name.casefold() for name in names]
    if key not in folded:
        return None
    place, width = folded.index(key), len(names)
    kind = next((name for name in folded if name in ("label", "labels")), "marks")
    if kind == "marks":
        columns = {at: name for at, name in enumerate(names) if name and at != place and _has_marks(rows, at)}
    else:
        columns = {folded.index(kind): kind}
    if not columns:
        return None
    unread = tuple(name for at, name in enumerate(names) if name and at != place and at not in columns)
    lists = (_list_cell(row, folded.index(kind), width) for row in rows) if kind == "labels" else ()
    some = any(_SEPARATORS.search(cell) for cell in lists)
    return LabelColumns(place, kind, columns, width, unread, _SEPARATORS if some else _MANY)


def shown(cell: str) -> str:
    """A cell in a message: quoted, and not too long."""
    return repr(cell if len(cell) <= _SHOWN else cell[: _SHOWN - 3] + "...")


def _at(row: Sequence[str], place: int) -> str:
    return row[place] if place < len(row) else ""


def _list_cell(row: Sequence[str], place: int, width: int) -> str:
    """The cell of a list; if ``labels`` is the last column, a row may go on with one label a cell."""
    return ";".join(row[place:]) if place == width - 1 else _at(row, place)


def _has_marks(rows: Sequence[Sequence[str]], place: int) -> bool:
    """Whether half or more of the filled cells say yes or no: one wrong cell must not cost the label."""
    cells = [cell.casefold() for row in rows if (cell := _at(row, place))]
    return bool(cells) and 2 * sum(cell in YES or cell in NO for cell in cells) >= len(cells)


def _is_marked(cell: str, name: str) -> bool:
    if cell.casefold() not in YES | NO:
        raise RowError(f"has {shown(cell)} in the column {shown(name)}, which is not 0 or 1")
    return cell.casefold() in YES
