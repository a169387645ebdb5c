"""The rows of a table as spreadsheets save it: CSV in many variants, or .xlsx (`excel_rows`).

CSV may be separated by comma, semicolon, tab or ``|``, which its first line shows, or a line ``sep=;`` before it says;
lines may end as on Windows, Unix or old Macs; the text is UTF-8, or UTF-16 with a byte order mark ("Unicode text").
"""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.excel_rows import excel_rows

MAX_BYTES = 256 << 20
_DELIMITERS = (",", ";", "\t", "|")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_OTHERS = {".xls": "xls", ".ods": "OpenDocument", ".numbers": "Numbers"}

# Number of the line or row, from 1, and its cells; or the reason why it has none.
Row = tuple[int, list[str] | str]


def table_rows(path: Path, key: str) -> tuple[str, Iterator[Row]]:
    """What a row is called ("line" of a CSV, "row" of a sheet), and the rows that are not empty, with stripped cells.

    ``key`` is the name of a column, by which the delimiter of a CSV and the sheet of a workbook are known. Raises
    `UserError` for a file of another kind, one over `MAX_BYTES`, and one that is not UTF-8.
    """
    if not path.is_file():
        raise UserError(f"labels: {path} is not a file; give a table with the columns {key},label or {key},labels.")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise UserError(f"labels: {path} has {size:,} bytes, over {MAX_BYTES >> 20} MiB; divide it.")
    content = path.read_bytes()
    other = _OTHERS.get(path.suffix.lower()) or ("xls" if content.startswith(_OLE) else None)
    if other is not None:
        raise UserError(f"labels: {path} is a table of the kind {other}; save it as .xlsx or as 'CSV UTF-8'.")
    if content.startswith(_ZIP):
        return "row", _filled(excel_rows(path, key))
    return "line", _filled(_csv_rows(_text(path, content), key))


def _filled(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows with stripped cells, without empty cells at the end; empty rows are left out."""
    for number, row in rows:
        if isinstance(row, str):
            yield number, row
            continue
        cells = [cell.strip() for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield number, cells


def _text(path: Path, content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        raise UserError(
            f"{path}, line {before.count(10) + 1}: is not UTF-8; save the table as 'CSV UTF-8' and try again."
        ) from None


def _csv_rows(text: str, key: str) -> Iterator[Row]:
    lines = io.StringIO(text, newline="")
    first = next((line for line in lines if line.strip()), "").strip().strip('"')
    skipped = 0
    if first.lower().startswith("sep=") and len(first) == len("sep=") + 1:
        delimiter = first[-1]
        lines.seek(0)
        while not lines.readline().strip():
            skipped += 1
        skipped += 1
    else:
        delimiter = max(_DELIMITERS, key=lambda one: _columns(first, one, key))
        lines.seek(0)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = skipped + reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield number, f"is not a line of CSV ({error})"
            continue
        if row is None:
            return
        yield number, row


def _columns(header: str, delimiter: str, key: str) -> int:
    """The number of columns of a header with this delimiter; 0 if none is called ``key``."""
    names = [name.strip().strip('"').casefold() for name in header.split(delimiter)]
    return len(names) if key in names else 0
