"""annotation/exports/label_studio.py."""

import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from defusedxml.ElementTree import fromstring

from love_thy_neighbors.annotation.exports.label_studio import LOCAL_FILES, write_label_studio
from love_thy_neighbors.annotation.files import Annotation, read_annotation
from made_up_annotation import LABELS, write_made_up_annotation


@pytest.fixture
def annotation(tmp_path: Path) -> Annotation:
    return read_annotation(write_made_up_annotation(tmp_path / "made up"))


def test_each_suggestion_is_a_choice(annotation: Annotation, tmp_path: Path) -> None:
    setup = write_label_studio(annotation, tmp_path / "tasks.json", model_version="spring")
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    found = {
        (task["data"]["id"], label)
        for task in tasks
        for label in task["predictions"][0]["result"][0]["value"]["choices"]
    }
    rows = [row for row in annotation.suggestions.to_pylist() if row["suggested"]]
    assert found == {(row["id"], row["label"]) for row in rows}
    for row in rows:
        (task,) = [task for task in tasks if task["data"]["id"] == row["id"]]
        assert task["data"]["probabilities"][row["label"]] == pytest.approx(row["probability"], abs=1e-6)
        assert unquote(task["data"]["image"]) == LOCAL_FILES + row["file"]
        assert task["predictions"][0]["model_version"] == "spring"
        assert task["predictions"][0]["score"] == min(task["data"]["probabilities"].values())
    assert setup.name == "tasks.xml"
    assert [one.get("value") for one in fromstring(setup.read_text()).iter("Choice")] == LABELS


def test_label_studio_accepts_it(annotation: Annotation, tmp_path: Path) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface", reason="needs label-studio-sdk")
    setup = write_label_studio(annotation, tmp_path / "tasks.json")
    read = interface.LabelInterface(setup.read_text())
    read.validate()
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    for task in tasks:
        assert read.validate_task({"data": task["data"]})
        assert read.validate_prediction(task["predictions"][0])
    task = tasks[0]["predictions"][0]
    task["result"][0]["value"]["choices"] = ["no such label"]
    assert not read.validate_prediction(task)
