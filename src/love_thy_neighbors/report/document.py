"""What a report is made of, before it is written as a page, as Markdown, as CSV and as LaTeX.

Every string here is plain text; each writer escapes it for its own format.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from matplotlib.figure import Figure as Drawing

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.estimates import Difference


class Verdict(StrEnum):
    """What the runs say about a claim."""

    CONFIRMED = "confirmed"
    LEANING = "leaning"
    NOT_CONFIRMED = "not confirmed"
    CONSISTENT = "consistent"
    ONE_SPLIT = "one split only"
    MISSING = "missing runs"


class Gap(StrEnum):
    """Why a cell holds no number."""

    MISSING = "missing"  # a run that has not finished
    NONE = "–"  # the paper reports none, or the question makes no sense here


Cell = str | int | float | Estimate | Difference | Verdict | Gap


@dataclass(frozen=True)
class Column:
    """A column; columns of one ``group`` side by side share a heading. ``paper`` marks published numbers."""

    title: str
    group: str = ""
    paper: bool = False

    @property
    def flat(self) -> str:
        """Title for formats without a second heading row."""
        return f"{self.group}, {self.title}" if self.group else self.title


@dataclass(frozen=True)
class Row:
    """A row, whose first cell is its heading. ``beyond`` marks what is not in the paper."""

    cells: tuple[Cell, ...]
    beyond: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``name`` is its file name without an ending. ``folded``: long, so the page shows it on request."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    digits: int = 2
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure; ``draw`` makes it for a theme of `themes`.

    On the page ``cards``, groups of `galleries`' cards with their titles, take its place.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[[Any], Drawing]
    cards: tuple[tuple[str, tuple[Any, ...]], ...] = ()


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: str


Block = Table | Figure | Note


@dataclass(frozen=True)
class MissingRuns:
    """Which runs of an experiment are not there, and the command that makes them."""

    found: int
    planned: int
    command: str
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where a row's numbers come from: resolved config (YAML), versions, wall time in seconds, names of run folders."""

    title: str
    config: str
    versions: tuple[str, ...]
    seconds: float
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """An experiment's part of the report; ``name`` is its anchor, ``source`` its place in the paper."""

    name: str
    title: str
    source: str
    blocks: tuple[Block, ...]
    missing: MissingRuns | None = None
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole, from ``results`` files; ``told`` are sentences about those that were left out or are not used."""

    collection: str
    warning: str
    results: int
    sections: tuple[Section, ...]
    told: tuple[str, ...]

    def figures(self) -> list[Figure]:
        """Every figure, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]

    def tables(self) -> list[Table]:
        """Every table, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Table)]
