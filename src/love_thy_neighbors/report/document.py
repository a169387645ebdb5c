"""The parts of a report. Every string is plain text; the writers of HTML, Markdown, CSV and LaTeX escape it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from matplotlib.figure import Figure as Drawing

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.estimates import Difference


class Verdict(StrEnum):
    """The verdict on a claim."""

    CONFIRMED = "confirmed"
    LEANING = "leaning"
    NOT_CONFIRMED = "not confirmed"
    CONSISTENT = "consistent"
    ONE_SPLIT = "one split only"
    MISSING = "missing runs"


class Gap(StrEnum):
    """Why a cell holds no number."""

    MISSING = "missing"  # the run has not finished
    NONE = "–"  # the paper has no number, or none is possible


Cell = str | int | float | Estimate | Difference | Verdict | Gap


@dataclass(frozen=True)
class Column:
    """A column; adjacent columns of one ``group`` share a heading. ``paper`` marks published numbers."""

    title: str
    group: str = ""
    paper: bool = False

    @property
    def flat(self) -> str:
        """The title in formats with a single heading row."""
        return f"{self.group}, {self.title}" if self.group else self.title


@dataclass(frozen=True)
class Row:
    """A row with its heading in the first cell. ``beyond``: not in the paper."""

    cells: tuple[Cell, ...]
    beyond: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``name`` is its file name without an ending. ``folded``: too long to be shown unasked."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    digits: int = 2
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure; ``name`` is its file name without an ending, ``alt`` describes it to those who cannot see it."""

    name: str
    caption: str
    draw: Callable[[], Drawing]
    alt: str = "Plot; the table of this section gives the numbers."


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Links:
    """A paragraph, and links: pairs of a title and the path of a page on this machine."""

    text: str
    pages: tuple[tuple[str, Path], ...]


Block = Table | Figure | Note | Links


@dataclass(frozen=True)
class MissingRuns:
    """The missing runs of an experiment, and the command that makes them."""

    found: int
    planned: int
    command: str
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """The source of a row's numbers: resolved config (YAML), versions, wall time in seconds, names of run folders."""

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
class ToDo:
    """What an experiment has no run for: those that are ``missing``, and why the collection is ``lacking`` others."""

    title: str
    source: str
    missing: MissingRuns | None
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole report on a number of ``results``; ``messages`` name those that it does not use.

    warning: how far the numbers compare with the paper's; empty if the paper's are not shown.
    to_do: the experiments without a result, and those that the collection cannot have.
    """

    collection: str
    warning: str
    results: int
    sections: tuple[Section, ...]
    messages: tuple[str, ...]
    to_do: tuple[ToDo, ...] = ()

    def figures(self) -> list[Figure]:
        """Every figure, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]

    def tables(self) -> list[Table]:
        """Every table, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Table)]
