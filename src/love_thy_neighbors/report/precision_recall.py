"""Precision-recall curves of single labels, and which labels to show (the paper's Figure 5a)."""

from dataclasses import dataclass

import numpy as np

HIGH = 75  # percentile of the baseline's AP from which on a label counts as one that it does well


@dataclass(frozen=True)
class Steps:
    """A precision-recall curve: ``precision[i]`` holds for recalls above ``recall[i - 1]`` up to ``recall[i]``.

    Both have one entry for each distinct score of an image with the label, the highest first. Fractions.
    """

    recall: np.ndarray
    precision: np.ndarray

    @property
    def area(self) -> float:
        """The area below the steps, which is the average precision of section 4.2."""
        return float(np.sum(np.diff(self.recall, prepend=0) * self.precision))


@dataclass(frozen=True)
class LabelCurves:
    """What a panel shows: a label, why it was chosen, and its curve before and after."""

    name: str
    reason: str
    before: Steps
    after: Steps


def precision_recall(scores: np.ndarray, labels: np.ndarray) -> Steps:
    """The exact curve of one label. Images whose scores tie come in together, as in `metrics`.

    Shapes: ``scores`` [N] real numbers, ``labels`` [N] 0 or 1. Empty without a positive image.

    >>> steps = precision_recall(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]))
    >>> steps.recall.tolist(), steps.precision.round(2).tolist()
    ([0.5, 1.0], [1.0, 0.67])
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order] != 0)
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.array([], dtype=int)
    ends = ends[np.diff(hits[ends], prepend=0) > 0]
    return Steps(hits[ends] / max(1, hits[-1] if len(hits) else 0), hits[ends] / (ends + 1))


def choose_labels(before: np.ndarray, after: np.ndarray) -> list[tuple[int, str]]:
    """Up to three labels and why each is shown: the largest gain in AP, the largest gain where the baseline is good
    already (its AP in the upper quarter), and the largest loss. A reason that no label meets is left out.

    Shapes: ``before`` and ``after`` [L], AP per label, NaN for labels that no image has.

    >>> choose_labels(np.array([0.2, 0.9, 0.5, 0.4]), np.array([0.6, 0.95, 0.4, 0.5]))
    [(0, 'largest gain'), (1, 'gain on a high baseline'), (2, 'largest loss')]
    """
    gain = after - before
    if np.isnan(gain).all():
        return []
    chosen: dict[int, str] = {}
    high = before >= np.nanpercentile(before, HIGH)
    for reason, wanted in (
        ("largest gain", gain),
        ("gain on a high baseline", np.where(high, gain, -np.inf)),
        ("largest loss", -gain),
    ):
        left = np.where(np.isnan(wanted), -np.inf, wanted)
        left[list(chosen)] = -np.inf
        if left.max() > 0:
            chosen[int(left.argmax())] = reason
    return list(chosen.items())
