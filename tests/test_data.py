"""Index batches and the gather: seeded, dealt out to processes, and right whatever the device."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import made_up_table, settings, write_made_up
from love_thy_neighbors.collection import load_collection
from love_thy_neighbors.construction import make_data
from love_thy_neighbors.data import FeatureTable, IndexBatches, hash_seed


def batches(n: int, size: int, *, shuffle: bool = True, lists: bool = True, **how: int) -> IndexBatches:
    neighbors = torch.arange(n * 6).view(n, 6) if lists else None
    made = IndexBatches(
        torch.arange(100, 100 + n),
        neighbors,
        m=3,
        samples=1,
        drop=how.get("drop", 0),
        batch_size=size,
        seed=how.get("seed", 0),
        shuffle=shuffle,
    )
    made.rank, made.world = how.get("rank", 0), how.get("world", 1)
    made.epoch = lambda: how.get("epoch", 0)
    return made


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4))
@hypothesis_settings(max_examples=60, deadline=None)
def test_processes_see_every_row_and_equally_many(n: int, size: int, world: int) -> None:
    whole = list(batches(n, size))
    shares = [list(batches(n, size, rank=rank, world=world)) for rank in range(world)]
    assert len(whole) == len(batches(n, size)) == -(-n // size)
    for step, batch in enumerate(whole):
        parts = [share[step] for share in shares]
        assert len({len(part.rows) for part in parts}) == 1
        assert set(torch.cat([part.rows for part in parts]).tolist()) == set(batch.rows.tolist())
        padding = sum(len(part.rows) for part in parts) - len(batch.rows)
        assert 0 <= padding < world
        # A row's neighborhood is the same whichever process has it.
        drawn = dict(zip(batch.rows.tolist(), batch.neighbors.tolist(), strict=True))  # type: ignore[union-attr]
        for part in parts:
            assert part.neighbors is not None
            assert all(drawn[row] == z for row, z in zip(part.rows.tolist(), part.neighbors.tolist(), strict=True))
    assert sorted(row for batch in whole for row in batch.rows.tolist()) == list(range(100, 100 + n))


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    def drawn(**how: int) -> list[list[int]]:
        return [batch.rows.tolist() + batch.neighbors.flatten().tolist() for batch in batches(40, 7, **how)]  # type: ignore[union-attr]

    assert drawn(epoch=3) == drawn(epoch=3)
    assert drawn(epoch=3) != drawn(epoch=4)
    assert drawn(seed=1) != drawn(seed=2)


def test_neighbours_belong_to_their_row() -> None:
    for batch in batches(40, 7):
        assert batch.neighbors is not None
        assert (batch.neighbors // 6 == (batch.rows - 100).unsqueeze(1)).all()


def test_seeds_are_mixed() -> None:
    seeds = {hash_seed(a, b) for a in range(30) for b in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)


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
    from love_thy_neighbors.collection_writing import write_collection

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
    config = settings("data=collection", f"data.dir={made_up}", f"cache={tmp_path}", f"model={model}")
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
