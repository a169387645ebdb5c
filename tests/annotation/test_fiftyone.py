"""annotation/exports/fiftyone.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from love_thy_neighbors.annotation.exports.fiftyone import write_fiftyone
from love_thy_neighbors.annotation.files import read_annotation
from made_up_annotation import LABELS, write_made_up_annotation


def expected(rows: list[dict[str, Any]]) -> set[tuple[str, str, float]]:
    return {(row["file"], row["label"], round(row["probability"], 6)) for row in rows if row["suggested"]}


def test_suggestions_have_their_probability(tmp_path: Path) -> None:
    annotation = read_annotation(write_made_up_annotation(tmp_path / "a", photos_folder="/photos"))
    write_fiftyone(annotation, tmp_path / "fiftyone.json")
    values = json.loads((tmp_path / "fiftyone.json").read_text(encoding="utf-8"))
    assert values["classes"] == LABELS
    found = {
        (name.removeprefix("/photos/"), one["label"], one["confidence"])
        for name, labels in values["labels"].items()
        for one in labels
    }
    assert found == expected(annotation.suggestions.to_pylist())


def test_without_a_folder_photos_are_named_without_their_suffix(tmp_path: Path) -> None:
    annotation = read_annotation(write_made_up_annotation(tmp_path / "a"))
    write_fiftyone(annotation, tmp_path / "fiftyone.json")
    values = json.loads((tmp_path / "fiftyone.json").read_text(encoding="utf-8"))
    rows = annotation.suggestions.to_pylist()
    assert {f"{name}.jpg" for name in values["labels"]} == {row["file"] for row in rows if row["suggested"]}


@pytest.mark.parametrize("known", [True, False])
def test_fiftyone_imports_it(tmp_path: Path, known: bool) -> None:
    """With its importer alone, as a dataset needs a running MongoDB."""
    importers = pytest.importorskip("fiftyone.utils.data.importers", reason="needs fiftyone")
    photos = tmp_path / "photos"
    folder = write_made_up_annotation(tmp_path / "a", photos_folder=str(photos) if known else None)
    annotation = read_annotation(folder)
    for file in annotation.photos["file"].to_pylist():
        (photos / file).parent.mkdir(parents=True, exist_ok=True)
        (photos / file).touch()
    write_fiftyone(annotation, tmp_path / "fiftyone.json")
    importer = importers.FiftyOneImageClassificationDatasetImporter(
        data_path=str(photos), labels_path=str(tmp_path / "fiftyone.json")
    )
    importer.setup()
    found = {
        (str(Path(path).relative_to(photos)), one.label, one.confidence)
        for path, _, labels in importer
        for one in labels.classifications
    }
    assert found == expected(annotation.suggestions.to_pylist())
