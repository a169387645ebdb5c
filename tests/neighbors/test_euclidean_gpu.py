"""The GPU code for visual neighbours, run on the processor: the same lists, also if the device fails."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from test_euclidean import brute_force, searches

from love_thy_neighbors.neighbors import euclidean, euclidean_gpu
from love_thy_neighbors.neighbors.euclidean import EuclideanSearch, nearest_by_euclidean
from love_thy_neighbors.neighbors.euclidean_gpu import NearestOn, gpu_for_euclidean, nearest_by_euclidean_on

CPU = torch.device("cpu")


@pytest.fixture
def table() -> np.ndarray:
    table = np.maximum(np.random.default_rng(0).normal(size=(400, 32)) * 30, 0).astype(np.float16)
    table[100:180] = table[99]  # more duplicates than there are spare candidates
    return table


@pytest.fixture
def no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's own search raises an error."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the device failed")

    monkeypatch.setattr(euclidean, "_nearest", refuse)


@pytest.mark.parametrize("free", [0, 1 << 30], ids=["pool sent in blocks", "pool kept"])
@pytest.mark.parametrize("spare", [0, 1, 4])
@settings(max_examples=50, deadline=None)
@given(search=searches())
def test_lists_are_those_of_brute_force(
    free: int, spare: int, search: tuple[np.ndarray, np.ndarray, np.ndarray, int]
) -> None:
    table, queries, pool, depth = search
    on_device = NearestOn(CPU, free)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("SPARE", spare),
            ("QUERY_BLOCK", 3),
            ("_EXACT_BYTES", 100),
            ("_PAIRS", 20),
        ):
            patch.setattr(euclidean, name, value)
        patch.setattr(euclidean_gpu, "POOL_BLOCK", 4)
        found = nearest_by_euclidean(table, queries, pool, depth, nearest=on_device)
    assert not on_device.failed
    assert (on_device.features is not None) == (free > 0 and len(queries) > 0 and len(pool) > 0)
    np.testing.assert_array_equal(found, brute_force(table, queries, pool, depth))


@pytest.mark.parametrize("dtype", [np.int8, np.float16, np.float32])
@pytest.mark.parametrize("free", [0, 1 << 30])
def test_lists_are_those_of_the_processor(
    table: np.ndarray, dtype: type, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(euclidean, "QUERY_BLOCK", 128)
    for module in (euclidean, euclidean_gpu):
        monkeypatch.setattr(module, "POOL_BLOCK", 100)
    table, rows = table.astype(dtype), np.random.default_rng(1).permutation(400)
    expected = nearest_by_euclidean(table, rows[:300], rows[100:], 10)
    on_device = NearestOn(CPU, free)
    found = nearest_by_euclidean(table, rows[:300], rows[100:], 10, nearest=on_device)
    np.testing.assert_array_equal(found, expected)
    assert not on_device.failed


@pytest.mark.parametrize("free", [0, 1 << 30])
def test_distances_are_the_smallest_in_ascending_order(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # int8: all products are exact. Without spare images the lists above would not show a wrong order at the end.
    monkeypatch.setattr(euclidean_gpu, "POOL_BLOCK", 70)
    table = np.random.default_rng(0).integers(-50, 50, size=(300, 8)).astype(np.int8)
    queries, pool = np.arange(40), np.arange(20, 300)
    wide = table.astype(np.float64)
    found, rows = NearestOn(CPU, free)(EuclideanSearch(table, queries, pool, 5), queries, 25)
    distance = ((wide[queries][:, None] - wide[pool]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(found, np.sort(distance, axis=1)[:, :25])
    np.testing.assert_array_equal(found, np.take_along_axis(distance, rows - 20, axis=1))
    assert all(len(set(one)) == 25 for one in rows.tolist())


def test_the_device_searches(table: np.ndarray, no_processor: None) -> None:
    rows, seen = np.arange(400), []
    found = nearest_by_euclidean_on(CPU, table, rows, rows, 5, progress=seen.append)
    assert found.shape == (400, 5)
    assert sum(seen) == 400


def test_the_processor_takes_over_if_the_device_fails(
    table: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    nearest = NearestOn._nearest

    def twice(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nMore to read.")
        return nearest(self, *arguments)

    monkeypatch.setattr(NearestOn, "_nearest", twice)
    monkeypatch.setattr(euclidean, "QUERY_BLOCK", 64)
    rows = np.arange(400)
    found = nearest_by_euclidean_on(CPU, table, rows, rows, 5)
    np.testing.assert_array_equal(found, nearest_by_euclidean(table, rows, rows, 5))
    assert len(calls) == 3
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("not on cpu: CUDA out of memory. Tried to allocate 1 GiB.")


def test_products_have_full_precision_and_the_setting_is_restored(
    table: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    nearest = NearestOn._nearest

    def looking(self: Any, *arguments: Any) -> Any:
        seen.append(torch.get_float32_matmul_precision())
        return nearest(self, *arguments)

    monkeypatch.setattr(NearestOn, "_nearest", looking)
    torch.set_float32_matmul_precision("high")
    try:
        nearest_by_euclidean_on(CPU, table, np.arange(10), np.arange(400), 5)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert seen == ["highest"]


def test_wrong_arguments(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match="depth = 0"):
        nearest_by_euclidean_on(CPU, table, np.arange(3), np.arange(3), 0)


def test_a_gpu_is_for_large_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    table = np.empty((0, 4096), np.float16)
    many, few = np.arange(40_000), np.arange(100)
    assert gpu_for_euclidean(table, many, many) == torch.device("cuda")
    assert gpu_for_euclidean(table, few, many) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_for_euclidean(table, many, many) is None
