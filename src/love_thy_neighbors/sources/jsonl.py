"""Your own photos: ``python prepare.py source=jsonl records=photos.jsonl images=photos/ out=data/mine``.

First every line and every image's header is checked, which is quick. Then the features are extracted, or taken from
``features=``, whose row k belongs to line k + 1. At the end the collection is written.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.progress import track

from love_thy_neighbors.collection.card import metadata_columns
from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.ignored_tags import read_ignored
from love_thy_neighbors.sources.jsonl_lines import parse_line, raw_lines
from love_thy_neighbors.sources.not_taken import NotTaken
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.records import Record
from love_thy_neighbors.sources.rejects import Rejects, RowError
from love_thy_neighbors.sources.release import GivenTable, Release, SourceOptions
from love_thy_neighbors.sources.spelling import with_one_spelling
from love_thy_neighbors.sources.tables import records_table

_HOW = "as the records file gives them"
_TAGS = f"{_HOW}, in their most frequent spelling, without tags that programs write by themselves"


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """The keys of configs/source/jsonl.yaml; raises `UserError` for wrong values."""

    records: Path | None
    ignore_tags: Path | None = None
    max_line_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        if self.records is None:
            raise UserError("records: give the file with one JSON object a line (records=photos.jsonl).")
        if not self.records.is_file():
            raise UserError(f"records: {self.records} is not a file; give the file with one JSON object a line.")
        if self.images is None and self.features is None:
            raise UserError("images, features: give one of the two, not neither.")
        super().__post_init__()
        read_ignored(self.ignore_tags)  # a mistake in it is reported first
        require_whole("max_line_bytes", self.max_line_bytes, 1)


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """Read and check the records file; raises `UserError`."""
    assert options.records is not None
    rejects = Rejects(str(options.records), "line", options.on_error)
    records: dict[int, Record] = {}
    files: list[Path] = []
    line_of: dict[str, int] = {}
    total = 0
    for number, raw in track(raw_lines(options.records, options.max_line_bytes), "checking lines", transient=True):
        total = number
        try:
            if raw is None:
                raise RowError(f"is longer than max_line_bytes={options.max_line_bytes}")
            record = parse_line(raw, file_required=options.images is not None)
            if record.id in line_of:
                raise RowError(f"has the id '{record.id}', which line {line_of[record.id]} has already")
            if options.images is not None:
                files.append(checked_picture(options.images, str(record.file), how.max_pixels))
        except RowError as error:
            rejects.refuse(number, str(error))
            continue
        line_of[record.id] = number
        records[number] = record
    not_taken = NotTaken()
    table = records_table(with_one_spelling(list(records.values()), read_ignored(options.ignore_tags), not_taken))
    given = None if options.features is None else GivenTable(options.features, total, str(options.records))
    return Release(
        name=options.records.stem,
        table=table,
        rejects=rejects,
        about=_about(options, total, table),
        numbers=np.array(list(records), dtype=np.int64),
        files=files if options.images is not None else None,
        features=given,
        not_taken=not_taken,
        min_positives=options.min_positives,
    )


def _about(options: Options, lines: int, table: pa.Table) -> dict[str, Any]:
    assert options.records is not None
    kinds = metadata_columns(table.column_names)
    return {
        "source": {"records": options.records.name, "lines": lines},
        "licence": "not stated by the records file",
        "labels": {"how": _HOW},
        "metadata": {kind: {"how": _TAGS if kind == "tags" else _HOW} for kind in kinds},
    }
