"""From which probability on a label is suggested."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import beta

from love_thy_neighbors.calibration.thresholds import CREDIBILITY, PRIOR_PAIRS, STEPS, fit_curves, thresholds
from love_thy_neighbors.errors import UserError


def calibrated(n: int, L: int, seed: int, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Given probabilities, labels and true probabilities [n, L]; ``wrong`` is how far, in logits, labels are off."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-4, 3, (n, L))
    truth = expit(logits + wrong * rng.normal(size=L))
    return expit(logits), rng.random((n, L)) < truth, truth


def true_precision(probabilities: np.ndarray, truth: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, float]:
    """The precision of each label that is suggested, and of all suggestions."""
    given = probabilities >= limits
    n, right = given.sum(axis=0), (given * truth).sum(axis=0)
    return right[n > 0] / n[n > 0], right.sum() / n.sum()


@pytest.mark.parametrize("precision", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_the_precision_that_was_asked_for_is_reached(precision: float, wrong: float) -> None:
    """On images that the thresholds have not seen; labels are off by e^0.5 in their odds, or not at all."""
    per_label, overall = [], []
    for seed in range(5):
        probabilities, labels, truth = calibrated(2000, 60, seed, wrong)
        limits = thresholds(fit_curves(probabilities[:1000], labels[:1000]), precision)
        assert np.isfinite(limits).sum() >= 20  # not by suggesting nothing
        single, sums = true_precision(probabilities[1000:], truth[1000:], limits)
        per_label.append(single)
        overall.append(sums)
    assert np.mean(overall) >= precision
    assert (np.concatenate(per_label) >= precision - 0.01).mean() >= CREDIBILITY


def test_few_positives_do_not_fake_certainty() -> None:
    """Label 0 has 3 of 3 right where all labels together have half right; label 1 has 250 of 250."""
    n, L = 300, 22
    probabilities, labels = np.full((n, L), 0.01), np.zeros((n, L), bool)
    probabilities[:3, 0], labels[:3, 0] = 0.5, True
    probabilities[:250, 1], labels[:250, 1] = 0.5, True
    probabilities[:80, 2:], labels[:32, 2:] = 0.5, True
    limits = thresholds(fit_curves(probabilities, labels), 0.9)
    assert limits[0] == np.inf
    assert limits[1] == 0.5
    assert np.isinf(limits[2:]).all()


def test_all_labels_together_vouch_for_a_label_with_few_positives() -> None:
    """Label 0 has 3 positives, and their probability is one where other labels are right 100 times of 100."""
    probabilities, labels = np.full((200, 11), 0.01), np.zeros((200, 11), bool)
    probabilities[:3, 0], labels[:3, 0] = 0.97, True
    probabilities[:10, 1:], labels[:10, 1:] = 0.96, True
    assert thresholds(fit_curves(probabilities, labels), 0.9)[0] == 0.97


def test_the_lowest_threshold_with_a_sufficient_bound() -> None:
    """The definition, written out for one label; below 5 %, a pair is expected to be right as its probability says."""
    rng = np.random.default_rng(1)
    p = np.round(rng.uniform(0.001, 0.049, 400), 3)
    y = rng.random(400) < 1 - np.exp(-80 * p)  # right far more often than expected
    bounds: dict[float, float] = {}
    for t in np.unique(p[y]):
        n, k, mean = (p >= t).sum(), y[p >= t].sum(), p[p >= t].mean()
        bound = beta.ppf(1 - CREDIBILITY, PRIOR_PAIRS * mean + k, PRIOR_PAIRS * (1 - mean) + n - k)
        bounds[t] = np.floor(STEPS * bound) / STEPS
    curve = fit_curves(p[:, None], y[:, None])
    for precision in (0.5, 0.75, 0.8):
        reached = [t for t, bound in bounds.items() if bound >= precision]
        assert thresholds(curve, precision)[0] == min(reached)
    assert thresholds(curve, max(bounds.values()) + 0.001)[0] == np.inf


def test_a_label_without_a_positive_is_never_suggested() -> None:
    probabilities, labels, _ = calibrated(300, 6, 0)
    labels[:, 3] = False
    assert thresholds(fit_curves(probabilities, labels), 0.01)[3] == np.inf


def test_equal_probabilities_are_suggested_together() -> None:
    """All images have one probability: the order in which they come says nothing."""
    for labels in (np.arange(100) < 50, np.arange(100) >= 50):
        curve = fit_curves(np.full((100, 1), 0.5), labels[:, None])[0]
        assert curve.threshold.tolist() == [0.5]
        assert 0.4 < curve.precision[0] < 0.5


@given(st.integers(0, 1000), st.integers(1, 80), st.lists(st.floats(0.01, 0.99), min_size=2, max_size=5))
def test_more_precision_never_lowers_a_threshold(seed: int, n: int, asked: list[float]) -> None:
    probabilities, labels, _ = calibrated(n, 4, seed, wrong=1.0)
    curves = fit_curves(probabilities, labels)
    found = np.array([thresholds(curves, one) for one in sorted(asked)])
    assert (found[1:] >= found[:-1]).all()
    for one in curves:
        assert len(one.threshold) <= labels.sum()
        assert (np.diff(one.precision) > 0).all()
        assert (np.diff(one.threshold) > 0).all()
        assert set(one.threshold) <= set(probabilities.ravel())


@pytest.mark.parametrize("precision", [0, 1, -0.1, 90, float("nan"), True, "0.9", None])
def test_a_precision_that_is_none(precision: object) -> None:
    with pytest.raises(UserError, match="precision"):
        thresholds((), precision)  # type: ignore[arg-type]
