"""Figure 5a: precision-recall curves of three labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure as Drawing

from love_thy_neighbors.report.style import FONT, SERIES, SMALL, TEXT, canvas, horizontal_grid, legend, shortened

HIGH = 75  # percentile of the baseline's AP above which its AP counts as high


@dataclass(frozen=True)
class Steps:
    """A precision-recall curve: ``precision[i]`` holds for recalls above ``recall[i - 1]`` up to ``recall[i]``.

    Both have one entry for each distinct score of an image with the label, the highest score first. Fractions.
    """

    recall: np.ndarray
    precision: np.ndarray

    @property
    def area(self) -> float:
        """The area below the steps, which is the average precision of section 4.2."""
        return float(np.sum(np.diff(self.recall, prepend=0) * self.precision))


@dataclass(frozen=True)
class LabelCurves:
    """One panel: a label, why it was chosen, and its curve without and with neighbours."""

    name: str
    reason: str
    before: Steps
    after: Steps


def precision_recall(scores: np.ndarray, labels: np.ndarray) -> Steps:
    """The exact curve of one label. Images with equal scores form one step, as in `metrics`.

    Shapes: ``scores`` [N] real numbers, ``labels`` [N] 0 or 1, at least one of them 1.

    >>> steps = precision_recall(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]))
    >>> steps.recall.tolist(), steps.precision.round(2).tolist()
    ([0.5, 1.0], [1.0, 0.67])
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order] != 0)
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    ends = ends[np.diff(hits[ends], prepend=0) > 0]
    return Steps(hits[ends] / hits[-1], hits[ends] / (ends + 1))


def choose_labels(before: np.ndarray, after: np.ndarray) -> list[tuple[int, str]]:
    """Up to three labels and the reason for each: the largest gain in AP, the largest gain among labels with a high
    baseline (AP in the upper quarter), and the largest loss. Leaves out a reason that no label meets.

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


def panels(curves: Sequence[LabelCurves]) -> Drawing:
    """A panel for each label: the exact steps of visual-only and of the model with neighbours."""
    figure, axes = canvas(6.8, 2.9, columns=len(curves), sharex=True, sharey=True)
    series = {"visual-only": SERIES[1], "with neighbours": SERIES[0]}
    for axis, label in zip(axes[0], curves, strict=True):
        for steps, (name, color) in zip((label.before, label.after), series.items(), strict=True):
            precision, recall = np.r_[steps.precision[0], steps.precision], np.r_[0, steps.recall]
            axis.plot(100 * recall, 100 * precision, color=color, linewidth=1.6, drawstyle="steps-pre", label=name)
        change = f"AP {100 * label.before.area:.0f} → {100 * label.after.area:.0f} %"
        title = f"{shortened(label.name, 20)}\n{label.reason}\n{change}"
        axis.set_title(title, loc="left", color=TEXT, fontsize=SMALL, parse_math=False)
        axis.set_xticks([0, 50, 100])
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 103)
        horizontal_grid(axis)
    axes[0, 0].set_ylabel("precision (%)")
    figure.supxlabel("recall (%)", fontsize=FONT, color=TEXT)
    legend(figure)
    return figure
