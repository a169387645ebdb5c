"""Figure 5: average precision (AP) of each label, with neighbours and without."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.metrics import average_precision_per_label
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, array_of, or_note, origin, percent
from love_thy_neighbors.report.document import Block, Column, Figure, Origin, Row, Table
from love_thy_neighbors.report.matching import has_model
from love_thy_neighbors.report.precision_recall import LabelCurves, choose_labels, panels, precision_recall
from love_thy_neighbors.report.style import MUTED, RIGHT, SMALL, WRONG, canvas, horizontal_grid, shortened
from love_thy_neighbors.report.wording import over_splits

MODELS = ("visual_only", "neighborhood")
NAMED_POINTS = 6  # the largest gains and the largest losses have a name in a scatter plot


@dataclass(frozen=True)
class PerLabel:
    """Average precision per label of both models, fractions [splits, L], NaN where no test image has the label."""

    before: np.ndarray
    after: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """Mean difference over splits [L]; NaN for labels without a test image on any split."""
        return mean_over_splits(self.after - self.before)


def mean_over_splits(values: np.ndarray) -> np.ndarray:
    """Mean [L] of each column of [splits, L], without NaN."""
    return np.ma.masked_invalid(values).mean(axis=0).filled(np.nan)


def pairs(context: Context, experiment: str) -> list[tuple[Result, Result]]:
    """Finished runs of visual-only and of the model on the same split, in the order of the splits."""
    visual, ours = (
        {one.config["split"]: one.result for one in runs.planned if one.result is not None}
        for runs in (context.matched.runs(experiment, has_model(model)) for model in MODELS)
    )
    return [(visual[split], ours[split]) for split in sorted(visual.keys() & ours.keys())]


def tested(context: Context, before: Result, after: Result) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows [N], labels, scores of visual-only and scores of the model [N, L] of two runs on the same split.

    Raises `UserError` for an array that cannot be used, and for runs with different test images.
    """
    rows = array_of(after, "rows")
    if not np.array_equal(rows, array_of(before, "rows")):
        raise UserError(f"{before.folder}: its test images are not those of {after.folder}; do both jobs again.")
    return rows, context.collection.labels[rows].toarray(), array_of(before, "scores"), array_of(after, "scores")


def per_label_precision(context: Context) -> PerLabel | None:
    """Figure 5's numbers; None if no split has both runs. Raises `UserError` like `tested`."""
    found = [average_precision(*tested(context, *pair)[1:]) for pair in pairs(context, "per_label")]
    return PerLabel(*np.array(found).swapaxes(0, 1)) if found else None


def average_precision(labels: np.ndarray, *scores: np.ndarray) -> list[np.ndarray]:
    """AP [L] for each of ``scores`` [N, L], fractions; NaN for a label that no image of ``labels`` [N, L] has."""
    truth = torch.from_numpy(labels)
    return [average_precision_per_label(torch.from_numpy(one), truth).numpy() for one in scores]


def per_label(context: Context) -> tuple[list[Block], list[Origin]]:
    """Both halves of Figure 5, and every label's numbers as a table."""
    runs = context.matched.runs("per_label")
    origins = [one for model in MODELS for one in origin(model, runs.where(has_model(model)))]
    return or_note(lambda: _blocks(context)), origins


def _blocks(context: Context) -> list[Block]:
    found = per_label_precision(context)
    if found is None:
        return []
    names = context.collection.label_names
    frequency = np.asarray(context.collection.labels.sum(axis=0)).ravel()
    before, after = mean_over_splits(found.before), mean_over_splits(found.after)
    over = over_splits(len(found.before))
    return [
        *_curves(context),
        Figure(
            "ap_scatter",
            f"Average precision of each label with tag neighbours against visual-only, {over}. "
            "Above the line the neighbours help.",
            partial(ap_scatter, before, after, names),
        ),
        Figure(
            "gain_by_frequency",
            f"Gain in average precision against the number of images with the label, {over}.",
            partial(gain_by_frequency, found.gain, frequency, names),
        ),
        _table(found, names, frequency),
    ]


def _curves(context: Context) -> list[Block]:
    """Figure 5a on the first split: a large gain, a gain on a high baseline, a loss."""
    first = pairs(context, "per_label")[0]
    _, labels, *scores = tested(context, *first)
    curves = [
        LabelCurves(
            context.collection.label_names[label],
            reason,
            *(precision_recall(one[:, label], labels[:, label]) for one in scores),
        )
        for label, reason in choose_labels(*average_precision(labels, *scores))
    ]
    if not curves:
        return []
    caption = f"Precision against recall of chosen labels on split {first[0].split}, without neighbours and with."
    return [Figure("precision_recall", caption, partial(panels, curves))]


def _table(found: PerLabel, names: Sequence[str], frequency: np.ndarray) -> Table:
    order = np.argsort(-np.nan_to_num(found.gain, nan=-np.inf), kind="stable")
    rows = []
    for label in order:
        figures = (values[:, label] for values in (found.before, found.after, found.after - found.before))
        rows.append(Row((names[label], int(frequency[label]), *map(percent, figures))))
    return Table(
        "per_label",
        "Average precision of every label in percent, mean ± standard deviation over splits, the largest gain first.",
        (Column("label"), Column("images"), Column("visual-only"), Column("tag neighbours"), Column("gain")),
        tuple(rows),
        folded=True,
    )


def ap_scatter(before: np.ndarray, after: np.ndarray, names: Sequence[str]) -> Drawing:
    """Each label's AP with neighbours against visual-only (Figure 5b, left). Fractions [L], NaN without an image."""
    figure, axes = canvas(5.6, 5.2)
    axis: Axes = axes[0, 0]
    axis.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle="--", zorder=1)
    axis.set_xlim(0, 102)
    axis.set_ylim(0, 102)
    axis.set_aspect("equal")
    axis.set_xlabel("AP of visual-only (%)")
    axis.set_ylabel("AP with neighbours (%)")
    _gains_and_losses(axis, 100 * before, 100 * after, after - before, names)
    return figure


def gain_by_frequency(gain: np.ndarray, frequency: np.ndarray, names: Sequence[str]) -> Drawing:
    """Each label's gain in AP, a fraction, against its number of images (Figure 5b, right). Shapes: [L]."""
    figure, axes = canvas(6.4, 4.2)
    axis: Axes = axes[0, 0]
    axis.axhline(0, color=MUTED, linewidth=1, linestyle="--", zorder=1)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("images that have the label")
    axis.set_ylabel("gain in AP (percentage points)")
    horizontal_grid(axis)
    _gains_and_losses(axis, frequency, 100 * gain, gain, names)
    return figure


def _gains_and_losses(axis: Axes, x: np.ndarray, y: np.ndarray, gain: np.ndarray, names: Sequence[str]) -> None:
    """Draws points that point up for gains and down for losses, and names the largest."""
    for mask, color, marker in ((gain == 0, MUTED, "o"), (gain < 0, WRONG, "v"), (gain > 0, RIGHT, "^")):
        axis.scatter(x[mask], y[mask], color=color, marker=marker, s=26, linewidths=0, alpha=0.9, zorder=2)
    ascending = [int(label) for label in np.argsort(gain, kind="stable") if not np.isnan(gain[label])]
    gains = [label for label in ascending[::-1] if gain[label] > 0][:NAMED_POINTS]
    losses = [label for label in ascending if gain[label] < 0][:NAMED_POINTS]
    named = [(label, -1, RIGHT) for label in gains] + [(label, 1, WRONG) for label in losses]
    points = np.column_stack([x, y])
    _name_points(axis, points, [(points[label], side, names[label], color) for label, side, color in named])


def _name_points(axis: Axes, points: np.ndarray, named: Sequence[tuple[Any, int, str, str]]) -> None:
    """Writes names beside their points. Omits a name that would cover a point or another name.

    ``points`` [P, 2] in data units. Each of ``named`` holds a point, the side to try first (-1 left and above, 1 right
    and below), the name and its colour.
    """
    figure = axis.get_figure()
    assert isinstance(figure, Drawing)
    FigureCanvasAgg(figure).draw()  # the layout must be final before boxes are compared
    figure.set_layout_engine("none")
    shown = axis.transData.transform(points[~np.isnan(points).any(axis=1)])
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in shown]
    style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": SMALL, "parse_math": False}
    for point, side, name, color in named:
        for right, up in side * np.array([(7, 0), (6, -8), (0, -9), (-6, -8), (6, 8), (-7, 0), (0, 9), (-6, 8)]):
            aligned = "left" if right > 0 else "right" if right < 0 else "center"
            text = axis.annotate(shortened(name), point, xytext=(right, up), ha=aligned, color=color, **style)
            box = text.get_window_extent()
            inside = axis.bbox.contains(box.x0, box.y0) and figure.bbox.contains(box.x1, box.y1)
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


SECTIONS = {"per_label": ("Label by label", "Figure 5, section 5.1", per_label)}
