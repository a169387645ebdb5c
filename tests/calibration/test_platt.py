"""One logistic regression a label, shrunk towards all labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from love_thy_neighbors.calibration import platt
from love_thy_neighbors.calibration.platt import Platt, fit_platt


def made_up(n: int, L: int, seed: int = 0, spread: float = 0.15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels and true probabilities [n, L] of labels with slopes about 0.7 and intercepts about 0.2."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(-4, 3, (n, L))
    slopes, intercepts = 0.7 * np.exp(rng.normal(0, spread, L)), rng.normal(0.2, spread, L)
    truth = expit(scores * slopes + intercepts)
    return scores, rng.random((n, L)) < truth, truth


def divergence(fitted: np.ndarray, truth: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence of fitted from true probabilities."""
    p, q = np.clip(truth, 1e-12, 1 - 1e-12), np.clip(fitted, 1e-12, 1 - 1e-12)
    return float((p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean())


def alone(scores: np.ndarray, labels: np.ndarray, C: float = 1e6) -> Platt:
    """scikit-learn's logistic regression of each label by itself."""
    models = [LogisticRegression(C=C, tol=1e-10).fit(s[:, None], y) for s, y in zip(scores.T, labels.T, strict=True)]
    return Platt(np.array([m.coef_[0, 0] for m in models]), np.array([m.intercept_[0] for m in models]))


def test_a_label_with_many_positives_keeps_its_own_numbers() -> None:
    scores, labels, _ = made_up(30_000, 3)
    ours, theirs = fit_platt(scores, labels), alone(scores, labels)
    np.testing.assert_allclose(ours.slopes, theirs.slopes, rtol=0.01)
    np.testing.assert_allclose(ours.intercepts, theirs.intercepts, atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_shrinkage_comes_closer_to_the_truth_where_positives_are_few(seed: int) -> None:
    scores, labels, truth = made_up(150, 80, seed)
    assert np.median(labels.sum(axis=0)) < 30
    shrunk = divergence(fit_platt(scores, labels).probabilities(scores), truth)
    assert shrunk < 0.6 * divergence(alone(scores, labels).probabilities(scores), truth)
    together = alone(scores.reshape(-1, 1), labels.reshape(-1, 1))
    common = Platt(np.tile(together.slopes, 80), np.tile(together.intercepts, 80))
    assert shrunk < divergence(common.probabilities(scores), truth)


def test_equal_labels_get_nearly_the_same_numbers() -> None:
    """Where labels do not differ, one with three positives is not fitted to these three."""
    scores, labels, _ = made_up(300, 80, spread=0.0)
    ours, theirs = fit_platt(scores, labels), alone(scores, labels)
    assert ours.slopes.std() < 0.4 * theirs.slopes.std()


ROBUST = {
    "no positives": lambda y: np.zeros_like(y),
    "all positives": lambda y: np.ones_like(y),
    "one positive": lambda y: np.arange(len(y))[:, None] == np.zeros(y.shape[1]),
    "separable": None,
    "upside down": None,
}


@pytest.mark.parametrize("case", ROBUST)
@pytest.mark.parametrize(("n", "L"), [(1, 1), (2, 1), (40, 1), (40, 7)])
def test_numbers_stay_finite_and_no_order_is_turned_around(case: str, n: int, L: int) -> None:
    scores, labels, _ = made_up(n, L)
    change = ROBUST[case]
    labels = change(labels) if change else (scores > -4 if case == "separable" else scores < -4)
    fitted = fit_platt(scores, labels)
    assert np.isfinite(fitted.slopes).all()
    assert np.isfinite(fitted.intercepts).all()
    assert (fitted.slopes >= 0).all()


def test_labels_without_a_positive_beside_others() -> None:
    scores, labels, _ = made_up(300, 20)
    labels[:, 4], labels[:, 5] = False, True
    probabilities = fit_platt(scores, labels).probabilities(scores)
    assert probabilities[:, 4].mean() < probabilities[:, :4].mean() < probabilities[:, 5].mean()


def test_scores_that_are_all_equal_give_the_share_of_positives() -> None:
    labels = np.arange(400)[:, None] % 4 == 0
    fitted = fit_platt(np.full((400, 1), 7.0), labels)
    np.testing.assert_allclose(fitted.probabilities(np.array([[7.0]])), 0.25, atol=0.01)


def test_a_falling_label_gets_its_share_of_positives() -> None:
    scores, labels, _ = made_up(2000, 5)
    labels[:, 2] = scores[:, 2] < -5
    fitted = fit_platt(scores, labels)
    assert fitted.slopes[2] == 0
    assert (fitted.slopes[[0, 1, 3, 4]] > 0).all()
    np.testing.assert_allclose(fitted.probabilities(scores)[0, 2], labels[:, 2].mean(), atol=0.02)


@given(st.floats(0.01, 100), st.floats(-50, 50))
def test_probabilities_do_not_depend_on_the_unit_of_the_scores(scale: float, shift: float) -> None:
    scores, labels, _ = made_up(60, 6)
    before = fit_platt(scores, labels).probabilities(scores)
    after = fit_platt(scale * scores + shift, labels).probabilities(scale * scores + shift)
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_the_order_of_labels_and_images_does_not_matter() -> None:
    scores, labels, _ = made_up(100, 12)
    first = fit_platt(scores, labels)
    second = fit_platt(scores[::-1, ::-1], labels[::-1, ::-1])
    np.testing.assert_allclose(second.slopes[::-1], first.slopes, atol=1e-4)
    np.testing.assert_allclose(second.intercepts[::-1], first.intercepts, atol=1e-4)


def test_blocks_of_labels_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels, _ = made_up(100, 13)
    whole = fit_platt(scores, labels)
    monkeypatch.setattr(platt, "BLOCK_PAIRS", 500)
    np.testing.assert_allclose(fit_platt(scores, labels).slopes, whole.slopes, atol=1e-6)


def test_probabilities_keep_the_type_of_the_scores() -> None:
    fitted = Platt(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    scores = np.array([[0.0, 1.0]], dtype=np.float32)
    assert fitted.probabilities(scores).dtype == np.float32
    np.testing.assert_allclose(fitted.probabilities(scores), [[0.5, expit(3.0)]], rtol=1e-6)
    np.testing.assert_array_equal(scores, [[0.0, 1.0]])  # the argument is as it was
    assert fitted.probabilities(np.array([[0, 1]])).dtype == np.float64


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2), bool)),
        (np.zeros((0, 3)), np.zeros((0, 3), bool)),
        (np.zeros((3, 0)), np.zeros((3, 0), bool)),
        (np.zeros(3), np.zeros(3, bool)),
        (np.array([[np.nan]]), np.ones((1, 1), bool)),
        (np.array([[np.inf]]), np.ones((1, 1), bool)),
    ],
)
def test_scores_that_cannot_be_calibrated(scores: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="scores"):
        fit_platt(scores, labels)
