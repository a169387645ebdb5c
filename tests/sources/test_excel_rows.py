"""sources/excel_rows.py: labels from workbooks as Excel writes them, and from crafted ones."""

import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources import excel_rows
from love_thy_neighbors.sources.file_names import FileNames
from love_thy_neighbors.sources.labels_csv import GivenLabels, read_labels

NAMES = FileNames(Path("photos"), ("a.jpg", "b.jpg", "4711.jpg"))


def workbook(folder: Path, *rows: tuple[Any, ...], name: str = "labels.xlsx", before: int = 0) -> Path:
    """A workbook whose last sheet has ``rows``, after ``before`` other sheets."""
    book = Workbook()
    for number in range(before):
        book.active.append((f"notes {number}",))
        book.active = book.index(book.create_sheet())
    for row in rows:
        book.active.append(row)
    book.save(folder / name)
    return folder / name


def labels(path: Path, on_error: str = "stop") -> GivenLabels:
    return read_labels(path, "file", NAMES, on_error)


def changed(path: Path, member: str, content: bytes | None, old: bytes = b"", new: bytes = b"") -> Path:
    """``path`` with another content of one of its files."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[member] = parts[member].replace(old, new) if content is None else content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return path


def test_a_label_a_row_with_empty_rows_and_columns(tmp_path: Path) -> None:
    rows = (("File ", None, "Label", "when"), ("a.jpg", None, "sea", datetime(2019, 5, 3)), (), (None, None, " "))
    path = workbook(tmp_path, *rows, ("b.jpg", None, 2019, None), ("a.jpg", None, "wind"))
    found = labels(path)
    assert found.of == {"a.jpg": ("sea", "wind"), "b.jpg": ("2019",)}
    assert found.rejects.word == "row"


def test_a_list_in_a_cell_and_a_number_as_a_name(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("file", "labels"), ("a.jpg", "sea, wind"), (4711, "sea"))
    assert labels(path).of == {"a.jpg": ("sea", "wind"), "4711.jpg": ("sea",)}


def test_a_column_a_label_with_numbers_and_truth_values(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("file", "sea", "wind"), ("a.jpg", 1, True), ("b.jpg", 1.0, False), ("4711.jpg", None, 0))
    assert labels(path).of == {"a.jpg": ("sea", "wind"), "b.jpg": ("sea",), "4711.jpg": ()}


def test_the_sheet_with_the_column_is_read_whatever_the_files_name(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("FILE", "label"), ("a.jpg", "sea"), before=2, name="labels.csv")
    assert labels(path).of == {"a.jpg": ("sea",)}


def test_a_bad_row_is_named_and_listed(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("file", "label"), (), ("a.jpg", "sea"), ("c.jpg", "sea"))
    with pytest.raises(UserError, match=r"labels.xlsx, row 4: names an unknown file, 'c.jpg'"):
        labels(path)
    assert list(labels(path, "skip").rejects.reasons) == [4]


def test_a_sheet_without_the_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels.xlsx, row 1: is 'picture,label', not a header"):
        labels(workbook(tmp_path, ("picture", "label"), ("a.jpg", "sea")))


def test_without_openpyxl_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path, ("file", "label"))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"labels: .*labels.xlsx .*pip install -e '.\[excel\]'"):
        labels(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path, ("file", "label"), ("a.jpg", "sea"))
    monkeypatch.setattr(excel_rows, "MAX_UNPACKED", 10 << 20)
    changed(path, "xl/worksheets/sheet1.xml", bytes(11 << 20))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("openpyxl.load_workbook", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=r"labels: .*labels.xlsx unpacks to .* over 10 MiB"):
        labels(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("file", "label"), ("a.jpg", "sea"))
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    sheet = "xl/worksheets/sheet1.xml"
    changed(path, sheet, None, b"<worksheet", bomb + b"<worksheet")
    with pytest.raises(UserError, match=r"labels: .*labels.xlsx is not a workbook that can be read"):
        labels(path)


@pytest.mark.parametrize(("limit", "row"), [("MAX_ROWS", b"99999999999"), ("MAX_CELLS", b"2")])
def test_a_sheet_of_endless_rows_or_columns(
    limit: str, row: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path, ("file", "label"), ("a.jpg", "sea"))
    monkeypatch.setattr(excel_rows, limit, 1000)
    cell = b"B" if limit == "MAX_ROWS" else b"XFD"
    changed(path, "xl/worksheets/sheet1.xml", None, b'<row r="2">', b'<row r="' + row + b'">')
    changed(path, "xl/worksheets/sheet1.xml", None, b'r="B2"', b'r="' + cell + row + b'"')
    with pytest.raises(UserError, match=r"labels: .*labels.xlsx has over .* cells or .* rows"):
        labels(path)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_half_of_a_workbook(kept: float, tmp_path: Path) -> None:
    path = workbook(tmp_path, ("file", "label"), ("a.jpg", "sea"))
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * kept)])
    with pytest.raises(UserError, match=r"labels: .*labels.xlsx is not a workbook that can be read"):
        labels(path)
