"""decisions/reading.py."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from love_thy_neighbors.annotation.files import Annotation, read_annotation
from love_thy_neighbors.decisions.reading import Decision, read_decisions
from love_thy_neighbors.errors import UserError
from made_up_annotation import write_made_up_annotation

HEADER = "id,file,label,decision,decided"
ONE = "2001/photo 1.jpg"
TWO = "2002/photo 2.jpg"


@pytest.fixture(scope="module")
def annotation(tmp_path_factory: pytest.TempPathFactory) -> Annotation:
    return read_annotation(write_made_up_annotation(tmp_path_factory.mktemp("made-up") / "annotation"))


def read(annotation: Annotation, place: Path, content: str | bytes) -> list[Decision]:
    path = place / "decisions.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_decisions(path, annotation)


EXPECTED = [
    Decision(1, "sea", "yes", "2026-11-27T12:00:00+00:00"),
    Decision(1, "snow, fresh", "no", ""),
    Decision(2, "places|beach", "later", "2026-11-27T12:00:00"),
]
ROWS = [
    [TWO, TWO, "places|beach", "later", "2026-11-27 12:00"],
    [ONE, ONE, "sea", "no", ""],
    [ONE, "", "snow, fresh", "No", ""],
    ["wrong in Excel", ONE, "sea", " yes", "2026-11-27T12:00:00Z"],  # the last row counts
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_of_the_page_and_of_excel(
    annotation: Annotation, tmp_path: Path, delimiter: str, end: str, mark: str
) -> None:
    lines = [delimiter.join(f'"{cell}"' for cell in row) for row in ROWS]
    content = mark + end.join([HEADER.replace(",", delimiter), "", *lines, ""])
    assert read(annotation, tmp_path, content) == EXPECTED


def with_columns(annotation: Annotation, **columns: list[str | None]) -> Annotation:
    """The first photos of ``annotation`` with other ids or files."""
    photos = annotation.photos.slice(0, len(next(iter(columns.values()))))
    for name, values in columns.items():
        photos = photos.set_column(photos.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return replace(annotation, photos=photos)


def test_photos_with_one_id_are_told_apart_by_their_files(annotation: Annotation, tmp_path: Path) -> None:
    same = with_columns(annotation, id=["7", "7", "8"], file=["a.jpg", "b.jpg", "c.jpg"])
    found = read(same, tmp_path, f"{HEADER}\n7,a.jpg,sea,yes,\n7,b.jpg,sea,no,\n")
    assert [(one.photo, one.decision) for one in found] == [(0, "yes"), (1, "no")]
    with pytest.raises(UserError, match="line 2: 2 photos have the id '7'"):
        read(same, tmp_path, f"{HEADER}\n7,,sea,yes,\n")
    with pytest.raises(UserError, match="not the same photo"):
        read(same, tmp_path, f"{HEADER}\n7,c.jpg,sea,yes,\n")


def test_photos_with_one_file_are_told_apart_by_their_ids(annotation: Annotation, tmp_path: Path) -> None:
    same = with_columns(annotation, id=["1", "2", "3", "3"], file=["a.jpg", "a.jpg", "b.jpg", "b.jpg"])
    found = read(same, tmp_path, f"{HEADER}\n1,a.jpg,sea,yes,\n3,b.jpg,sea,no,\n")
    assert [(one.photo, one.decision) for one in found] == [(0, "yes"), (2, "no"), (3, "no")]


def test_other_columns_are_ignored_and_the_order_is_free(annotation: Annotation, tmp_path: Path) -> None:
    content = f'decided,note,Decision,label,id,file\n,"two\nlines",yes,sea,{ONE},{ONE}\n'
    assert read(annotation, tmp_path, content) == [Decision(1, "sea", "yes", "")]


@pytest.mark.parametrize(
    ("rows", "line", "what"),
    [
        (f"{ONE},,sea,perhaps,", 2, "perhaps"),
        (f"{ONE},,sea,yes,\n{ONE},,cat,yes,", 3, "cat"),
        ("nobody,,sea,yes,", 2, "nobody"),
        (f"{ONE},{TWO},sea,yes,", 2, TWO),
        (f"{ONE},,sea,yes,27.11.2026", 2, "27.11.2026"),
        (f"{ONE},,sea", 2, "3 cells"),
        (f'{ONE},,sea,yes,\n{ONE},,"sea"x,yes,', 3, "CSV"),
        (f'{ONE},,sea,yes,,"a\n\nb"\n{ONE},,sea,never,', 5, "never"),
    ],
)
def test_a_wrong_row_is_named(annotation: Annotation, tmp_path: Path, rows: str, line: int, what: str) -> None:
    with pytest.raises(UserError) as caught:
        read(annotation, tmp_path, f"{HEADER}\n{rows}\n")
    assert f"{tmp_path / 'decisions.csv'}, line {line}" in str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"id,label\n", HEADER.encode("utf-16"), HEADER.encode() + b"\n\xff\n"])
def test_what_is_not_such_a_table(annotation: Annotation, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"decisions\.csv, line [12]"):
        read(annotation, tmp_path, content)


def test_a_missing_table(annotation: Annotation, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="decisions: "):
        read_decisions(tmp_path / "none.csv", annotation)
