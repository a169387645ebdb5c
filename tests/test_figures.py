"""The picture of examples, and which examples it shows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import settings
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.figures import choose_examples, draw
from love_thy_neighbors.job import finish


def test_examples_are_the_largest_gains_and_the_largest_loss() -> None:
    labels = np.array(
        [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1], [1, 0, 1, 0], [1, 0, 0, 0]], dtype=np.uint8
    )
    good, bad = labels.astype(np.float32), 1 - labels.astype(np.float32)
    middling = np.tile(np.float32([4, 3, 2, 1]), (6, 1))
    neighbors = np.zeros((6, 6), dtype=np.int32)
    neighbors[4, 5] = -1  # not enough neighbours to show
    scores = np.stack([good[0], good[1], good[2], bad[3], good[4], good[5]])
    before = np.stack([bad[0], bad[1], bad[2], good[3], bad[4], bad[5]])
    assert sorted(choose_examples(labels, scores, before, neighbors)[:3]) == [0, 1, 2]
    assert choose_examples(labels, scores, before, neighbors)[3] == 3
    assert len(choose_examples(labels, middling, middling, neighbors)) == 4


def quick(collection: Path, folder: Path, *overrides: str) -> Path:
    config = settings(
        "data=collection",
        f"data.dir={collection}",
        f"cache={folder}/cache",
        "h=8",
        "epochs=1",
        "trainer.enable_progress_bar=false",
        *overrides,
    )
    finish(config, folder / "-".join(["run", *overrides]), overwrite=False, resume=False, wait=False)
    return folder / "-".join(["run", *overrides])


def test_the_picture_is_drawn_also_without_thumbnails(made_up: Path, tmp_path: Path) -> None:
    run, baseline = quick(made_up, tmp_path), quick(made_up, tmp_path, "model=visual_only")
    draw(run, baseline, made_up, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 10  # text was drawn


def test_runs_of_different_splits_cannot_be_compared(made_up: Path, tmp_path: Path) -> None:
    run, baseline = quick(made_up, tmp_path), quick(made_up, tmp_path, "model=visual_only", "split=1")
    with pytest.raises(UserError, match="give a run on the same split"):
        draw(run, baseline, made_up, tmp_path / "picture.png")
    with pytest.raises(UserError, match="not the folder of a finished run"):
        draw(tmp_path, baseline, made_up, tmp_path / "picture.png")
    assert not (tmp_path / "picture.png").exists()
