"""Cells as plain text, and tables as CSV, LaTeX and Markdown with each format's special characters escaped."""

import csv
import io
import re
from itertools import groupby

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.document import Cell, Row, Table
from love_thy_neighbors.report.estimates import Difference
from love_thy_neighbors.visible import visible

MINUS, PLUS_MINUS = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}"
BEYOND = " (not in the paper)"
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "²": r"$^2$",
    "τ": r"$\tau$",
    "–": "--",
}


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
        return " ".join(parts_of(cell, digits))
    if isinstance(cell, str):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, int) else _number(cell, digits)


def parts_of(difference: Difference, digits: int = 2) -> tuple[str, str]:
    """The mean of a difference, and its interval."""
    mean = _signed(difference.mean, digits)
    if difference.low is None or difference.high is None:
        return mean, "[n/a]"
    return mean, f"[{_signed(difference.low, digits)}, {_signed(difference.high, digits)}]"


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


def as_csv(table: Table) -> str:
    """One line for each row. Estimates take two columns (mean, std), differences three (mean, low, high)."""
    suffixes = [_suffixes([row.cells[place] for row in table.rows]) for place in range(len(table.columns))]
    head = [
        visible(column.flat + suffix) for column, some in zip(table.columns, suffixes, strict=True) for suffix in some
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in table.rows:
        cells = zip(row.cells, suffixes, strict=True)
        writer.writerow([value for cell, some in cells for value in _csv_cells(cell, len(some), table.digits)])
    return text.getvalue()


def _suffixes(cells: list[Cell]) -> tuple[str, ...]:
    """What the CSV titles of a column end with."""
    if any(isinstance(cell, Estimate) for cell in cells):
        return ("", " std")
    return ("", " low", " high") if any(isinstance(cell, Difference) for cell in cells) else ("",)


def _csv_cells(cell: Cell, width: int, digits: int) -> list[str]:
    numbers: tuple[float | None, ...]
    if isinstance(cell, Estimate):
        numbers = (cell.mean, cell.std)
    elif isinstance(cell, Difference):
        numbers = (cell.mean, cell.low, cell.high)
    else:
        # A spreadsheet reads a text that begins like this as a formula.
        is_formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
        return [visible(f"'{cell}" if is_formula else str(cell)), *[""] * (width - 1)]
    return ["" if number is None else f"{number:.{digits + 2}f}" for number in numbers]


def as_latex(table: Table) -> str:
    """A ``table`` environment for the package booktabs."""
    columns = table.columns
    sides = "".join("r" if is_number_column(table, place) else "l" for place in range(len(columns)))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
    ]
    if any(column.group for column in columns):
        lines += [*_latex_groups(table)]
    lines += [" & ".join(latex(column.title) for column in columns) + r" \\", r"\midrule"]
    lines += [" & ".join(latex(text) for text in _texts(table, row)) + r" \\" for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _latex_groups(table: Table) -> list[str]:
    heads, rules, place = [], [], 1
    for group, members in groupby(table.columns, key=lambda column: column.group):
        width = len(list(members))
        heads.append(rf"\multicolumn{{{width}}}{{c}}{{{latex(group)}}}" if group else " & ".join([""] * width))
        rules += [rf"\cmidrule(lr){{{place}-{place + width - 1}}}"] if group else []
        place += width
    return [" & ".join(heads) + r" \\", "".join(rules)]


def latex(text: str) -> str:
    """Plain text with LaTeX's special characters escaped.

    >>> latex("50 % of a_b & c")
    '50 \\\\% of a\\\\_b \\\\& c'
    """
    return "".join(_LATEX.get(character, character) for character in _on_one_line(text))


def _on_one_line(text: str) -> str:
    return visible(" ".join(text.split()))


def as_markdown(table: Table) -> str:
    """A table in GitHub's Markdown."""
    sides = ["--:" if is_number_column(table, place) else ":--" for place in range(len(table.columns))]
    lines = [[markdown(column.flat) for column in table.columns], sides]
    lines += [[markdown(text) for text in _texts(table, row)] for row in table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(text: str) -> str:
    """Plain text with Markdown's and HTML's special characters escaped, on one line.

    >>> markdown("a|b <i> mAP_L _x_")
    'a\\\\|b &lt;i&gt; mAP_L \\\\_x\\\\_'
    """
    text = _on_one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~$#!])", r"\\\1", text)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def _texts(table: Table, row: Row) -> list[str]:
    first, *rest = (text_of(cell, table.digits) for cell in row.cells)
    return [first + (BEYOND if row.beyond else ""), *rest]
