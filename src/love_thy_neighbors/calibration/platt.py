"""Scores become probabilities: one logistic regression a label, shrunk towards all labels together.

    p(label l | score s) = 1 / (1 + exp(-(a_l s + b_l)))

Platt, "Probabilistic Outputs for Support Vector Machines" (1999), with two numbers a label: slope a_l and intercept
b_l. A label with few positives cannot determine them alone, so they have a Gaussian prior whose mean and covariance are
those of all labels, estimated from the same validation images (empirical Bayes): a label with many positives keeps its
own numbers, a label with few gets nearly the common ones.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

EM_PAIRS = 2_000_000  # image-label pairs that the prior is estimated from; more would not change two numbers
BLOCK_PAIRS = 4_000_000  # pairs that are computed with at once: some 200 MiB
EM_ROUNDS, NEWTON_ROUNDS = 60, 50
TOLERANCE = 1e-5  # change of a slope or intercept, in standardised scores
# What is known before any label is seen: slopes and intercepts of standardised scores differ by about 0.3 over labels.
# It weighs as much as four labels, and so matters for small vocabularies alone.
SPREAD, SPREAD_LABELS = 0.1 * np.eye(2), 4


@dataclass(frozen=True)
class Platt:
    """Two numbers a label. Shapes: ``slopes`` and ``intercepts`` [L], float64; no slope is below zero."""

    slopes: np.ndarray
    intercepts: np.ndarray

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probability that each label is right. Shapes: ``scores`` [n, L], returns [n, L] in the type of ``scores``."""
        kind = scores.dtype if scores.dtype in (np.float32, np.float64) else np.float64
        logits = scores * self.slopes.astype(kind)
        logits += self.intercepts.astype(kind)
        return np.asarray(expit(logits, out=logits))


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> Platt:
    """The calibration of each label, from images that the model was not trained on.

    A label whose scores go down where it is right gets slope 0: the order of the images never changes.

    Shapes: ``scores`` [n, L], float; ``labels`` [n, L], true where the label is right.
    Raises `ValueError` for no image, no label, shapes that differ and scores that are not finite.
    """
    check_pairs(scores, labels)
    center, scale = _standard(scores, labels)
    n, L = scores.shape
    few = np.unique(np.linspace(0, L - 1, min(L, max(1, EM_PAIRS // n))).astype(int))
    mean, covariance = _prior((scores[:, few] - center) / scale, labels[:, few].astype(np.float64))
    fitted = np.empty((L, 2))
    width = max(1, BLOCK_PAIRS // n)
    for start in range(0, L, width):
        block = slice(start, start + width)
        standard = (scores[:, block].astype(np.float64) - center) / scale
        fitted[block] = _fit_not_falling(standard, labels[:, block].astype(np.float64), mean, covariance)
    slopes = fitted[:, 0] / scale
    return Platt(slopes, fitted[:, 1] - slopes * center)


def check_pairs(scores: np.ndarray, labels: np.ndarray) -> None:
    """Raise `ValueError` unless both have one shape [n, L] with n, L > 0, and every score is finite."""
    if scores.ndim != 2 or scores.shape != labels.shape or 0 in scores.shape:
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} must have one shape [n, L], not empty.")
    if not np.isfinite(scores).all():
        rows = int((~np.isfinite(scores)).any(axis=1).sum())
        raise ValueError(f"The scores of {rows} of {len(scores)} images are not finite: the model has diverged.")


def _standard(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Where scores are centred (the mean where a label is right), and their standard deviation."""
    right = scores[labels.astype(bool)]
    center = np.mean(right if len(right) else scores, dtype=np.float64)
    scale = float(np.std(scores, dtype=np.float64))
    return float(center), scale if scale > 1e-12 * max(1.0, abs(center)) else 1.0


def _prior(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [2] and covariance [2, 2] of slope and intercept over labels.

    Expectation maximisation with Laplace's approximation: each label's two numbers under the present prior, then the
    prior from these and their uncertainty. The regression on all pairs together counts as one more label.
    """
    together = _fit_together(scores, labels)
    mean, covariance = together, SPREAD
    L = scores.shape[1]
    fitted = np.tile(mean, (L, 1))
    for _ in range(EM_ROUNDS):
        fitted, uncertainty = _newton(scores, labels, fitted, mean, np.linalg.inv(covariance))
        mean = (fitted.sum(axis=0) + together) / (L + 1)
        away = np.vstack([fitted, together]) - mean
        before = covariance
        total = away.T @ away + uncertainty.sum(axis=0) + SPREAD_LABELS * SPREAD
        covariance = total / (L + 1 + SPREAD_LABELS)
        if np.abs(covariance - before).max() < 1e-3 * np.abs(covariance).max():
            break
    return mean, covariance


def _fit_together(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Slope and intercept [2] of one regression on all pairs, with Platt's targets, which keep both finite."""
    positives = labels.sum()
    high, low = (positives + 1) / (positives + 2), 1 / (labels.size - positives + 2)
    targets = np.where(labels > 0, high, low).reshape(-1, 1)
    weak = 1e-6 * np.eye(2)  # decides the slope of scores that are all equal
    return _newton(scores.reshape(-1, 1), targets, np.zeros((1, 2)), np.zeros(2), weak)[0][0]


def _fit_not_falling(scores: np.ndarray, labels: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Slopes, at least 0, and intercepts [L, 2] under the prior."""
    precision, start = np.linalg.inv(covariance), np.tile(mean, (scores.shape[1], 1))
    fitted, _ = _newton(scores, labels, start, mean, precision)
    falling = fitted[:, 0] < 0
    if falling.any():
        flat, _ = _newton(np.zeros_like(scores[:, falling]), labels[:, falling], start[falling], mean, precision)
        fitted[falling] = flat * [0, 1]
    return fitted


def _newton(
    scores: np.ndarray, targets: np.ndarray, start: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method for all labels at once; a step that raises a label's loss is halved.

    Shapes: ``scores`` and ``targets`` [n, L], ``start`` [L, 2], ``mean`` [2], ``precision`` [2, 2]. Returns slopes and
    intercepts [L, 2], and the inverse second derivatives [L, 2, 2] there, which are Laplace's covariance.
    """
    found, step = start, np.zeros_like(start)
    lowest = np.full(len(start), np.inf)
    hessian = np.tile(precision, (len(start), 1, 1))
    for _ in range(NEWTON_ROUNDS):
        loss, gradient, curvature = _loss(scores, targets, found + step, mean, precision)
        better = loss <= lowest
        found = np.where(better[:, None], found + step, found)
        lowest = np.where(better, loss, lowest)
        hessian = np.where(better[:, None, None], curvature, hessian)
        newton = -np.linalg.solve(curvature, gradient[..., None])[..., 0]
        step = np.where(better[:, None], newton, step / 2)
        if np.abs(step).max() < TOLERANCE:
            break
    return found, np.linalg.inv(hessian)


def _loss(
    scores: np.ndarray, targets: np.ndarray, fitted: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Negative log posterior [L], its gradient [L, 2] and second derivative [L, 2, 2]."""
    logits = scores * fitted[:, 0] + fitted[:, 1]
    probabilities = expit(logits)
    weights = probabilities * (1 - probabilities)
    error = probabilities - targets
    away = fitted - mean
    loss = (np.logaddexp(0, logits) - targets * logits).sum(axis=0) + ((away @ precision) * away).sum(axis=1) / 2
    gradient = np.stack([(error * scores).sum(axis=0), error.sum(axis=0)], axis=1) + away @ precision
    weighted = weights * scores
    mixed = weighted.sum(axis=0)
    curvature = np.stack([(weighted * scores).sum(axis=0), mixed, mixed, weights.sum(axis=0)], axis=1)
    return loss, gradient, curvature.reshape(-1, 2, 2) + precision
