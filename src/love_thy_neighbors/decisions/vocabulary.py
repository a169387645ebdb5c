"""The user's own words for labels: a table ``label,keyword``.

    label,keyword
    sea,Meer
    beach,Orte|Strand
    people,

"|" divides a keyword from those above it. An empty keyword means: do not write this label. A label that the table does
not have is its own keyword.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from love_thy_neighbors.decisions.keywords import why_not_writable
from love_thy_neighbors.errors import UserError

MAX_BYTES = 16 << 20
_HEADER = ["label", "keyword"]


def read_vocabulary(path: Path, labels: Sequence[str]) -> dict[str, str]:
    """The keyword of each of ``labels`` that the table has, empty for a label that is not to be written.

    Labels that the model does not have are allowed, as one table may serve several models. Raises `UserError`, naming
    file and line.
    """
    if not path.is_file():
        raise UserError(f"vocabulary: {path} is not a file; give a table with the columns label,keyword.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: has over {MAX_BYTES >> 20} MiB; a table of labels is smaller.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save the table as 'CSV UTF-8'.") from None
    delimiter = next((sign for sign in ",;\t" if _cells(lines[0] if lines else "", sign) == _HEADER), None)
    if delimiter is None:
        raise UserError(f"{path}, line 1: is not the header label,keyword; add it.")
    found: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        cells = _cells(line, delimiter)
        if not any(cells):
            continue
        why = _why_wrong(cells, found)
        if why is not None:
            raise UserError(f"{path}, line {number}: {why}; correct it.")
        found[cells[0]] = cells[1]
    return {label: found[label] for label in labels if label in found}


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _why_wrong(cells: Sequence[str], found: dict[str, str]) -> str | None:
    if len(cells) != 2:
        return f"has {len(cells)} cells, not 2"
    if cells[0] in found:
        return f"has the label '{cells[0]}' for the second time"
    why = why_not_writable(cells[1]) if cells[1] else None
    return f"the keyword '{cells[1]}' {why}" if why else None
