"""prepare.py as a person runs it: from any folder, leaving nothing behind but the collection."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from love_thy_neighbors.collection.loading import load_collection

PROGRAM = Path(__file__).resolve().parents[2] / "prepare.py"


def prepare(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parent / "src"), "COLUMNS": "120"}
    command = [sys.executable, str(PROGRAM), *overrides]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    lines = []
    for number in range(3):
        Image.new("RGB", (300, 240), (number * 100, 50, 50)).save(tmp_path / "photos" / f"{number}.jpg")
        lines.append(json.dumps({"id": str(number), "file": f"{number}.jpg", "labels": ["a"], "tags": ["x"]}))
    (tmp_path / "photos.jsonl").write_text("\n".join(lines))
    np.save(tmp_path / "feats.npy", np.zeros((3, 7)))
    return tmp_path


def test_photos_become_a_collection_and_nothing_else_is_left(photos: Path) -> None:
    done = prepare(photos, "source=jsonl", "records=photos.jsonl", "images=photos/", "out=data/mine")
    assert done.returncode == 0, done.stderr
    assert "3 images in data/mine" in done.stdout
    assert "images per value" in done.stdout
    assert "3 photos: 3 with labels, 0 without" in done.stdout
    assert load_collection(photos / "data" / "mine").features.dim == 1280
    assert sorted(path.name for path in photos.iterdir()) == ["data", "feats.npy", "photos", "photos.jsonl"]
    assert sorted(path.name for path in (photos / "data").iterdir()) == ["mine"]


def test_help_is_quick_and_names_the_keys(tmp_path: Path) -> None:
    start = time.monotonic()
    done = prepare(tmp_path, "source=jsonl", "--help")
    assert time.monotonic() - start < 6  # 0.5 s alone; tests run beside each other
    assert done.returncode == 0
    for key in ("records:", "images:", "features:", "min_positives:", "on_error:", "max_pixels:", "out:"):
        assert key in done.stdout
    assert list(tmp_path.iterdir()) == []


JSONL = ("source=jsonl", "records=photos.jsonl", "out=mine")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("source=openclipart",), "out: give the folder"),
        (
            ("source=openclipart", "out=mine"),
            "root: give the folder",
        ),
        (JSONL, "images, features: "),
        ((*JSONL, "features=none.npy"), "none.npy is missing"),
        ((*JSONL, "images=photos", "batch_size=0"), "batch_size: "),
        (
            (*JSONL, "images=photos", "device=toaster"),
            "device: 'toaster'",
        ),
        ((*JSONL, "images=photos", "overwrite=perhaps"), "overwrite: "),
        ((*JSONL, "images=photos", "update=perhaps"), "update: "),
        ((*JSONL, "images=photos", "update=true", "overwrite=true"), "update, overwrite: "),
        (("source=collection", "root=mine", "update=true"), "update: "),
        (
            (*JSONL, "features=feats.npy", "out=photos"),
            "out: photos exists",
        ),
        ((*JSONL, "features=feats.npy", "out=feats.npy/x"), "out: feats.npy/x cannot be made"),
        ((*JSONL, "images=2019"), "images: 2019 is not a folder"),
        (
            (*JSONL, "features=feats.npy", "out=.", "overwrite=true"),
            "out: photos.jsonl is an input",
        ),
        ((*JSONL, "features=feats.npy", "min_positive=2"), "min_positive"),
        (("source=napster", "out=mine"), "napster"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_sentence(photos: Path, overrides: tuple[str, ...], message: str) -> None:
    done = prepare(photos, *overrides)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.strip().splitlines() if "━" not in line]) == 1
    assert not (photos / "mine").exists()
    assert not list(photos.glob("*.partial"))


@pytest.mark.parametrize("name", ["photosNUS.xml", "two words.xml", "2012"])
def test_metadata_is_a_path_here_and_no_config_group(photos: Path, name: str) -> None:
    """train.py has a group of that name, and Hydra would look for a choice in it."""
    (photos / name).write_text("nothing")
    done = prepare(photos, "source=nuswide", "root=photos", f"metadata={name}", "out=mine")
    assert done.returncode == 1
    assert "root: photos has no ImageList/Imagelist.txt" in done.stderr
