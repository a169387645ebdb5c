"""A table as the page shows it: the paper's number below ours, where other formats have a column for each."""

from dataclasses import dataclass

from love_thy_neighbors.report.document import Cell, Gap, Table
from love_thy_neighbors.report.tables_as_text import is_number_column


@dataclass(frozen=True)
class StackedColumn:
    """A column's title, and its CSS classes."""

    title: str
    classes: str


@dataclass(frozen=True)
class StackedCell:
    """Our cell and the paper's. The paper's is None if it has no number, and ours if only the paper has one."""

    own: Cell | None
    paper: Cell | None


@dataclass(frozen=True)
class StackedRow:
    """A row, with its heading in the first cell. ``beyond``: not in the paper."""

    cells: tuple[StackedCell, ...]
    beyond: bool


@dataclass(frozen=True)
class StackedTable:
    """A table with one line of headings. ``paper``: whether a column has the paper's numbers."""

    columns: tuple[StackedColumn, ...]
    rows: tuple[StackedRow, ...]
    paper: bool


def stacked(table: Table) -> StackedTable:
    """The table with each of the paper's columns joined to the column before it, ours of the same group."""
    own = [place for place, column in enumerate(table.columns) if not column.paper]
    below = {place: place + 1 for place in own if place + 1 < len(table.columns) and table.columns[place + 1].paper}
    columns = tuple(
        StackedColumn(
            column.group if place in below else column.flat, "number" if is_number_column(table, place) else ""
        )
        for place in own
        for column in [table.columns[place]]
    )
    rows = tuple(
        StackedRow(tuple(_joined(row.cells[p], row.cells[below[p]] if p in below else None) for p in own), row.beyond)
        for row in table.rows
    )
    return StackedTable(columns, rows, bool(below))


def _joined(own: Cell, paper: Cell | None) -> StackedCell:
    if paper is None or paper is Gap.NONE:
        return StackedCell(own, None)
    return StackedCell(None if own is Gap.NONE else own, paper)
