"""sources/labels_csv.py: the tables that spreadsheets write, and what each mistake says."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.messages import names_the_same
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.labels_csv import GivenLabels, read_labels

KNOWN = ("a.jpg", "b.jpg", "c d/e,f.jpg")


def labels(folder: Path, content: str | bytes, on_error: str = "stop") -> GivenLabels:
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_labels(path, "file", lambda cell: cell if cell in KNOWN else None, on_error)


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
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, tmp_path: Path) -> None:
    content, expected = TABLES[name]
    found = labels(tmp_path, content)
    assert found.of == expected
    assert not found.rejects.reasons


HEADER = "not a header; write file,label for one label a line, or file,labels for all of them with semicolons between."
BAD_FILES = {
    "empty": ("", f"line 1: is '', {HEADER}"),
    "no header": ("a.jpg,sea\n", f"line 1: is 'a.jpg,sea', {HEADER}"),
    "another header": ("file,label,who\n", f"line 1: is 'file,label,who', {HEADER}"),
    "another key": ("id,label\n1,sea\n", f"line 1: is 'id,label', {HEADER}"),
    "no line": ("file,label\n\n", "holds no usable line; give at least one."),
    "latin-1": (
        b"file,label\nb.jpg,sea\na.jpg,K\xfcste\n",
        "line 3: is not UTF-8; save the table as 'CSV UTF-8' and try again.",
    ),
    "UTF-16": (
        "file,label\na.jpg,sea\n".encode("utf-16"),
        "line 1: is not UTF-8; save the table as 'CSV UTF-8' and try again.",
    ),
    "no end of line": (b"file,label\n" + b"x" * 1_000_003, "line 2: is longer than 1000000 bytes; shorten it."),
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
    "unknown file": ("file,label", "z.jpg,sea", "names an unknown entry ('z.jpg')"),
    "no file": ("file,label", ",sea", "names an unknown entry ('')"),
    "long name": ("file,label", f"{'x' * 99},sea", f"names an unknown entry ('{'x' * 57}...')"),
    "one cell": ("file,label", "a.jpg", "has 1 cells, not 2"),
    "three cells": ("file,label", "a.jpg,sea,wind", "has 3 cells, not 2"),
    "one cell of many": ("file;labels", "a.jpg", "has 1 cells, not 2"),
    "no label": ("file,label", "a.jpg, ", "has an empty label"),
    "an empty label among others": ("file,labels", "a.jpg,sea;;wind", "has an empty label"),
    "a line twice": ("file,label", "b.jpg,sea", "repeats line 2 ('b.jpg')"),
    "a file twice": ("file,labels", "b.jpg,wind", "repeats the entry of an earlier line ('b.jpg')"),
    "a bare quote": ("file,label", 'a.jpg,"sea"x', "is not a line of CSV (',' expected after '\"')"),
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
        (f"{tmp_path / 'labels.csv'}, line 4: {reason}; correct it, or leave bad lines out with on_error=skip."),
    )
    found = labels(tmp_path, content, "skip")
    assert found.of == {"b.jpg": ("sea",), "c d/e,f.jpg": ("sea",)}
    assert found.rejects.reasons == {4: reason}
    assert found.counts["label_lines_left_out"] == 1


def test_a_quote_that_never_ends_takes_the_rest_with_it(tmp_path: Path) -> None:
    found = labels(tmp_path, 'file,label\nb.jpg,sea\na.jpg,"sea\n' + "b.jpg,wind\n" * 3, "skip")
    assert found.of == {"b.jpg": ("sea",)}
    assert list(found.rejects.reasons) == [3]


def test_labels_that_differ_in_capitals_stay_two_and_are_counted(tmp_path: Path) -> None:
    found = labels(tmp_path, "file,labels\na.jpg,Sea;sea;wind\n")
    assert found.of == {"a.jpg": ("Sea", "sea", "wind")}
    assert found.counts == {
        "label_lines": 1,
        "label_lines_left_out": 0,
        "labels_that_differ_from_another_in_capitals_only": 2,
    }


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="labels: .* is not a file.* id,label "):
        read_labels(tmp_path / "none.csv", "id", str, "stop")


@given(st.binary(max_size=200))
def test_any_bytes_give_labels_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for header in (b"", b"file,label\n", b"file;labels\n"):
        with contextlib.suppress(UserError):
            assert set(labels(folder, header + content, "skip").of) <= set(KNOWN)
