"""Eq. 3: the neighbour lists against brute force with fractions, and against usearch's exact Tanimoto."""

import doctest
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from love_thy_neighbors.neighbors import jaccard
from love_thy_neighbors.neighbors.jaccard import nearest_by_jaccard
from love_thy_neighbors.neighbors.vocabularies import top_vocabulary


def similarity(ours: np.ndarray, theirs: np.ndarray) -> Fraction:
    union = int((ours | theirs).sum())
    return Fraction(int((ours & theirs).sum()), union) if union else Fraction(0)


def brute_force(dense: np.ndarray, queries: np.ndarray, pool: np.ndarray, depth: int) -> np.ndarray:
    lists = np.full((len(queries), depth), -1, dtype=np.int32)
    for q, query in enumerate(queries):
        others = [(-similarity(dense[query], dense[row]), row) for row in set(pool.tolist()) - {int(query)}]
        ranked = [row for negative, row in sorted(others) if negative < 0][:depth]
        lists[q, : len(ranked)] = ranked
    return lists


def made_up_tags(images: int, values: int, mean: float, seed: int = 0) -> sparse.csr_matrix:
    """Zipf tags, half of them from the tags of the image's topic."""
    rng = np.random.default_rng(seed)
    zipf = 1 / (np.arange(values) + 5.0)
    topics = rng.integers(values, size=(20, 20))
    row = np.repeat(np.arange(images), rng.poisson(mean, size=images))
    topical = topics[rng.integers(20, size=images)[row], rng.integers(20, size=len(row))]
    column = np.where(rng.random(len(row)) < 0.5, topical, rng.choice(values, size=len(row), p=zipf / zipf.sum()))
    tags = sparse.csr_matrix((np.ones(len(row), np.uint8), (row, column)), shape=(images, values))
    tags.data[:] = 1
    return tags


@st.composite
def searches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    images, values = draw(st.integers(1, 14)), draw(st.integers(1, 9))
    dense = draw(arrays(bool, (images, values)))
    rows = st.lists(st.integers(0, images - 1), max_size=20).map(lambda rows: np.array(rows, dtype=np.int64))
    return dense, draw(rows), draw(rows), draw(st.integers(1, 16))


@pytest.mark.parametrize("few", [-1, 1, 1e9], ids=["counters scanned", "both ways", "posting lists walked"])
@settings(max_examples=150, deadline=None)
@given(search=searches())
def test_lists_are_those_of_brute_force(few: float, search: tuple[np.ndarray, np.ndarray, np.ndarray, int]) -> None:
    dense, queries, pool, depth = search
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaccard, "FEW", few)
        found = nearest_by_jaccard(sparse.csr_matrix(dense), queries, pool, depth, threads=1)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, brute_force(dense, queries, pool, depth))


@pytest.mark.parametrize(("values", "mean"), [(40, 2.0), (90, 6.0), (400, 10.0)])
def test_larger_lists_are_those_of_brute_force(values: int, mean: float) -> None:
    # Long sizes, many ties.
    tags = made_up_tags(300, values, mean)
    rows = np.random.default_rng(1).permutation(300)
    queries, pool = rows[:60], rows[30:]
    for depth in (1, 7, 400):
        found = nearest_by_jaccard(tags, queries, pool, depth)
        np.testing.assert_array_equal(found, brute_force(tags.toarray() > 0, queries, pool, depth))


def plain(tags: sparse.csr_matrix, queries: np.ndarray, pool: np.ndarray, depth: int) -> np.ndarray:
    """The same by one matrix product; fractions of such small numbers differ by more than the rounding error of floats."""
    lists = np.full((len(queries), depth), -1, dtype=np.int32)
    pool, counts = np.unique(pool), tags.astype(np.int32)
    shared = (counts[queries] @ counts[pool].T).toarray()
    sizes = np.diff(tags.indptr)
    similar = shared / np.maximum(1, sizes[queries][:, None] + sizes[pool] - shared)
    similar[queries[:, None] == pool] = 0
    for q, ranked in enumerate(np.argsort(-similar, axis=1, kind="stable")[:, :depth]):
        kept = ranked[similar[q, ranked] > 0]
        lists[q, : len(kept)] = pool[kept]
    return lists


@pytest.mark.parametrize("few", [-1, 1 / 64, 1, 1e9])
@pytest.mark.parametrize(("values", "mean"), [(30, 3.0), (3_000, 2.0), (1_000, 14.0)])
def test_lists_over_many_runs_of_counters_equal_the_plain_product(
    values: int, mean: float, few: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaccard, "FEW", few)
    monkeypatch.setattr(jaccard, "BLOCK", 300)  # the guess starts anew in each block
    tags = made_up_tags(2_000, values, mean)
    rows = np.random.default_rng(2).permutation(2_000)
    for depth, pool in ((1, rows), (20, rows[500:]), (2_100, rows[:1_000])):
        np.testing.assert_array_equal(nearest_by_jaccard(tags, rows, pool, depth), plain(tags, rows, pool, depth))


def test_a_guess_that_is_too_high_hides_no_neighbours() -> None:
    # Images 0-5 are the same, so the guess after them is high; 6 shares one value with each of them, 7 with 8 alone.
    tags = np.zeros((9, 40), dtype=bool)
    tags[:6, :10] = tags[6, 9:19] = tags[7, 19:29] = tags[8, 18:40] = True
    rows = np.arange(9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaccard, "FEW", -1)
        for order in (rows, rows[::-1]):
            found = nearest_by_jaccard(sparse.csr_matrix(tags), order, rows, 5)
            np.testing.assert_array_equal(found, brute_force(tags, order, rows, 5))


@pytest.mark.parametrize("few", [-1, 1e9])
@pytest.mark.parametrize("size", [255, 256, 300, 65_536])
def test_counters_are_large_enough_for_the_largest_image(
    size: int, few: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaccard, "FEW", few)
    tags = np.zeros((4, size + 1), dtype=bool)
    tags[0, :-1] = tags[1, :-1] = tags[2, 1:] = tags[3, :3] = True
    found = nearest_by_jaccard(sparse.csr_matrix(tags), np.arange(4), np.arange(4), 3)
    np.testing.assert_array_equal(found, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])


def test_a_query_with_more_values_than_every_image_of_the_pool() -> None:
    tags = np.zeros((3, 400), dtype=bool)
    tags[0] = tags[1, :200] = tags[2, :100] = True
    found = nearest_by_jaccard(sparse.csr_matrix(tags), np.array([0]), np.array([1, 2]), 3)
    np.testing.assert_array_equal(found, [[1, 2, -1]])


def test_similarities_are_those_of_usearch() -> None:
    usearch = pytest.importorskip("usearch.index")
    tags, depth = made_up_tags(2_000, 256, 8.0), 10
    rows, dense = np.arange(2_000), tags.toarray() > 0
    found = nearest_by_jaccard(tags, rows, rows, depth)
    packed = np.packbits(dense, axis=1)
    matches = usearch.search(packed, packed, depth + 1, metric=usearch.MetricKind.Tanimoto, exact=True)
    for query in np.flatnonzero(dense.any(axis=1)):
        kept = matches.keys[query] != query
        expected = 1 - matches.distances[query][kept][:depth]
        ours = [float(similarity(dense[query], dense[row])) if row >= 0 else 0.0 for row in found[query]]
        np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("threads", [2, 4, None])
def test_any_number_of_threads_gives_the_same_lists(threads: int | None) -> None:
    tags, rows = made_up_tags(4_000, 500, 6.0), np.arange(4_000)
    expected = nearest_by_jaccard(tags, rows, rows, 20, threads=1)
    np.testing.assert_array_equal(nearest_by_jaccard(tags, rows, rows, 20, threads=threads), expected)


def test_similarities_that_are_equal_as_floats_are_ranked() -> None:
    # 2/3 in three forms tie and are ordered by row; 3/5 < 2/3 < 5/7.
    def image(shared: int, other: int) -> list[int]:
        return [1] * shared + [0] * (6 - shared) + [1] * other + [0] * (4 - other)

    tags = np.array([image(6, 0), image(6, 3), image(4, 0), image(6, 4), image(5, 1), image(6, 3)])
    found = nearest_by_jaccard(sparse.csr_matrix(tags), np.array([0]), np.arange(6), 6)
    np.testing.assert_array_equal(found, [[4, 1, 2, 5, 3, -1]])


def test_duplicate_images_are_ordered_by_row_and_an_image_is_not_its_own_neighbour() -> None:
    tags = sparse.csr_matrix(np.ones((5, 3)))
    found = nearest_by_jaccard(tags, np.arange(5), np.array([4, 3, 2, 1, 0, 0]), 3)
    np.testing.assert_array_equal(found, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]])


def test_images_without_values_have_no_neighbours_and_are_no_neighbours() -> None:
    tags = sparse.csr_matrix([[0, 0], [1, 0], [0, 0], [1, 1]])
    found = nearest_by_jaccard(tags, np.arange(4), np.arange(4), 2)
    np.testing.assert_array_equal(found, [[-1, -1], [3, -1], [-1, -1], [1, -1]])


@pytest.mark.parametrize(("queries", "pool"), [([], [0, 1]), ([0, 1], []), ([], [])])
def test_empty_queries_and_empty_pool(queries: list[int], pool: list[int]) -> None:
    found = nearest_by_jaccard(sparse.csr_matrix(np.ones((2, 2))), np.array(queries, int), np.array(pool, int), 3)
    np.testing.assert_array_equal(found, np.full((len(queries), 3), -1))


def test_metadata_without_any_value() -> None:
    found = nearest_by_jaccard(sparse.csr_matrix((3, 0)), np.arange(3), np.arange(3), 2)
    np.testing.assert_array_equal(found, np.full((3, 2), -1))


def test_neighbours_come_only_from_the_pool() -> None:
    tags = made_up_tags(500, 60, 4.0)
    pool = np.arange(1, 500, 2)
    found = nearest_by_jaccard(tags, np.arange(0, 500, 2), pool, 6)
    assert np.isin(found[found >= 0], pool).all()


def test_stored_zeros_and_repeated_entries_are_not_values() -> None:
    clean = sparse.csr_matrix([[1, 1, 0], [1, 0, 1], [0, 1, 1]])
    messy = sparse.csr_matrix(
        (np.array([1, 1, 0, 1, 1, 1, 1, 1], np.uint8), np.array([1, 0, 2, 0, 2, 2, 2, 1]), np.array([0, 3, 6, 8])),
        shape=(3, 3),
    )
    rows, before = np.arange(3), messy.data.copy()
    np.testing.assert_array_equal(nearest_by_jaccard(messy, rows, rows, 2), nearest_by_jaccard(clean, rows, rows, 2))
    np.testing.assert_array_equal(top_vocabulary(messy, rows, 3), [0, 1, 2])
    np.testing.assert_array_equal(messy.data, before)  # the caller's matrix has not changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"depth": 0}, "depth = 0"),
        ({"threads": 0}, "threads = 0"),
        ({"queries": np.array([3])}, "queries must be a list of row numbers from 0 to 2"),
        ({"pool": np.array([-1])}, "pool must be a list of row numbers from 0 to 2"),
    ],
)
def test_wrong_arguments(changed: dict, message: str) -> None:
    arguments = {"queries": np.arange(3), "pool": np.arange(3), "depth": 1} | changed
    with pytest.raises(ValueError, match=message):
        nearest_by_jaccard(sparse.csr_matrix(np.ones((3, 2))), **arguments)


def test_top_vocabulary_by_hand() -> None:
    # Over rows 0-2 the frequencies are 1 2 0 2 1; row 3 is not of the training split.
    tags = sparse.csr_matrix([[1, 1, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 0, 1, 0], [1, 0, 1, 0, 1]])
    for tau, expected in ((1, [1]), (2, [1, 3]), (3, [0, 1, 3]), (4, [0, 1, 3, 4]), (9, [0, 1, 3, 4])):
        np.testing.assert_array_equal(top_vocabulary(tags, np.arange(3), tau), expected)
    assert len(top_vocabulary(tags, np.array([], int), 2)) == 0
    with pytest.raises(ValueError, match="tau = 0"):
        top_vocabulary(tags, np.arange(3), 0)


def test_jaccard_needs_only_numpy_scipy_and_numba() -> None:
    source = Path(jaccard.__file__).read_text(encoding="utf-8")
    assert not any(name in source for name in ("import torch", "lightning", "hydra"))


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(jaccard).failed == 0
