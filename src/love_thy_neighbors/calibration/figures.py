"""How far probabilities and suggestions can be trusted, measured on images with known labels.

Shapes everywhere: ``probabilities`` [n, L]; ``labels`` [n, L], true where the label is right; ``limits`` [L], the
probability from which on each label is suggested, inf for never.
"""

from typing import Any

import numpy as np

from love_thy_neighbors.calibration.thresholds import POSSIBLE

BINS = 15


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, least: float = 0.0) -> float | None:
    """Expected calibration error in percent, over the image-label pairs with a probability of ``least`` or more.

        sum over 15 bins of  pairs in the bin / all pairs * |mean probability - share that is right|

    The bins hold equally many pairs (equal probabilities stay together), so each share is measured equally well; most
    bins of equal width would be nearly empty. Nearly all pairs are easy: the label is wrong, and its probability is
    near 0. They hide the others, so the figure with ``least=POSSIBLE`` says more. None if there is no such pair.
    """
    kept = probabilities >= least
    chosen, right = probabilities[kept], labels[kept]
    if not len(chosen):
        return None
    edges = np.quantile(chosen, np.arange(1, BINS) / BINS)
    pairs, expected, hits = _sums(np.searchsorted(edges, chosen, side="right"), chosen, right)
    return float(100 * np.abs(expected - hits).sum() / pairs.sum())


def calibration_errors(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """`calibration_error` over ``all`` pairs, and over the ``possible`` ones, of a probability of 5 % or more."""
    return {
        "all": calibration_error(probabilities, labels),
        "possible": calibration_error(probabilities, labels, POSSIBLE),
    }


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, float | int]]:
    """The points of a reliability diagram: 15 bins of equal width, those without a pair left out.

    Each has the mean ``probability`` and the share that is ``right``, as fractions, and the count of ``pairs``.
    """
    places = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1).ravel()
    pairs, expected, hits = _sums(places, probabilities.ravel(), labels.ravel())
    return [
        {"probability": float(expected[i] / pairs[i]), "right": float(hits[i] / pairs[i]), "pairs": int(pairs[i])}
        for i in np.flatnonzero(pairs)
    ]


def _sums(places: np.ndarray, probabilities: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pairs, sum of probabilities and right ones of each bin, [15] each."""
    weights = (None, probabilities, right)
    return tuple(np.bincount(places, weights=one, minlength=BINS) for one in weights)


def suggestion_figures(probabilities: np.ndarray, limits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """How many labels are suggested, how many of these are right, and what share of all right labels they are.

    ``suggested`` and ``right`` are counts of image-label pairs, ``images`` counts images with a suggestion,
    ``never`` labels that are never suggested. ``precision`` and ``coverage`` are percent, None where nothing is
    suggested, or no label is right.
    """
    truth = labels.astype(bool)
    given = probabilities >= limits
    suggested, right, present = int(given.sum()), int((given & truth).sum()), int(truth.sum())
    return {
        "suggested": suggested,
        "right": right,
        "precision": 100 * right / suggested if suggested else None,
        "coverage": 100 * right / present if present else None,
        "images": int(given.any(axis=1).sum()),
        "never": int(np.isinf(np.broadcast_to(limits, given.shape)).all(axis=0).sum()),
    }
