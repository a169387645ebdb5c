"""The rows of a sheet in an Excel workbook (.xlsx), read by openpyxl, an optional package, row by row.

A workbook is a ZIP archive of XML files, so a small one can become very large: what it unpacks to is limited before
anything is read. openpyxl parses with defusedxml, which is installed with this project and refuses entities.
"""

import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError

MAX_UNPACKED = 256 << 20  # bytes: a million rows of file and label have about 100 MB
MAX_FILES = 1000  # in the archive
MAX_ROWS = 1_048_576  # Excel's own limit
MAX_CELLS = 50_000_000


def excel_rows(path: Path, key: str) -> Iterator[tuple[int, list[str]]]:
    """The numbers and cells of the rows of the first sheet with a cell ``key`` in its first row, else of the first one.

    Numbers and truth values are written as a CSV has them (1, 0.5, true). Raises `UserError` without openpyxl, for a
    damaged workbook, and for one that unpacks to more than the limits.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise UserError(
            f"labels: {path} is an Excel workbook, which needs openpyxl: pip install -e '.[excel]', or save the table "
            "as 'CSV UTF-8'."
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of extensions of Excel that openpyxl does not know
        try:
            _check_size(path)
            with path.open("rb") as file:
                workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
                sheets = [sheet for sheet in workbook.worksheets if hasattr(sheet, "iter_rows")]
                with_key = (sheet for sheet in sheets if key in _first_names(path, sheet))
                sheet = next(with_key, sheets[0] if sheets else None)
                yield from _rows(path, sheet) if sheet is not None else ()
        except UserError:
            raise
        except Exception as error:  # openpyxl's errors on damaged workbooks have no common class
            pass_on_refusal(path, error)
            raise UserError(
                f"labels: {path} is not a workbook that can be read ({error or type(error).__name__}); save it again "
                "as .xlsx, or as 'CSV UTF-8'."
            ) from None


def _check_size(path: Path) -> None:
    """Raise `UserError` if the archive unpacks to more than the limits. Python's zipfile unpacks no more of a file than
    its directory says."""
    with zipfile.ZipFile(path) as archive:
        files = archive.infolist()
    unpacked = sum(file.file_size for file in files)
    if unpacked > MAX_UNPACKED or len(files) > MAX_FILES:
        raise UserError(
            f"labels: {path} unpacks to {unpacked:,} bytes in {len(files):,} files, over {MAX_UNPACKED >> 20} MiB or "
            f"{MAX_FILES:,} files; save the table alone as 'CSV UTF-8'."
        )


def _rows(path: Path, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    cells = 0
    sheet.reset_dimensions()  # some programs write a wrong size of the sheet
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells += len(row)
        if cells > MAX_CELLS or number > MAX_ROWS:
            raise UserError(
                f"labels: {path} has over {MAX_CELLS:,} cells or {MAX_ROWS:,} rows; save the table alone as "
                "'CSV UTF-8'."
            )
        yield number, [_text(value) for value in row]


def _first_names(path: Path, sheet: Any) -> list[str]:
    """The cells of the first row that is not empty, in lower case."""
    cells = ([cell.strip().casefold() for cell in row] for _, row in _rows(path, sheet))
    return next((row for row in cells if any(row)), [])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
