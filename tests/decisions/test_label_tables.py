"""decisions/label_tables.py: what is written trains the next model."""

import json
from pathlib import Path

import pytest

from fixtures.decided import Decided, write_decided
from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.decisions.writing import write_decisions
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import folder, jsonl

# Photos 0, 5 and 10 are labelled 'sea' by people.
ROWS = (
    (1, "sea", "yes"),
    (1, "snow, fresh", "yes"),
    (0, "sea", "no"),
    (5, "places|beach", "yes"),
    (5, "sea", "yes"),
    (2, "dog", "no"),
    (3, "dog", "later"),
)
EXPECTED = {1: {"sea", "snow, fresh"}, 5: {"sea", "places|beach"}, 10: {"sea"}}


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    return write_decided(tmp_path).decide(*ROWS)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_dry_run_counts(decided: Decided, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    listing = write_decisions(decided.folder, decided.table, kind)
    assert listing.counts == {"write": 3, "there": 1, "given, but no": 1}
    assert not (decided.folder / f"labels.{kind}").exists()
    assert "3 photos with labels" in capsys.readouterr().out


def test_a_file_that_is_there_is_not_replaced_unasked(decided: Decided) -> None:
    before = decided.table.read_bytes()
    for dry_run in (True, False):
        with pytest.raises(UserError, match="^out: .*overwrite=true"):
            write_decisions(decided.folder, decided.table, "csv", dry_run=dry_run, out=decided.table)
    assert decided.table.read_bytes() == before
    with pytest.raises(UserError, match="^out: .*name of a file"):
        write_decisions(decided.folder, decided.table, "csv", dry_run=False, out=decided.folder, overwrite=True)
    write_decisions(decided.folder, decided.table, "csv", dry_run=False, out=decided.table, overwrite=True)
    assert decided.table.read_text().startswith("file,label")


def test_the_table_of_labels_is_read_by_the_source_folder(decided: Decided, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere" / "mine.csv"
    write_decisions(decided.folder, decided.table, "csv", dry_run=False, out=out)
    options = folder.Options(root=decided.photos, labels=out)
    table = folder.read(options, Extraction(), tmp_path / "partial").table
    labels = {row["file"]: set(row["labels"]) for row in table.to_pylist() if row["labels"]}
    assert labels == {decided.files()[number]: found for number, found in EXPECTED.items()}


def test_the_records_are_read_by_the_source_jsonl(decided: Decided, tmp_path: Path) -> None:
    write_decisions(decided.folder, decided.table, "jsonl", dry_run=False)
    path = decided.folder / "labels.jsonl"
    options = jsonl.Options(records=path, images=decided.photos)
    rows = jsonl.read(options, Extraction(), tmp_path / "partial").table.to_pylist()
    assert {row["file"]: set(row["labels"]) for row in rows} == {
        decided.files()[n]: found for n, found in EXPECTED.items()
    }
    given = {row["file"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    for row in read_annotation(decided.folder).photos.to_pylist():
        if row["file"] in given:
            assert given[row["file"]]["tags"] == row["metadata.tags"]
            assert given[row["file"]]["sets"] == row["metadata.sets"]
            assert given[row["file"]]["id"] == row["id"]
