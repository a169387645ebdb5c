"""From which probability on a label is suggested, so that a chosen share of its suggestions is right.

Let k of the n validation images whose probability of a label is at least t have the label. Its precision there is not
k / n for sure, least of all if n is small. Before these images are seen, it is expected to be the share mu that is
right among pairs of all labels with such probabilities, as firmly as if a = 20 pairs had shown it:

    precision ~ Beta(a mu + k, a (1 - mu) + n - k),        bound(t) = its 20 % quantile,

so it is above bound(t) with a credibility of 80 %. The threshold for a precision P is the lowest t with bound(t) >= P.
It is the best of several t, so a single label misses P somewhat more often than that: one label in four does where the
tests make up the truth. All suggestions together reach P. docs/benchmarks.md has the measurements, and compares with
Wilson's interval and with one threshold for all labels.
"""

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import betaincinv

from love_thy_neighbors.calibration.platt import check_pairs
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar

PRIOR_PAIRS = 20  # a
CREDIBILITY = 0.8
POSSIBLE = 0.05  # most pairs have a lower probability: easy ones, which no threshold for suggestions is near
LONG = 10_000_000  # image-label pairs from which on the work takes so long that it shows a progress bar
STEPS = 200  # bounds are rounded down to half percents, so that a curve stays small


@dataclass(frozen=True)
class Curve:
    """The best choices of one label: at ``threshold[i]`` its precision is at least ``precision[i]``; both ascend."""

    precision: np.ndarray
    threshold: np.ndarray


def thresholds(curves: tuple[Curve, ...], precision: float) -> np.ndarray:
    """For each label the lowest threshold [L] that reaches a precision (0 to 1); inf for a label that cannot reach it.

    A label is suggested where its probability is at least the threshold. Raises `UserError` for another precision.
    """
    if isinstance(precision, bool) or not isinstance(precision, int | float) or not 0 < precision < 1:
        raise UserError(f"precision: must be a number between 0 and 1, such as 0.9, not {precision}.")
    found = np.full(len(curves), np.inf)
    for label, curve in enumerate(curves):
        place = np.searchsorted(curve.precision, precision)
        if place < len(curve.threshold):
            found[label] = curve.threshold[place]
    return found


def fit_curves(probabilities: np.ndarray, labels: np.ndarray) -> tuple[Curve, ...]:
    """A curve for each label; empty for a label without a positive.

    Shapes: ``probabilities`` [n, L] of validation images, ``labels`` [n, L], true where the label is right.
    Raises `ValueError` for shapes that differ or are empty and for probabilities that are not finite.
    """
    check_pairs(probabilities, labels)
    right = labels.astype(bool)
    expected = _shares_of_all_labels(probabilities, right)
    curves = []
    bar = progress_bar("thresholds", probabilities.shape[1]) if labels.size > LONG else nullcontext(lambda count: None)
    with bar as advance:
        for column in zip(probabilities.T, right.T, expected.T, strict=True):
            curves.append(_curve(*column))
            advance(1)
    return tuple(curves)


def _shares_of_all_labels(probabilities: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The share of pairs of all labels that is right at each pair's probability [n, L]: an isotonic regression.

    Of a step with h right ones of q pairs it is (h + 1/2) / (q + 1), so that it is never quite 0 or 1.
    """
    shares = probabilities.copy()
    possible = probabilities >= POSSIBLE
    chosen = probabilities[possible]
    if len(chosen):
        _, place, pairs = np.unique(chosen, return_inverse=True, return_counts=True)
        hits = np.bincount(place, weights=right[possible])
        ends = np.asarray(isotonic_regression(hits / pairs, weights=pairs).blocks)
        smoothed = (np.add.reduceat(hits, ends[:-1]) + 0.5) / (np.add.reduceat(pairs, ends[:-1]) + 1)
        shares[possible] = np.repeat(smoothed, np.diff(ends))[place]
    return shares


def _curve(probabilities: np.ndarray, right: np.ndarray, expected: np.ndarray) -> Curve:
    """The curve of one label. Shapes: all [n]."""
    order = np.argsort(-probabilities, kind="stable")
    ordered, hits = probabilities[order], np.cumsum(right[order])
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])  # equal probabilities are suggested together
    last = last[np.diff(hits[last], prepend=0) > 0]  # without a new hit, a lower threshold only lowers the bound
    n, k = last + 1.0, hits[last]
    mean = np.cumsum(expected[order], dtype=np.float64)[last] / n
    alpha, beta = PRIOR_PAIRS * mean + k, PRIOR_PAIRS * (1 - mean) + n - k
    bounds = np.floor(betaincinv(alpha, beta, 1 - CREDIBILITY) * STEPS) / STEPS
    precision, threshold = bounds[::-1], ordered[last][::-1].astype(np.float64)
    best = precision > np.maximum.accumulate(np.r_[0.0, precision])[:-1]
    return Curve(precision[best], threshold[best])
