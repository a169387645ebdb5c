"""runs/model_folder.py: what training leaves, and what a damaged model folder says."""

import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from conftest import short_run, write_old_checkpoint
from love_thy_neighbors.calibration.confidence import Confidence
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.model_folder import (
    CARD,
    CONFIDENCE,
    CONFIG,
    WEIGHTS,
    load_model,
    model_folder,
    read_confidence,
    read_description,
    write_model_folder,
)

pytestmark = pytest.mark.xdist_group("model folder")  # one process trains the run of these tests
QUICK = ("epochs=3", "h=8", "baseline=null", "logger=csv")


@pytest.fixture(scope="module")
def run(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(made_up, tmp_path_factory.mktemp("run"), *QUICK)


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run / "model", tmp_path / "given away"))


def test_the_folder_is_enough_by_itself(run: Path, folder: Path) -> None:
    model, about = load_model(folder)
    again = load_model(run)[0].state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())
    assert about["labels"] == [f"label{number}" for number in range(5)]
    assert about["neighbours"]["M"] == 6
    assert about["backbone"]["dim"] == 16
    conditions = {key: Confidence.from_dict(one) for key, one in read_confidence(folder).items()}
    assert set(conditions) == {"split", "all", "none"}
    assert load_file(folder / WEIGHTS).keys() == model.state_dict().keys()


def test_the_card_has_the_fields_of_the_hub_and_a_row_a_label(folder: Path) -> None:
    _, head, text = (folder / CARD).read_text().split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields["library_name"] == "love-thy-neighbors"
    (result,) = fields["model-index"][0]["results"]
    assert {metric["type"] for metric in result["metrics"]} == {"mAP_L", "mAP_I"}
    assert all(f"| label{number} |" in text for number in range(5))


def test_huggingface_hub_accepts_the_card(folder: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(folder / CARD)
    assert card.data.library_name == "love-thy-neighbors"
    assert card.data.eval_results[0].metric_type == "mAP_L"


def test_results_say_how_far_suggestions_can_be_trusted(run: Path) -> None:
    confidence = json.loads((run / "results.json").read_text())["confidence"]
    assert confidence["precision"] == 0.9
    found = confidence["suggestions"]
    assert found["right"] <= found["suggested"]


def test_an_old_checkpoint_still_loads(run: Path, tmp_path: Path) -> None:
    model, about = load_model(write_old_checkpoint(run, tmp_path / "model.ckpt"))
    assert about.keys() == {"labels", "config"}
    assert all(torch.equal(value, load_model(run)[0].state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, CONFIDENCE])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b'{"format": 7}', b"\x80\x04no pickle"])
def test_a_damaged_file_is_named(folder: Path, name: str, content: bytes | None) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(folder))):
        (load_model if name != CONFIDENCE else read_confidence)(folder)


@pytest.mark.parametrize("key", ["model", "labels", "neighbours", "backbone", "trained_on", "validation", "config"])
def test_a_missing_key_is_named(folder: Path, key: str) -> None:
    values = json.loads((folder / CONFIG).read_text())
    del values[key]
    (folder / CONFIG).write_text(json.dumps(values))
    with pytest.raises(UserError, match=f"'{key}'"):
        read_description(folder)


def test_the_card_and_the_results_count_the_same_suggestions(run: Path, folder: Path) -> None:
    rows = [line.split("|") for line in (folder / CARD).read_text().splitlines() if line.startswith("| label")]
    suggestions = [int(row[5].replace(",", "")) for row in rows if row[5].strip().replace(",", "").isdigit()]
    found = json.loads((run / "results.json").read_text())["confidence"]["suggestions"]
    assert sum(suggestions) == found["suggested"]


def test_a_run_of_an_earlier_version_still_gives_its_model(run: Path, tmp_path: Path) -> None:
    write_old_checkpoint(run, tmp_path / "model.ckpt")
    assert load_model(tmp_path)[1].keys() == {"labels", "config"}
    with pytest.raises(UserError, match="overwrite=true"):
        model_folder(tmp_path)


@pytest.mark.parametrize(("mask", "expected"), [(0o077, 0o600), (0o002, 0o664)])
def test_permissions_of_a_model_follow_the_umask(tmp_path: Path, mask: int, expected: int) -> None:
    before = os.umask(mask)
    try:
        write_model_folder(tmp_path / "model", {}, {"w": torch.zeros(2)}, {}, "card")
    finally:
        os.umask(before)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model").iterdir()} == dict.fromkeys(
        ("config.json", "model.safetensors", "confidence.json", "README.md"), expected
    )
