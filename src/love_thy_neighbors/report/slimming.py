"""Leaves out of a table what says nothing: rows without a finished run, and the paper's columns beside other data."""

from dataclasses import replace

from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Row, Table

SPLITS = "splits"  # the title of the column that counts a row's runs


def slimmed(blocks: tuple[Block, ...], beside_paper: bool) -> tuple[Block, ...]:
    """The blocks without rows that have no number yet, and without tables that have no row left.

    beside_paper: whether the paper's numbers are shown.
    """
    found: list[Block] = []
    for block in blocks:
        if isinstance(block, Table):
            table = with_numbers(block if beside_paper else without_paper(block))
            found += [table] if table.rows else []
        else:
            found.append(block)
    return tuple(found)


def with_numbers(table: Table) -> Table:
    """The table without the rows of unfinished runs; without all rows if nothing of ours is in it."""
    if not any(_measured(table, row) for row in table.rows):
        return replace(table, rows=())
    return replace(table, rows=tuple(row for row in table.rows if _measured(table, row) or not _unfinished(table, row)))


def without_paper(table: Table) -> Table:
    """The table without the paper's columns, and without the rows that only the paper has a number for."""
    places = [place for place, column in enumerate(table.columns) if not column.paper]
    if len(places) == len(table.columns):
        return table
    kept = [table.columns[place] for place in places]
    columns = tuple(Column(column.group or column.title) for column in kept)
    rows = (Row(tuple(row.cells[place] for place in places), row.beyond) for row in table.rows)
    kept_rows = tuple(row for row in rows if any(cell is not Gap.NONE for cell in row.cells[1:]))
    return replace(table, columns=columns, rows=kept_rows)


def _own(table: Table, row: Row) -> list[Cell]:
    """The cells that hold our figures."""
    pairs = list(zip(table.columns, row.cells, strict=True))[1:]
    return [cell for column, cell in pairs if not column.paper and column.title != SPLITS]


def _measured(table: Table, row: Row) -> bool:
    return any(not isinstance(cell, Gap) for cell in _own(table, row))


def _unfinished(table: Table, row: Row) -> bool:
    return any(cell is Gap.MISSING for cell in _own(table, row))
