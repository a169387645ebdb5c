"""The gather is right whatever the device, lists stay files, and a batch has what the task needs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import checked, made_up_table, settings, write_made_up
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.training.data import FeatureTable


def test_gather_is_the_scaled_row(tmp_path: Path) -> None:
    table, features = made_up_table(60)
    folder = write_made_up(tmp_path / "c", table, features)
    collection = load_collection(folder)
    gathered = FeatureTable(collection).gather(torch.tensor([[3, 5], [-1, 0]]), torch.device("cpu"))
    assert gathered.dtype == torch.float32
    np.testing.assert_array_equal(gathered[0].numpy(), features[[3, 5]].astype(np.float32))
    np.testing.assert_array_equal(gathered[1, 1].numpy(), features[0].astype(np.float32))
    assert isinstance(collection.features.table, np.memmap)


def test_both_towers_rows_in_one_gather_are_those_of_two(made_up: Path) -> None:
    table, cpu = FeatureTable(load_collection(made_up)), torch.device("cpu")
    rows, neighbors = torch.tensor([7, 3]), torch.tensor([[1, 2, -1], [5, -1, -1]])
    x, z = table.gather_both(rows, neighbors, cpu)
    assert torch.equal(x, table.gather(rows, cpu))
    assert torch.equal(z, table.gather(neighbors, cpu))
    assert x.is_contiguous()
    assert z.is_contiguous()


def test_int8_features_are_scaled(tmp_path: Path) -> None:
    from love_thy_neighbors.collection.writing import write_collection

    table, features = made_up_table(60)
    codes = np.clip(np.rint(features.astype(np.float32) / 0.05), -127, 127).astype(np.int8)
    card = {"labels": {"names": sorted({name for row in table["labels"].to_pylist() for name in row})}}
    write_collection(tmp_path / "c", table, card | {"features": {"net": {"scale": 0.05}}}, {"net": codes})
    gathered = FeatureTable(load_collection(tmp_path / "c")).gather(torch.arange(60), torch.device("cpu"))
    np.testing.assert_allclose(gathered.numpy(), codes * np.float32(0.05), rtol=1e-6)


def test_the_table_moves_to_a_device_that_has_room(made_up: Path) -> None:
    # The meta device has no memory of its own, so the decision can be tested where there is no GPU.
    device = torch.device("meta")
    table = FeatureTable(load_collection(made_up))
    size = table.table.nbytes
    table.to(device, free_bytes=2 * size - 1)
    assert table.table.device.type == "cpu"
    table.to(torch.device("cpu"), free_bytes=10 * size)
    assert table.table.device.type == "cpu"
    table.to(device, free_bytes=2 * size)
    assert table.table.device == device
    assert table.gather(torch.zeros(2, 3, dtype=torch.int64), device).shape == (2, 3, 16)


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
    monkeypatch.setattr(data, "lists", lambda part: parts.append(part) or type(data).lists(data, part))
    task = make_task(config, model_arguments(config, data))
    make_trainer(config.training, [], [], tmp_path).test(task, datamodule=data, verbose=False)
    assert {*parts} == {"test"}
