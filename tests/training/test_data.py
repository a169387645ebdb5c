"""Lists stay files, and a batch has what the task needs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import checked, settings
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments


@pytest.mark.parametrize(("model", "neighbours"), [("neighborhood", True), ("visual_only", False)])
def test_a_batch_has_what_the_task_needs(made_up: Path, tmp_path: Path, model: str, neighbours: bool) -> None:
    config = checked(settings("data=collection", f"data.dir={made_up}", f"cache={tmp_path}", f"model={model}"))
    data = make_data(config)
    data.prepare_data()
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.batches["train"])), 0)
    assert batch.x.shape == (50, 16)
    assert batch.y.shape == (50, 5)
    assert np.array_equal(batch.y.numpy(), data.collection.labels[batch.rows.numpy()].toarray())
    if neighbours:
        assert batch.z is not None
        assert batch.mask is not None
        assert batch.z.shape == (50, 3, 16)
        assert batch.mask.shape == (50, 3)
        exact = data.on_after_batch_transfer(next(iter(data.batches["val"])), 0)
        assert exact.z is not None
        assert exact.z.shape[1] == 6
    else:
        assert batch.z is None
        assert batch.mask is None


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_lists_stay_the_file_in_the_cache(made_up: Path, tmp_path: Path) -> None:
    config = checked(settings("data=collection", f"data.dir={made_up}", f"cache={tmp_path}"))
    data = make_data(config)
    data.setup("fit")
    files = {path.stat().st_ino for path in tmp_path.glob("*.npy")}
    assert len(files) == 3
    mapped = {
        int(line.split()[4]) for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(".npy")
    }
    for part, batches in data.batches.items():
        lists = data.lists(part)
        assert batches.lists is not None
        assert lists is not None
        assert batches.lists.dtype == torch.int32
        assert np.array_equal(batches.lists.numpy(), lists)
    assert files <= mapped


def test_a_test_looks_up_the_lists_of_test_images_alone(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = checked(settings("data=collection", f"data.dir={made_up}", f"cache={tmp_path}", "h=8"))
    data, parts = make_data(config), []
    monkeypatch.setattr(data, "_lists", lambda part, *rest: parts.append(part) or type(data)._lists(data, part, *rest))
    task = make_task(config, model_arguments(config, data))
    make_trainer(config.training, [], [], tmp_path).test(task, datamodule=data, verbose=False)
    assert {*parts} == {"test"}
