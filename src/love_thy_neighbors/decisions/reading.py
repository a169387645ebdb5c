"""``decisions.csv`` as the page exports it: what people decided about the suggested labels.

    id,file,label,decision,decided
    4711,2019/Italy/beach.jpg,sea,yes,2026-11-27T12:00:00Z

decision: yes, no or later. decided: date and time (ISO 8601), may be empty. Other columns are ignored. Excel's
semicolons, tabs and byte order mark are read. Of several rows for one photo and label, the last one counts.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from love_thy_neighbors.annotation.files import Annotation
from love_thy_neighbors.errors import UserError

COLUMNS = ("id", "file", "label", "decision", "decided")
DECISIONS = ("yes", "no", "later")
MAX_BYTES = 1 << 30
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Decision:
    """photo: row in photos.parquet. decision: 'yes', 'no' or 'later'. decided: ISO 8601, or empty."""

    photo: int
    label: str
    decision: str
    decided: str


def read_decisions(path: Path, annotation: Annotation) -> list[Decision]:
    """The decisions in ``path`` by photo, then in the order of the annotation's labels.

    Raises `UserError`, naming file and line, for an unknown photo, label or decision, an id of several photos without
    a file, a wrong date, and a file that is not such a table.
    """
    if not path.is_file():
        raise UserError(f"decisions: {path} is not a file; give the decisions.csv that the page has exported.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: has over {MAX_BYTES >> 30} GiB; divide it into several files.")
    by_id, by_file = _rows_of(annotation, "id"), _rows_of(annotation, "file")
    labels = {label: place for place, label in enumerate(annotation.about.labels)}
    found: dict[tuple[int, int], Decision] = {}
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        photos = _photos(where, row, by_id, by_file)
        if row["label"] not in labels:
            raise UserError(f"{where}: the label '{row['label']}' is not one of this annotation; correct or delete it.")
        decision = row["decision"].strip().lower()
        if decision not in DECISIONS:
            raise UserError(f"{where}: the decision '{row['decision']}' is not known; use {', '.join(DECISIONS)}.")
        date = _date(where, row["decided"])
        for photo in photos:
            found[photo, labels[row["label"]]] = Decision(photo, row["label"], decision, date)
    return [found[key] for key in sorted(found)]


def _rows_of(annotation: Annotation, column: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, value in enumerate(annotation.photos[column].to_pylist()):
        if value is not None:
            found.setdefault(value, []).append(row)
    return found


def _photos(where: str, row: dict[str, str], by_id: dict[str, list[int]], by_file: dict[str, list[int]]) -> list[int]:
    """The photo with this id and this file; by its file alone where the id is unknown, as Excel turns 0012 into 12.

    Ids need not be unique. Several photos are found where one file has several rows: the decision is on all of them.
    """
    ids, files = by_id.get(row["id"], []), by_file.get(row["file"], [])
    if not ids and not files:
        raise UserError(
            f"{where}: the photo '{row['id'] or row['file']}' is not in this annotation; give the annotation that the "
            "decisions were made on."
        )
    if not ids:
        return files
    if not row["file"]:
        if len(ids) > 1:
            raise UserError(f"{where}: {len(ids)} photos have the id '{row['id']}'; add the file in the column 'file'.")
        return ids
    both = sorted({*ids} & {*files})
    if not both:
        raise UserError(f"{where}: id '{row['id']}' and file '{row['file']}' are not the same photo; correct one.")
    return both


def _date(where: str, text: str) -> str:
    text = text.strip()
    try:
        return text and datetime.fromisoformat(text).isoformat()
    except ValueError:
        raise UserError(
            f"{where}: the date '{text}' is not in the form 2026-11-27T12:00:00Z; correct it or leave it empty."
        ) from None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of the first line and the cells of each row; blank rows are skipped."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = 1
        try:
            header = file.readline(10_000)
            delimiter, names = _header(path, header)
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            line = 2
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    if len(cells) < len(names):
                        raise UserError(f"{path}, line {line}: has {len(cells)} cells, not {len(names)}; correct it.")
                    yield line, {name: cells[place] for name, place in names.items()}
                line = rows.line_num + 2
        except csv.Error as error:
            raise UserError(f"{path}, line {line}: is not a row of CSV ({error}); correct it.") from None
        except UnicodeDecodeError:
            raise UserError(f"{path}, line {line} or later: is not UTF-8; save the table as 'CSV UTF-8'.") from None


def _header(path: Path, line: str) -> tuple[str, dict[str, int]]:
    """The delimiter, and the places of our columns."""
    for delimiter in _DELIMITERS:
        cells = [cell.strip().casefold() for cell in next(csv.reader([line], delimiter=delimiter), [])]
        if set(COLUMNS) <= set(cells):
            return delimiter, {name: cells.index(name) for name in COLUMNS}
    raise UserError(f"{path}, line 1: is not a header with the columns {','.join(COLUMNS)}; export the table again.")
