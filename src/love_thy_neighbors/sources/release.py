"""`Release`: a data set as a source has read it, before features are made from its pictures.

A source is a module of this package with a dataclass `Options`, whose fields are the keys of its file in
configs/source, and a function ``read(options, how, partial) -> Release``. `prepare.make` does the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError, require_share, require_whole
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.not_taken import NotTaken
from love_thy_neighbors.sources.rejects import Rejects, check_on_error

# Number of values; mean and median of images per value; mean and median of values per image. None: not published.
PublishedCounts = tuple[int | None, tuple[float, float] | None, tuple[float, float] | None]


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The keys of configs/source/shared/options.yaml; raises `UserError` for a wrong value."""

    images: Path | None = None
    features: Path | None = None
    min_positives: int = 1
    same_picture_share: float = 0.001
    on_error: str = "stop"

    def __post_init__(self) -> None:
        if self.images is not None and self.features is not None:
            raise UserError("images, features: give one of the two, not both.")
        if self.images is not None and not self.images.is_dir():
            raise UserError(f"images: {self.images} is not a folder; give the one that 'file' is relative to.")
        check_on_error(self.on_error)
        require_whole("min_positives", self.min_positives, 1)
        require_share("same_picture_share", self.same_picture_share)


@dataclass(frozen=True)
class GivenTable:
    """The user's features: a file (`given_features`) of floats [entries, d], row k - 1 for entry number k.

    ``entries`` is the number of entries of the source, ``what`` the source's name in an error.
    """

    path: Path
    entries: int
    what: str


@dataclass(frozen=True)
class FinishedTable:
    """Features from the source itself: a ``.npy`` float16 or float32 [N, d] in the order of the release's rows.

    The file is moved into the collection. ``about`` is its entry in the card.
    """

    backbone: str
    path: Path
    about: dict[str, Any]


@dataclass
class Release:
    """A data set as its source describes it: N images.

    table:      the columns of ``images.parquet``, N rows
    about:      keys of the card; ``counts`` are counts and remarks for the card's ``clean_up``
    numbers:    int64 [N], the rows' entry numbers in the source, from 1; default 1 to N
    files:      the N pictures, or None
    splits:     int8 [S, N], the part of each image in S splits of the release (see `splits.given_split`), or None
    texts:      further files beside the card, by name
    not_taken:  metadata that was seen and not taken
    published:  numbers to print beside Table 1 under the title ``published_as``; they count ``comparable``, or the
                collection's own table if that is None
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
    not_taken: NotTaken = field(default_factory=NotTaken)
    published: Mapping[str, PublishedCounts] = field(default_factory=dict)
    published_as: str = "paper"
    comparable: pa.Table | None = None

    def keep(self, rows: np.ndarray) -> None:
        """Keep only ``rows`` [n], increasing, in everything that has one row an image."""
        self.numbers = self.entry_numbers()[rows]
        self.table = self.table.take(pa.array(rows))
        if self.files is not None:
            self.files = [self.files[row] for row in rows]
        if self.splits is not None:
            self.splits = self.splits[:, rows]

    def entry_numbers(self) -> np.ndarray:
        """``numbers``, or 1 to N."""
        return np.arange(1, self.table.num_rows + 1) if self.numbers is None else self.numbers
