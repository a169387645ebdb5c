"""Visual neighbours against brute force, where float32 is enough and where it is not."""

import doctest
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from love_thy_neighbors.neighbors import euclidean
from love_thy_neighbors.neighbors.euclidean import nearest_by_euclidean


def brute_force(table: np.ndarray, queries: np.ndarray, pool: np.ndarray, depth: int) -> np.ndarray:
    exact = [[Fraction(float(value)) for value in row] for row in table]
    lists = np.full((len(queries), depth), -1, dtype=np.int32)
    for q, query in enumerate(queries):
        ranked = sorted(
            (sum((a - b) ** 2 for a, b in zip(exact[query], exact[row], strict=True)), row)
            for row in set(pool.tolist()) - {int(query)}
        )[:depth]
        lists[q, : len(ranked)] = [row for _, row in ranked]
    return lists


@st.composite
def searches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    images, d = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    # Small whole numbers, for ties; as float16 with a large common part, which float32 products cancel.
    table = draw(arrays(np.int8, (images, d), elements=st.integers(-3, 3)))
    match draw(st.sampled_from([np.int8, np.float16, np.float32])):
        case np.float16:
            table = (table.astype(np.float16) / 4) + np.float16(draw(st.sampled_from([0, 100, 500])))
        case np.float32:
            factor, offset = draw(st.sampled_from([(0.25, 0), (0.25, 1e6), (2.0**-100, 0), (2.0**110, 0)]))
            table = table.astype(np.float32) * np.float32(factor) + np.float32(offset)
    rows = st.lists(st.integers(0, images - 1), max_size=15).map(lambda rows: np.array(rows, dtype=np.int64))
    return table, draw(rows), draw(rows), draw(st.integers(1, 14))


@pytest.mark.parametrize("spare", [0, 1, 4])
@settings(max_examples=80, deadline=None)
@given(search=searches())
def test_lists_are_those_of_brute_force(spare: int, search: tuple[np.ndarray, np.ndarray, np.ndarray, int]) -> None:
    table, queries, pool, depth = search
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("SPARE", spare),
            ("QUERY_BLOCK", 3),
            ("POOL_BLOCK", 4),
            ("_EXACT_BYTES", 100),
            ("_PAIRS", 20),
        ):
            patch.setattr(euclidean, name, value)
        found = nearest_by_euclidean(table, queries, pool, depth)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, brute_force(table, queries, pool, depth))


@pytest.mark.parametrize("dtype", [np.int8, np.float16, np.float32])
def test_lists_of_a_memory_mapped_table_are_those_of_float64(dtype: type, tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    features = np.maximum(rng.normal(size=(700, 64)) * 30, 0).astype(dtype)
    features[100:180] = features[99]  # more duplicates than there are spare candidates
    np.save(tmp_path / "features.npy", features)
    table = np.load(tmp_path / "features.npy", mmap_mode="r")
    monkeypatch.setattr(euclidean, "QUERY_BLOCK", 128)
    monkeypatch.setattr(euclidean, "POOL_BLOCK", 100)
    queries, pool = np.arange(0, 700, 2), rng.permutation(600)
    found = nearest_by_euclidean(table, queries, pool, 10)
    wide, pool = features.astype(np.float64), np.sort(pool)
    for query, neighbours in zip(queries, found, strict=True):
        distance = ((wide[pool] - wide[query]) ** 2).sum(axis=1)
        distance[pool == query] = np.inf
        np.testing.assert_array_equal(neighbours, pool[np.argsort(distance, kind="stable")[:10]])


@pytest.mark.parametrize(("factor", "offset"), [(1, 1e4), (1e-30, 0), (1e30, 0), (1, 0)])
def test_float32_needs_few_exact_distances(factor: float, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    table = (np.random.default_rng(0).normal(size=(400, 16)) * factor + offset).astype(np.float32)
    asked, compared = looked_at(monkeypatch)
    everyone = np.arange(400)
    found = nearest_by_euclidean(table, everyone[:50], everyone, 5)
    np.testing.assert_array_equal(found, brute_force(table, everyone[:50], everyone, 5))
    assert asked == [(50, 5 + 1 + euclidean.SPARE)]
    assert sum(compared) < 10


def test_only_lists_that_end_in_a_tie_are_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(600, 8)).astype(np.float16)
    table[300:340] = table[299]  # 41 of one kind: each has 40 neighbours at distance 0
    asked, compared = looked_at(monkeypatch)
    everyone = np.arange(600)
    found = nearest_by_euclidean(table, everyone[290:350], everyone, 5)
    np.testing.assert_array_equal(found, brute_force(table, everyone[290:350], everyone, 5))
    first, second = 5 + 1 + euclidean.SPARE, 8 * (5 + 1 + euclidean.SPARE)
    assert asked[0] == (60, first)
    assert asked[1] == (41, second)
    assert len(asked) == 2
    assert sum(compared) < 41 * second


@pytest.mark.parametrize("kinds", [1, 3])
def test_many_ties_are_searched_a_few_lists_at_a_time(kinds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.repeat(np.eye(kinds, 4, dtype=np.float16), 300 // kinds, axis=0)
    monkeypatch.setattr(euclidean, "_PAIRS", 700)
    asked, _ = looked_at(monkeypatch)
    everyone = np.arange(300)
    found = nearest_by_euclidean(table, everyone[::7], everyone, 4)
    np.testing.assert_array_equal(found, brute_force(table, everyone[::7], everyone, 4))
    assert max(lists * count for lists, count in asked[1:]) <= 700


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("dim", [4, 96, 1280])
def test_rounding_covers_the_products(dtype: type, dim: int) -> None:
    table = (np.random.default_rng(0).random((300, dim)) + 1).astype(dtype)
    everyone = np.arange(300)
    found, rows = euclidean._nearest(euclidean.EuclideanSearch(table, everyone, everyone, 5), everyone, 300)
    wide = table.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    for query, distance, others in zip(everyone, found, rows, strict=True):
        off = np.abs(distance - ((wide[others] - wide[query]) ** 2).sum(axis=1))
        assert (off <= euclidean.ROUNDING * 2.0**-24 * (lengths[query] + lengths[others]) ** 2).all()


def looked_at(monkeypatch: pytest.MonkeyPatch) -> tuple[list[tuple[int, int]], list[int]]:
    """What is searched from now on: (queries, images asked for) of each search, and pairs compared exactly."""
    asked: list[tuple[int, int]] = []
    compared: list[int] = []
    nearest, exact = euclidean._nearest, euclidean._exact

    def searching(search: euclidean.EuclideanSearch, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        asked.append((len(queries), count))
        return nearest(search, queries, count)

    def comparing(table: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        compared.append(len(rows))
        return exact(table, queries, rows)

    monkeypatch.setattr(euclidean, "_nearest", searching)
    monkeypatch.setattr(euclidean, "_exact", comparing)
    return asked, compared


def test_distances_that_are_equal_in_float32_products_are_ranked() -> None:
    # |x|^2 is about 4e9, where neighbouring float32 numbers are 256 apart; the squared distances are 256 to 4096.
    table = np.full((200, 4), 32000, dtype=np.float16)
    steps = np.random.default_rng(0).integers(1, 5, size=200) * 16
    table[:, 0] += steps.astype(np.float16)
    table[0, 0] = 32000
    found = nearest_by_euclidean(table, np.array([0]), np.arange(200), 199)[0]
    expected = sorted(range(1, 200), key=lambda row: (float(table[row, 0]) - 32000, row))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(nearest_by_euclidean(table, np.array([0]), np.arange(200), 9)[0], expected[:9])


def test_a_small_pool_leaves_places_empty() -> None:
    table = np.array([[0], [3], [1]], dtype=np.int8)
    np.testing.assert_array_equal(
        nearest_by_euclidean(table, np.arange(3), np.array([0, 2]), 2), [[2, -1], [2, 0], [0, -1]]
    )
    assert (nearest_by_euclidean(table, np.arange(3), np.array([], int), 2) == -1).all()
    assert nearest_by_euclidean(table, np.array([], int), np.arange(3), 2).shape == (0, 2)


def test_progress_adds_up_to_the_queries(monkeypatch) -> None:
    monkeypatch.setattr(euclidean, "QUERY_BLOCK", 4)
    seen: list[int] = []
    nearest_by_euclidean(np.zeros((10, 2), np.int8), np.arange(10), np.arange(10), 1, progress=seen.append)
    assert seen == [4, 4, 2]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"depth": 0}, "depth = 0"),
        ({"queries": np.array([3])}, "queries must be a list of row numbers from 0 to 2"),
        ({"pool": np.array([-1])}, "pool must be a list of row numbers from 0 to 2"),
    ],
)
def test_wrong_arguments(changed: dict, message: str) -> None:
    arguments = {"queries": np.arange(3), "pool": np.arange(3), "depth": 1} | changed
    with pytest.raises(ValueError, match=message):
        nearest_by_euclidean(np.zeros((3, 2), np.int8), **arguments)


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(euclidean).failed == 0
