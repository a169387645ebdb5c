"""Your own photos: ``python prepare.py source=jsonl records=photos.jsonl images=photos/
out=data/mine``.

First every line and every image's header is checked, which takes a moment; then the features are
extracted (or taken from ``features=``, whose row k belongs to line k + 1); at the end everything is
written at once.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from love_thy_neighbors.card import METADATA_TYPES
from love_thy_neighbors.collection import open_npy, write_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.extraction import Extraction
from love_thy_neighbors.feature_tables import to_float16
from love_thy_neighbors.images import ImageError, image_size
from love_thy_neighbors.sources.jsonl_lines import LineError, parse_line, raw_lines
from love_thy_neighbors.sources.records import Record, drop_rare_labels, records_table, statistics
from love_thy_neighbors.sources.writing import (
    check_out,
    kept_thumbnails,
    partial_folder,
    show,
)

GIVEN = "given"  # the name of a feature table that was not extracted here


@dataclass(frozen=True)
class Options:
    """The keys of configs/source/jsonl.yaml; raises `UserError` for values that make no sense
    together."""

    records: str | None
    images: str | None = None
    features: str | None = None
    min_positives: int = 1
    on_error: str = "stop"
    max_line_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        if self.records is None:
            raise UserError("records: give the file with one JSON object a line (records=photos.jsonl).")
        if not Path(self.records).is_file():
            raise UserError(f"records: {self.records} is not a file; give the file with one JSON object a line.")
        if (self.images is None) == (self.features is None):
            found = "neither" if self.images is None else "both"
            raise UserError(f"images, features: give one of the two, not {found}.")
        if self.images is not None and not Path(self.images).is_dir():
            raise UserError(f"images: {self.images} is not a folder; give the one that 'file' is relative to.")
        if self.on_error not in ("stop", "skip"):
            raise UserError(f"on_error: '{self.on_error}' is not known; use stop or skip.")
        for key in ("min_positives", "max_line_bytes"):
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"{key}: must be a whole number of 1 or more, not {value}.")


@dataclass
class _Lines:
    """What has been read: ``numbers[i]`` is the line of ``records[i]``; ``rejected`` maps a line to
    its reason."""

    options: Options
    total: int = 0
    numbers: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)

    def refuse(self, number: int, reason: str) -> None:
        """Note a bad line, or with on_error=stop raise it."""
        if self.options.on_error == "stop":
            raise self.error(number, reason)
        self.rejected[number] = reason

    def error(self, number: int, reason: str) -> UserError:
        return UserError(
            f"{self.options.records}, line {number}: {reason}; correct it, or leave bad lines out with on_error=skip."
        )

    def keep(self, rows: list[int]) -> None:
        self.numbers = [self.numbers[row] for row in rows]
        self.records = [self.records[row] for row in rows]


def prepare(options: Options, out: Path, overwrite: bool, how: Extraction) -> None:
    """Make the collection ``out`` from a records file and images or features; raises
    `UserError`."""
    check_out(out, overwrite, options.records, options.images, options.features)
    lines = _read(options, how)
    _refuse_if_empty(lines)
    with partial_folder(out) as partial:
        partial.mkdir(exist_ok=True)
        take = _take_features if options.features else _take_images
        name, features, about, thumbnails = take(lines, how, partial)
        records, names, dropped = drop_rare_labels(lines.records, options.min_positives)
        table = records_table(records)
        card = _card(options, lines, names, dropped)
        card["features"] = {name: about}
        card["statistics"] = statistics(table)
        texts = {"rejected.jsonl": _rejected(lines)} if lines.rejected else {}
        write_collection(out, table, card, {name: features}, thumbnails, texts)
    show(out, len(records), card["statistics"])
    console = Console()
    if dropped:
        console.print(f"labels with fewer than {options.min_positives} images, dropped: {len(dropped)}")
    if lines.rejected:
        console.print(f"lines rejected: {len(lines.rejected)}, see {out / 'rejected.jsonl'}")


def _read(options: Options, how: Extraction) -> _Lines:
    lines = _Lines(options)
    line_of: dict[str, int] = {}
    images = Path(options.images) if options.images else None
    all_lines = raw_lines(Path(str(options.records)), options.max_line_bytes)
    for number, raw in track(all_lines, "checking lines", transient=True):
        lines.total = number
        try:
            if raw is None:
                raise LineError(f"is longer than max_line_bytes={options.max_line_bytes}")
            record = parse_line(raw, file_required=images is not None)
            if record.id in line_of:
                raise LineError(f"has the id '{record.id}', which line {line_of[record.id]} has already")
            if images is not None:
                _check_image(images, str(record.file), how.max_pixels)
        except LineError as error:
            lines.refuse(number, str(error))
            continue
        line_of[record.id] = number
        lines.numbers.append(number)
        lines.records.append(record)
    return lines


def _check_image(images: Path, file: str, max_pixels: int) -> None:
    """Refuse a path that leaves ``images``, and a file whose header already says that it cannot be
    used."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or "\0" in file:
        raise LineError(f"has the file {file!r}, which is not a plain path below images=")
    try:
        target = (images / path).resolve()
        if not target.is_relative_to(images.resolve()):
            raise LineError(f"has the file {file!r}, a link that leads out of images=")
        if not target.is_file():
            raise LineError(f"has the file {file!r}, which does not exist below images=")
        width, height = image_size(target)
    except ImageError as error:
        raise LineError(f"has the file {file!r}, which {error}") from None
    except (OSError, RuntimeError) as error:  # a name too long, a loop of links
        raise LineError(f"has the file {file!r}, which cannot be opened ({error})") from None
    if width * height > max_pixels:
        raise LineError(
            f"has the file {file!r}, which has {width} x {height} pixels, more than max_pixels={max_pixels}"
        )


def _refuse_if_empty(lines: _Lines) -> None:
    if lines.records:
        return
    bad = ""
    if lines.rejected:
        first = min(lines.rejected)
        bad = f" ({len(lines.rejected)} bad lines, the first: line {first} {lines.rejected[first]})"
    raise UserError(f"{lines.options.records}: holds no usable record{bad}; give one a line.")


_Taken = tuple[str, np.ndarray, dict[str, Any], Path | None]


def _take_images(lines: _Lines, how: Extraction, partial: Path) -> _Taken:
    """Features and thumbnails of the images; lines whose image cannot be read are refused."""
    from love_thy_neighbors.features import extract_features  # torch: late, so that mistakes are told at once

    images = Path(str(lines.options.images)).resolve()
    files = [images / str(record.file) for record in lines.records]

    def sentence(row: int, reason: str) -> str:
        return f"has the file {lines.records[row].file!r}, which {reason}"

    stop: Callable[[int, str], Exception] | None = None
    if lines.options.on_error == "stop":
        stop = lambda row, reason: lines.error(lines.numbers[row], sentence(row, reason))  # noqa: E731
    found = extract_features(files, how, partial, stop)
    for row, reason in sorted(found.rejected.items()):
        lines.refuse(lines.numbers[row], sentence(row, reason))
    rows = [row for row in range(len(files)) if row not in found.rejected]
    table, _ = to_float16(found.table, rows, partial / "float16.npy")
    lines.keep(rows)
    _refuse_if_empty(lines)
    thumbnails = kept_thumbnails(found.thumbnails, rows, partial) if found.thumbnails else None
    about = {
        **found.backbone.about,
        "sha256_of_weights": found.backbone.sha256,
        "preprocessing": how.preprocessing,
    }
    return found.backbone.name, table, about, thumbnails


def _take_features(lines: _Lines, how: Extraction, partial: Path) -> _Taken:
    """The rows of ``features=`` that belong to the lines kept, as float16."""
    path = Path(str(lines.options.features))
    given = open_npy(path)
    if given.ndim != 2 or given.dtype.kind != "f" or given.shape[1] == 0:
        raise UserError(f"{path}: {given.dtype} {list(given.shape)}, not a table [N, d] of floats.")
    if len(given) != lines.total:
        raise UserError(
            f"{path}: {len(given)} rows, but {lines.options.records} has {lines.total} lines; "
            "row k belongs to line k + 1."
        )
    rows = [number - 1 for number in lines.numbers]
    table, bad = to_float16(given, rows, partial / "float16.npy")
    for place, reason in bad.items():
        lines.refuse(lines.numbers[place], f"has the feature row {rows[place]} of {path}, which {reason}")
    lines.keep([place for place in range(len(rows)) if place not in bad])
    _refuse_if_empty(lines)
    return GIVEN, table, {"source": path.name, "dtype_given": str(given.dtype)}, None


def _rejected(lines: _Lines) -> str:
    entries = ({"line": number, "reason": reason} for number, reason in sorted(lines.rejected.items()))
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def _card(options: Options, lines: _Lines, names: list[str], dropped: dict[str, int]) -> dict[str, Any]:
    return {
        "name": Path(str(options.records)).stem,
        "source": {"records": Path(str(options.records)).name, "lines": lines.total},
        "licence": "not stated by the records file",
        "labels": {
            "names": names,
            "how": "as the records file gives them",
            "min_positives": options.min_positives,
            "dropped": dropped,
        },
        "metadata": {kind: {"how": "as the records file gives them"} for kind in METADATA_TYPES},
        "clean_up": {
            "lines_rejected": len(lines.rejected),
            "reasons": dict(Counter(_kind_of(reason) for reason in lines.rejected.values())),
        },
    }


def _kind_of(reason: str) -> str:
    """A reason without its particulars, so that like ones are counted together."""
    return reason.split(" (")[0].split("'")[0].split(", which")[0].strip()
