"""A table's cells as plain text."""

import re

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.document import Cell, Table
from love_thy_neighbors.report.estimates import Difference

MINUS, PLUS_MINUS = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}"


def text_of(cell: Cell, digits: int = 2) -> str:
    """A cell as text.

    >>> text_of(Estimate(52.78, 0.34, 5))
    '52.78 ± 0.34'
    >>> text_of(Difference(-1.5, -2.0, -1.0, 5, 0))
    '−1.50 [−2.00, −1.00]'
    """
    if isinstance(cell, Estimate):
        deviation = "" if cell.std is None else f" {PLUS_MINUS} {cell.std:.{digits}f}"
        return f"{_number(cell.mean, digits)}{deviation}"
    if isinstance(cell, Difference):
        if cell.low is None or cell.high is None:
            return f"{_signed(cell.mean, digits)} [n/a]"
        return f"{_signed(cell.mean, digits)} [{_signed(cell.low, digits)}, {_signed(cell.high, digits)}]"
    if isinstance(cell, str):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, int) else _number(cell, digits)


def is_number(cell: Cell) -> bool:
    """Whether a cell is a number, or a pair of them ('3 of 5', '2.4 / 2')."""
    return not isinstance(cell, str) or re.fullmatch(r"[\d.,]+( (/|of) [\d.,]+)?", cell) is not None


def is_number_column(table: Table, place: int) -> bool:
    """Whether a column is aligned to the right: it is not the first, and has a number."""
    return place > 0 and any(is_number(row.cells[place]) for row in table.rows)


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", MINUS)


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", MINUS)
