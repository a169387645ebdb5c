"""The gather is right whatever the device, and so is the weighted sum whatever the table's type."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import made_up_table, write_made_up
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.collection.writing import write_collection
from love_thy_neighbors.training.feature_table import FeatureTable


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


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_a_weighted_sum_is_that_of_the_gathered_rows(tmp_path: Path, kind: str) -> None:
    table, features = made_up_table(60)
    scale = 0.05 if kind == "int8" else 1
    stored = np.clip(np.rint(features / scale), -127, 127).astype(np.int8) if kind == "int8" else features.astype(kind)
    card = {"labels": {"names": sorted({name for row in table["labels"].to_pylist() for name in row})}}
    card |= {"features": {"net": {"scale": scale}}} if kind == "int8" else {}
    write_collection(tmp_path / "c", table, card, {"net": stored})
    made, cpu = FeatureTable(load_collection(tmp_path / "c")), torch.device("cpu")
    rows = torch.tensor([[[3, 5, 5], [-1, 0, 7]], [[1, -1, -1], [-1, -1, -1]]])
    weights = torch.rand(rows.shape)
    summed = made.weighted_sum(rows, weights, cpu)
    expected = (made.gather(rows, cpu) * (weights * (rows >= 0)).unsqueeze(-1)).sum(dim=2)
    assert summed.dtype == torch.float32
    assert summed.shape == (2, 2, 16)
    torch.testing.assert_close(summed, expected, rtol=1e-5, atol=4e-3 if kind == "float16" else 1e-6)
    assert not summed[1, 1].any()
