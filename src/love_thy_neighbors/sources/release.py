"""What a source has read, before its pictures become features: the one thing that every source makes.

A source is a module of this package with a dataclass `Options`, whose fields are the keys of its file in
configs/source, and a function ``read(options, how, partial) -> Release``. `making.make` does the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.rejects import Rejects, check_on_error

# Number of values, mean and median of images a value, mean and median of values an image; None where not published.
PublishedCounts = tuple[int | None, tuple[float, float] | None, tuple[float, float] | None]


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The keys of configs/source/shared/options.yaml, which sources of photos have in common.

    Raises `UserError` for values that make no sense together.
    """

    images: Path | None = None
    features: Path | None = None
    min_positives: int = 1
    on_error: str = "stop"

    def __post_init__(self) -> None:
        if self.images is not None and self.features is not None:
            raise UserError("images, features: give one of the two, not both.")
        if self.images is not None and not self.images.is_dir():
            raise UserError(f"images: {self.images} is not a folder; give the one that 'file' is relative to.")
        check_on_error(self.on_error)
        require_whole("min_positives", self.min_positives, 1)


@dataclass(frozen=True)
class GivenTable:
    """Features that the user has: a ``.npy`` [entries, d] of floats, row k - 1 for entry number k of the source.

    ``entries`` is how many the source has; ``what`` names them in an error ("photos.jsonl has 7 lines").
    """

    path: Path
    entries: int
    what: str


@dataclass(frozen=True)
class FinishedTable:
    """Features that the source itself has written: a ``.npy`` float16 [N, d] in the order of the release's rows.

    The file is moved into the collection, not copied. ``about`` goes into the card.
    """

    backbone: str
    path: Path
    about: dict[str, Any]


@dataclass
class Release:
    """A data set as its source describes it.

    Shapes: ``table`` has the columns of ``images.parquet`` and N rows; ``numbers`` [N] int64 are the rows' entry
    numbers in the source, from 1 (default 1 to N); ``files`` are the N pictures, or None; ``splits`` int8 [S, N], the
    part of each image in S splits that the release itself defines (see `splits.given_split`), or None.
    ``about`` are keys of the card, ``counts`` what was found, mended or left out, ``texts`` further files beside the
    card, ``published`` numbers to print beside Table 1 of the collection, under ``published_as``. ``comparable`` is the
    table that those numbers count, where it is not the collection's own.
    """

    name: str
    table: pa.Table
    rejects: Rejects
    about: dict[str, Any]
    counts: dict[str, Any] = field(default_factory=dict)
    numbers: np.ndarray | None = None
    files: list[Path] | None = None
    features: GivenTable | FinishedTable | None = None
    how: Extraction | None = None
    int8: bool = False
    min_positives: int = 1
    splits: np.ndarray | None = None
    texts: dict[str, str] = field(default_factory=dict)
    published: Mapping[str, PublishedCounts] = field(default_factory=dict)
    published_as: str = "paper"
    comparable: pa.Table | None = None

    def keep(self, rows: np.ndarray) -> None:
        """Keep ``rows`` [n], increasing, and drop the others from everything that has a row an image."""
        self.numbers = self.entry_numbers()[rows]
        self.table = self.table.take(pa.array(rows))
        if self.files is not None:
            self.files = [self.files[row] for row in rows]
        if self.splits is not None:
            self.splits = self.splits[:, rows]

    def entry_numbers(self) -> np.ndarray:
        """``numbers``, or 1 to N where the source's entries are the rows."""
        return np.arange(1, self.table.num_rows + 1) if self.numbers is None else self.numbers
