"""Pairs of vocabularies that overlap (Figure 8)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from love_thy_neighbors.neighbors.vocabularies import overlapping_vocabularies

vocabularies = st.lists(st.integers(0, 10**6), min_size=2, max_size=60, unique=True).map(np.array)
overlaps = st.floats(0, 1)
seeds = st.integers(0, 2**32)


@settings(deadline=None)
@given(vocabularies, overlaps, seeds)
def test_both_are_halves_and_share_the_right_number(vocabulary: np.ndarray, overlap: float, seed: int) -> None:
    half = len(vocabulary) // 2
    pair = overlapping_vocabularies(vocabulary, overlap, seed)
    for one in pair:
        assert len(one) == half
        assert (np.diff(one) > 0).all()
        assert set(one) <= set(vocabulary)
    assert len(np.intersect1d(*pair)) == round(overlap * half)


@settings(deadline=None)
@given(vocabularies, seeds)
def test_overlap_0_is_disjoint_and_overlap_1_equal(vocabulary: np.ndarray, seed: int) -> None:
    first, second = overlapping_vocabularies(vocabulary, 0, seed)
    assert not set(first) & set(second)
    first, second = overlapping_vocabularies(vocabulary, 1, seed)
    assert np.array_equal(first, second)


@settings(deadline=None)
@given(vocabularies, overlaps, overlaps, seeds)
def test_a_larger_overlap_keeps_the_first_vocabulary_and_the_shared_columns(
    vocabulary: np.ndarray, one: float, other: float, seed: int
) -> None:
    low, high = sorted([one, other])
    first, second = overlapping_vocabularies(vocabulary, low, seed)
    first_of_more, second_of_more = overlapping_vocabularies(vocabulary, high, seed)
    assert np.array_equal(first, first_of_more)
    assert set(first) & set(second) <= set(first) & set(second_of_more)
    assert set(second_of_more) - set(first) <= set(second) - set(first)


@settings(deadline=None)
@given(vocabularies, overlaps, seeds)
def test_the_order_of_the_columns_does_not_matter(vocabulary: np.ndarray, overlap: float, seed: int) -> None:
    before = vocabulary.copy()
    pair = overlapping_vocabularies(vocabulary, overlap, seed)
    again = overlapping_vocabularies(vocabulary[::-1], overlap, seed)
    assert all(np.array_equal(one, other) for one, other in zip(pair, again, strict=True))
    assert np.array_equal(vocabulary, before)


def test_all_pairs_are_equally_likely_over_seeds() -> None:
    drawn: dict[tuple[int, ...], int] = {}
    for seed in range(3000):
        first, second = overlapping_vocabularies(np.arange(4), 0.5, seed)
        pair = (*first.tolist(), *second.tolist())
        drawn[pair] = drawn.get(pair, 0) + 1
    # 6 first vocabularies, 2 columns of each to share, 2 others to complete the second.
    assert len(drawn) == 24
    assert max(abs(count / 125 - 1) for count in drawn.values()) < 0.4


@pytest.mark.parametrize("overlap", [-0.1, 1.01, float("nan")])
def test_wrong_overlaps(overlap: float) -> None:
    with pytest.raises(ValueError, match="overlap"):
        overlapping_vocabularies(np.arange(10), overlap, 0)


@pytest.mark.parametrize("columns", [0, 1])
def test_too_few_columns_are_refused(columns: int) -> None:
    with pytest.raises(ValueError, match="two vocabularies"):
        overlapping_vocabularies(np.arange(columns), 0.5, 0)
