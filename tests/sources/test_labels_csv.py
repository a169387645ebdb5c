"""sources/labels_csv.py: the tables that spreadsheets write, and what each mistake says."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.messages import names_the_same
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources import table_rows
from love_thy_neighbors.sources.file_names import FileNames
from love_thy_neighbors.sources.labels_csv import GivenLabels, read_labels

KNOWN = ("a.jpg", "b.jpg", "c d/e,f.jpg")
NAMES = FileNames(Path("photos"), KNOWN)


def labels(folder: Path, content: str | bytes, on_error: str = "stop") -> GivenLabels:
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_labels(path, "file", NAMES, on_error, most_unknown=1)


BOTH = {"a.jpg": ("sea", "wind"), "b.jpg": ("sea",)}
TABLES = {
    "one a line": ("file,label\na.jpg,wind\nb.jpg,sea\na.jpg,sea\n", BOTH),
    "all in a line": ("file,labels\na.jpg,wind;sea\nb.jpg,sea", BOTH),
    "semicolons between the columns": ("file;label\na.jpg;wind\na.jpg;sea\nb.jpg;sea\n", BOTH),
    "semicolons everywhere": ("file;labels\na.jpg;wind;sea\nb.jpg;sea\n", BOTH),
    "semicolons everywhere, quoted": ('file;labels\na.jpg;"wind;sea"\nb.jpg;sea\n', BOTH),
    "tabs": ("file\tlabels\na.jpg\twind;sea\nb.jpg\tsea\n", BOTH),
    "byte order mark, Windows' line ends, capitals, quotes": (
        b'\xef\xbb\xbf"File","Labels"\r\na.jpg,"wind; sea"\r\n"b.jpg",sea\r\n',
        BOTH,
    ),
    "blank lines": ("file,labels\n\na.jpg,wind;sea\nb.jpg,sea\n\n\n", BOTH),
    "quoted comma, white space": ('file,label\n"c d/e,f.jpg", New   York \n', {"c d/e,f.jpg": ("New York",)}),
    "accents apart": ("file,label\na.jpg,Ku\u0308ste\n", {"a.jpg": ("Küste",)}),
    "none for one": ("file,labels\na.jpg,\nb.jpg,sea\n", {"a.jpg": (), "b.jpg": ("sea",)}),
    "none for one, semicolons": ("file;labels\na.jpg;\nb.jpg;sea\n", {"a.jpg": (), "b.jpg": ("sea",)}),
    "one twice in a cell": ("file,labels\na.jpg,sea;sea\n", {"a.jpg": ("sea",)}),
    "a line break in a cell": (
        'file,label\na.jpg,"New\nYork"\nb.jpg,sea\n',
        {"a.jpg": ("New York",), "b.jpg": ("sea",)},
    ),
    "a comma in a list": ('file,labels\na.jpg,"sea, wind"\nb.jpg,sea\n', BOTH),
    "a stroke in a list": ("file,labels\na.jpg,sea|wind\nb.jpg,sea\n", BOTH),
    "line breaks in a list": ('file,labels\na.jpg,"sea\nwind"\nb.jpg,sea\n', BOTH),
    "a list without quotes": ("file,labels\na.jpg,sea,wind\nb.jpg,sea\n", BOTH),
    "a comma inside, semicolons between": (
        'file,labels\na.jpg,"Smith, John;sea"\nb.jpg,"Lee, Ann"\n',
        {"a.jpg": ("Smith, John", "sea"), "b.jpg": ("Lee, Ann",)},
    ),
    "empty ones in a list": ("file,labels\na.jpg,sea;;wind;\nb.jpg,sea\n", BOTH),
    "sep=; first": ("sep=;\nfile;labels\na.jpg;sea;wind\nb.jpg;sea\n", BOTH),
    "sep=, first, quoted, Windows": ('"sep=,"\r\nfile,labels\r\na.jpg,sea;wind\r\nb.jpg,sea\r\n', BOTH),
    "commas at the end": ("file,label,,\na.jpg,sea,,\na.jpg,wind,,\nb.jpg,sea,,\n", BOTH),
    "empty rows": ("file,label\na.jpg,sea\n,\n,,,\na.jpg,wind\n  ,\nb.jpg,sea\n", BOTH),
    "a third column": ("file,label,who\na.jpg,sea,Ann\na.jpg,wind,\nb.jpg,sea,Bob\n", BOTH),
    "another order": ("label,who,file\nsea,Ann,a.jpg\nwind,,a.jpg\nsea,Bob,b.jpg\n", BOTH),
    "line ends of old Macs": ('file,labels\ra.jpg,"sea;wind"\rb.jpg,sea\r', BOTH),
    "UTF-16 with tabs, as Excel's Unicode text": (
        "file\tlabels\r\na.jpg\tsea;wind\r\nb.jpg\tsea\r\n".encode("utf-16"),
        BOTH,
    ),
    "a line twice": ("file,label\na.jpg,sea\na.jpg,wind\na.jpg,sea\nb.jpg,sea\n", BOTH),
    "a file twice": ("file,labels\na.jpg,sea\nb.jpg,sea\na.jpg,wind\n", BOTH),
    "no label": ("file,label\na.jpg,\nb.jpg\n", {"a.jpg": (), "b.jpg": ()}),
    "a column a label": ("file,sea,wind\na.jpg,1,1\nb.jpg,1,0\n", BOTH),
    "other marks, another column": (
        "file;date;Sea;wind\na.jpg;2019-05-03;x;TRUE\nb.jpg;2019-05-04;X;false\nc d/e,f.jpg;;;\n",
        {"a.jpg": ("Sea", "wind"), "b.jpg": ("Sea",), "c d/e,f.jpg": ()},
    ),
    "numbers with a comma": ("file;sea;wind\na.jpg;1,0;1,0\nb.jpg;1,0;0,0\n", BOTH),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, tmp_path: Path) -> None:
    content, expected = TABLES[name]
    found = labels(tmp_path, content)
    assert found.of == expected
    assert not found.rejects.reasons


HEADER = "not a header; write file,label for one label a line, or file,labels for all of them."
BAD_FILES = {
    "empty": ("", f"line 1: is '', {HEADER}"),
    "no header": ("a.jpg,sea\n", f"line 1: is 'a.jpg,sea', {HEADER}"),
    "another header": ("file,who\na.jpg,Ann\n", f"line 1: is 'file,who', {HEADER}"),
    "no other column": ("file\na.jpg\n", f"line 1: is 'file', {HEADER}"),
    "another key": ("id,label\n1,sea\n", f"line 1: is 'id,label', {HEADER}"),
    "no line": ("file,label\n\n", "holds no usable line; give at least one."),
    "latin-1": (
        b"file,label\nb.jpg,sea\na.jpg,K\xfcste\n",
        "line 3: is not UTF-8; save the table as 'CSV UTF-8' and try again.",
    ),
    "UTF-16 without a mark": (
        "file,label\na.jpg,K\u00fcste\n".encode("utf-16-le"),
        "line 2: is not UTF-8; save the table as 'CSV UTF-8' and try again.",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_bad_file_is_refused_whatever_on_error_says(name: str, on_error: str, tmp_path: Path) -> None:
    content, message = BAD_FILES[name]
    with pytest.raises(UserError) as caught:
        labels(tmp_path, content, on_error)
    between = ": " if name == "no line" else ", "
    assert names_the_same(str(caught.value), f"{tmp_path / 'labels.csv'}{between}{message}")


BAD_LINES = {
    "unknown file": ("file,label", "z.bmp,sea", "names an unknown file, 'z.bmp'"),
    "no file": ("file,label", ",sea", "names an unknown file, ''"),
    "long name": ("file,label", f"{'x' * 99},sea", f"names an unknown file, '{'x' * 57}...'"),
    "three cells": ("file,label", "a.jpg,sea,wind", "has 3 cells, but the first line names 2 columns"),
    "a bare quote": ("file,label", 'a.jpg,"sea"x', "is not a line of CSV (',' expected after '\"')"),
    "an endless cell": (
        "file,label",
        f"a.jpg,{'x' * 200_000}",
        "is not a line of CSV (field larger than field limit (131072))",
    ),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_named_or_skipped(name: str, tmp_path: Path) -> None:
    header, line, reason = BAD_LINES[name]
    between = header[4]
    content = f"{header}\nb.jpg{between}sea\n\n{line}\nc d/e,f.jpg,sea\n".replace("c d/e,f.jpg", '"c d/e,f.jpg"')
    content = content if between == "," else content.replace('",sea', '";sea')
    with pytest.raises(UserError) as caught:
        labels(tmp_path, content)
    assert names_the_same(
        str(caught.value),
        f"{tmp_path / 'labels.csv'}, line 4: {reason}; correct it, or leave bad lines out with on_error=skip.",
    )
    found = labels(tmp_path, content, "skip")
    assert found.of == {"b.jpg": ("sea",), "c d/e,f.jpg": ("sea",)}
    assert list(found.rejects.reasons) == [4]
    assert found.rejects.reasons[4].startswith(reason)
    assert found.counts["label_lines_left_out"] == 1


def test_a_quote_that_never_ends_takes_the_rest_with_it(tmp_path: Path) -> None:
    found = labels(tmp_path, 'file,label\nb.jpg,sea\na.jpg,"sea\n' + "b.jpg,wind\n" * 3, "skip")
    assert found.of == {"b.jpg": ("sea",)}
    assert list(found.rejects.reasons) == [3]


def test_labels_that_differ_in_capitals_stay_two_and_are_counted(tmp_path: Path) -> None:
    found = labels(tmp_path, "file,labels\na.jpg,Sea;sea;wind\n")
    assert found.of == {"a.jpg": ("Sea", "sea", "wind")}
    assert found.counts["labels_that_differ_from_another_in_capitals_only"] == 2


def test_everything_is_counted(tmp_path: Path) -> None:
    lines = ("a.jpg,sea", "A.JPG,sea", "b.jpg,", "b.jpg,wind", "z.bmp,sea", "a.jpg,sea,wind", '".\\a",wind')
    found = labels(tmp_path, "file,label\n" + "\n".join(lines), "skip")
    assert found.of == {"a.jpg": ("sea", "wind"), "b.jpg": ("wind",)}
    assert found.counts == {
        "label_lines": 5,
        "label_lines_without_label": 1,
        "label_lines_repeated": 1,
        "label_lines_found_under_another_spelling": 2,
        "label_lines_left_out": 2,
        "labels_that_differ_from_another_in_capitals_only": 0,
    }
    left_out, respelt = found.remarks
    assert "2 of 7 lines (28.6 %)" in left_out
    assert "line 6: names an unknown file, 'z.bmp'" in left_out
    assert "line 3 names 'A.JPG', which is 'a.jpg'" in respelt


def test_what_is_not_read_or_taken_whole_is_said(tmp_path: Path) -> None:
    (unread,) = labels(tmp_path, "file,label,who\na.jpg,sea,Ann\n").remarks
    assert "who" in unread
    unread, columns = labels(tmp_path, "file,sea,width,wind\na.jpg,1,640,0\n").remarks
    assert "width" in unread
    assert "sea, wind" in columns
    (whole,) = labels(tmp_path, "file,label\nb.jpg,sea\na.jpg,sea|wind\n").remarks
    assert "line 3: 'sea|wind'" in whole
    (whole,) = labels(tmp_path, 'file,labels\nb.jpg,sea;sun\na.jpg,"sea, wind"\n').remarks
    assert "line 3: 'sea, wind'" in whole


def test_one_wrong_mark_does_not_cost_the_label(tmp_path: Path) -> None:
    content = "file,sea,wind\na.jpg,1,l\nb.jpg,1,1\nc d/e.jpg,0,0\n".replace("c d/e.jpg", '"c d/e,f.jpg"')
    found = labels(tmp_path, content, "skip")
    assert found.of == {"b.jpg": ("sea", "wind"), "c d/e,f.jpg": ()}
    assert found.rejects.reasons == {2: "has 'l' in the column 'wind', which is not 0 or 1"}


@pytest.mark.parametrize(("unknown", "refused"), [(2, False), (3, True)])
def test_the_table_of_other_photos_is_refused(unknown: int, refused: bool, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    others = "".join(f"other/{number}.jpg,sea\n" for number in range(unknown))
    path.write_text(f"file,label\na.jpg,sea\nb.jpg,wind\n{others}")
    if not refused:
        assert len(read_labels(path, "file", NAMES, "skip").rejects.reasons) == unknown
        return
    with pytest.raises(UserError, match=r"labels.csv: 3 of 5 lines .*line 4: names an unknown file, 'other/0.jpg'"):
        read_labels(path, "file", NAMES, "skip")


OTHERS = {
    "labels.xls": (b"\xd0\xcf\x11\xe0" + bytes(99), "xls"),
    "labels.csv": (b"\xd0\xcf\x11\xe0" + bytes(99), "xls"),
    "labels.ods": (b"PK\x03\x04", "OpenDocument"),
    "labels.xlsx": (b"PK\x03\x04 and no more", "not a workbook"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_tables_of_other_programs(name: str, tmp_path: Path) -> None:
    content, expected = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"labels: .*{name} .*{expected}.*CSV UTF-8"):
        read_labels(tmp_path / name, "file", NAMES, "skip")


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "MAX_BYTES", 20)
    with pytest.raises(UserError, match=r"labels: .*labels.csv has 21 bytes"):
        labels(tmp_path, "file,label\na.jpg,sea\n"[:21])


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="labels: .* is not a file.* id,label "):
        read_labels(tmp_path / "none.csv", "id", NAMES, "stop")


@given(st.binary(max_size=200))
def test_any_bytes_give_labels_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for header in (b"", b"file,label\n", b"file;labels\n"):
        with contextlib.suppress(UserError):
            assert set(labels(folder, header + content, "skip").of) <= set(KNOWN)
