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
    return replace(table, rows=tuple(row for row in table.rows if _measured(table, row) or _quoted(table, row)))


def without_paper(table: Table) -> Table:
    """The table without the paper's columns, and without columns for which no run is planned."""
    every = list(enumerate(table.columns))
    places = [
        place
        for place, column in every
        if place == 0 or not (column.paper or all(row.cells[place] is Gap.NONE for row in table.rows))
    ]
    paired = {column.group for column in table.columns if column.paper}
    kept = [table.columns[place] for place in places]
    columns = tuple(Column(column.group) if column.group in paired else column for column in kept)
    rows = tuple(Row(tuple(row.cells[place] for place in places), row.beyond) for row in table.rows)
    return replace(table, columns=columns, rows=rows)


def _own(table: Table, row: Row) -> list[Cell]:
    """The cells that hold our figures."""
    pairs = list(zip(table.columns, row.cells, strict=True))[1:]
    return [cell for column, cell in pairs if not column.paper and column.title != SPLITS]


def _measured(table: Table, row: Row) -> bool:
    return any(not isinstance(cell, Gap) for cell in _own(table, row))


def _quoted(table: Table, row: Row) -> bool:
    """Whether the paper alone has numbers for a row: no run of ours is planned."""
    return Gap.MISSING not in _own(table, row) and any(
        column.paper and not isinstance(cell, Gap) for column, cell in zip(table.columns, row.cells, strict=True)
    )
