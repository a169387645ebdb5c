"""Calibration error, reliability, and the counts of suggestions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from love_thy_neighbors.calibration.figures import (
    BINS,
    calibration_error,
    calibration_errors,
    reliability,
    suggestion_figures,
)


def random_pairs(n: int = 900, L: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(0.5, 2, (n, L))
    return probabilities, rng.random((n, L)) < probabilities**1.3


def test_the_error_is_that_of_equally_full_bins() -> None:
    probabilities, labels = random_pairs()
    right, mean = calibration_curve(labels.ravel(), probabilities.ravel(), n_bins=BINS, strategy="quantile")
    assert calibration_error(probabilities, labels) == pytest.approx(100 * np.abs(right - mean).mean(), rel=1e-3)


def test_probabilities_that_are_all_equal_share_a_bin() -> None:
    labels = np.arange(100)[:, None] < 30
    assert calibration_error(np.full((100, 1), 0.3), labels) == pytest.approx(0)
    assert calibration_error(np.full((100, 1), 0.5), labels) == pytest.approx(20)


def test_easy_pairs_do_not_hide_the_others() -> None:
    probabilities = np.r_[np.full(990, 0.001), np.full(10, 0.9)][:, None]
    found = calibration_errors(probabilities, np.zeros((1000, 1), bool))
    assert found["all"] == pytest.approx(0.1 * 0.99 + 0.9)
    assert found["possible"] == pytest.approx(90)
    assert calibration_errors(probabilities[:990], np.zeros((990, 1), bool))["possible"] is None


def test_reliability_is_that_of_bins_of_equal_width() -> None:
    probabilities, labels = random_pairs()
    right, mean = calibration_curve(labels.ravel(), probabilities.ravel(), n_bins=BINS, strategy="uniform")
    found = reliability(probabilities, labels)
    assert [one["right"] for one in found] == pytest.approx(right.tolist())
    assert [one["probability"] for one in found] == pytest.approx(mean.tolist())
    assert sum(one["pairs"] for one in found) == labels.size


def test_probability_1_is_in_the_last_bin() -> None:
    assert reliability(np.array([[0.0, 1.0]]), np.array([[False, True]])) == [
        {"probability": 0.0, "right": 0.0, "pairs": 1},
        {"probability": 1.0, "right": 1.0, "pairs": 1},
    ]


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 4))
def test_suggestions_are_counted_pair_by_pair(seed: int, n: int, L: int) -> None:
    probabilities, labels = random_pairs(n, L, seed)
    limits = np.random.default_rng(seed).choice([0.1, 0.3, 0.6, np.inf], L)
    pairs = {(i, l) for i in range(n) for l in range(L) if probabilities[i, l] >= limits[l]}
    truth = {(i, l) for i in range(n) for l in range(L) if labels[i, l]}
    assert suggestion_figures(probabilities, limits, labels) == {
        "suggested": len(pairs),
        "right": len(pairs & truth),
        "precision": pytest.approx(100 * len(pairs & truth) / len(pairs)) if pairs else None,
        "coverage": pytest.approx(100 * len(pairs & truth) / len(truth)) if truth else None,
        "images": len({i for i, _ in pairs}),
        "never": int(np.isinf(limits).sum()),
    }
