"""Figures with an entry for each label: learned weights, and AP per label (the paper's Figures 3 and 5).

As in `plots`, each function that draws has one beside it that says the same in a sentence.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox

from love_thy_neighbors.report.precision_recall import LabelCurves
from love_thy_neighbors.report.themes import FONT, SMALL, Theme, canvas, rule, shortened

NAMED_LABELS = 120  # with more, the names beside the weights would be too small to read
NAMED_POINTS = 6  # largest gains, and as many largest losses, that are named in a scatter plot
_HALVES = ("image, $v_x$", "neighborhood, $v_z$")


def weights(W_y: np.ndarray, label_names: Sequence[str], theme: Theme) -> Figure:
    """The matrix W_y of Eq. 6: a row for each label, a column for each hidden unit (Figure 3).

    Hidden units have no order of their own. In each half they are sorted by the label that they speak for most, so a
    model that uses a half shows a diagonal there. The colours end at the 99.9th percentile of the absolute weights.

    Shape: ``W_y`` [L, 2h], the image tower's units first.
    """
    L, h = W_y.shape[0], W_y.shape[1] // 2
    figure, axes = canvas(theme, 6.8, min(0.145 * L, 12) + 1.4)
    axis: Axes = axes[0, 0]
    ordered = np.hstack([half[:, units_by_label(half)] for half in (W_y[:, :h], W_y[:, h:])])
    reach = float(np.percentile(np.abs(W_y), 99.9)) or 1.0
    image = axis.imshow(
        ordered,
        cmap=theme.diverging(),
        norm=TwoSlopeNorm(0, -reach, reach),
        aspect="auto",
        interpolation="nearest",
    )
    axis.axvline(h - 0.5, color=theme.text, linewidth=1)
    axis.set_xticks([h / 2 - 0.5, 1.5 * h - 0.5], _HALVES, fontsize=FONT)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    if L <= NAMED_LABELS:
        axis.set_yticks(range(L), [shortened(name) for name in label_names], parse_math=False)
    else:
        axis.set_yticks([])
        axis.set_ylabel(f"{L} labels")
    for spine in axis.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(image, ax=axis, orientation="horizontal", shrink=0.5, aspect=40, extend="both", pad=0.02)
    bar.set_label("weight", color=theme.text)
    bar.ax.tick_params(colors=theme.muted, labelcolor=theme.text)
    bar.outline.set_visible(False)
    return figure


def units_by_label(half: np.ndarray) -> np.ndarray:
    """Order [h] of hidden units by the label with their largest weight, the strongest first. Shape: ``half`` [L, h]."""
    return np.lexsort((-half.max(axis=0), half.argmax(axis=0)))


def weights_alt(W_y: np.ndarray) -> str:
    """The mean absolute weight of both halves in a sentence."""
    h = W_y.shape[1] // 2
    image, neighborhood = (float(np.abs(half).mean()) for half in (W_y[:, :h], W_y[:, h:]))
    return (
        f"Learned weights of {len(W_y)} labels and {h} hidden units a tower: mean absolute weight {image:.4f} for the "
        f"image's units, {neighborhood:.4f} for the neighborhood's."
    )


def ap_scatter(before: np.ndarray, after: np.ndarray, names: Sequence[str], theme: Theme) -> Figure:
    """Each label's AP with neighbours against visual-only, with the diagonal (Figure 5b, left).

    Shapes: ``before`` and ``after`` [L], fractions, NaN for labels that no image has.
    """
    figure, axes = canvas(theme, 5.6, 5.2)
    axis: Axes = axes[0, 0]
    axis.plot([0, 100], [0, 100], color=theme.muted, linewidth=1, linestyle="--", zorder=1)
    axis.set_xlim(0, 102)
    axis.set_ylim(0, 102)
    axis.set_aspect("equal")
    axis.set_xlabel("AP of visual-only (%)")
    axis.set_ylabel("AP with neighbours (%)")
    _gains_and_losses(axis, 100 * before, 100 * after, after - before, names, theme)
    return figure


def gain_by_frequency(gain: np.ndarray, frequency: np.ndarray, names: Sequence[str], theme: Theme) -> Figure:
    """Each label's gain in AP against the number of images that have it (Figure 5b, right).

    Shapes: ``gain`` [L] differences of fractions, NaN for labels that no image has; ``frequency`` [L] counts.
    """
    figure, axes = canvas(theme, 6.4, 4.2)
    axis: Axes = axes[0, 0]
    axis.axhline(0, color=theme.muted, linewidth=1, linestyle="--", zorder=1)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("images that have the label")
    axis.set_ylabel("gain in AP (percentage points)")
    rule(axis, theme)
    _gains_and_losses(axis, frequency, 100 * gain, gain, names, theme)
    return figure


def ap_alt(gain: np.ndarray, names: Sequence[str]) -> str:
    """How many labels gain, and the largest gain and loss, for both scatter plots. Shape: ``gain`` [L]."""
    known = np.flatnonzero(~np.isnan(gain))
    if not len(known):
        return "No label has an image."
    best, worst = (int(known[pick(gain[known])]) for pick in (np.argmax, np.argmin))
    return (
        f"{int((gain[known] > 0).sum())} of {len(known)} labels have a higher AP with neighbours; "
        f"{names[best]} {100 * gain[best]:+.1f} points, {names[worst]} {100 * gain[worst]:+.1f}."
    )


def precision_recall(curves: Sequence[LabelCurves], theme: Theme) -> Figure:
    """A panel for each label: the exact steps of visual-only and of the model with neighbours (Figure 5a)."""
    figure, axes = canvas(theme, 6.8, 2.9, columns=len(curves), sharex=True, sharey=True)
    names = ("visual-only", "with neighbours")
    colors = (theme.series[1], theme.series[0])
    for axis, label in zip(axes[0], curves, strict=True):
        for steps, color in zip((label.before, label.after), colors, strict=True):
            precision = np.r_[steps.precision[:1], steps.precision]
            recall = np.r_[0, steps.recall][: len(precision)]
            axis.plot(100 * recall, 100 * precision, color=color, linewidth=1.6, drawstyle="steps-pre")
        change = f"AP {100 * label.before.area:.0f} → {100 * label.after.area:.0f} %"
        title = f"{shortened(label.name, 20)}\n{label.reason}\n{change}"
        axis.set_title(title, loc="left", color=theme.text, fontsize=SMALL, parse_math=False)
        axis.set_xticks([0, 50, 100])
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 103)
        rule(axis, theme)
    axes[0, 0].set_ylabel("precision (%)")
    figure.supxlabel("recall (%)", fontsize=FONT, color=theme.text)
    handles = [Line2D([], [], color=color, label=name) for name, color in zip(names, colors, strict=True)]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, frameon=False, labelcolor=theme.text, fontsize=SMALL
    )
    return figure


def precision_recall_alt(curves: Sequence[LabelCurves]) -> str:
    """Each panel's AP before and after in a sentence."""
    parts = [
        f"{label.name} ({label.reason}) from {100 * label.before.area:.0f} to {100 * label.after.area:.0f} %"
        for label in curves
    ]
    return f"Precision against recall; average precision of {', '.join(parts)}."


def _gains_and_losses(
    axis: Axes, x: np.ndarray, y: np.ndarray, gain: np.ndarray, names: Sequence[str], theme: Theme
) -> None:
    """Points that point up for gains and down for losses, the largest of either named."""
    for mask, color, marker in (
        (gain == 0, theme.muted, "o"),
        (gain < 0, theme.wrong, "v"),
        (gain > 0, theme.right, "^"),
    ):
        axis.scatter(x[mask], y[mask], color=color, marker=marker, s=26, linewidths=0, alpha=0.9, zorder=2)
    ascending = [int(place) for place in np.argsort(gain, kind="stable") if not np.isnan(gain[place])]
    gains = [place for place in ascending[::-1] if gain[place] > 0][:NAMED_POINTS]
    losses = [place for place in ascending if gain[place] < 0][:NAMED_POINTS]
    points = np.column_stack([x, y])
    named = [(place, -1, theme.right) for place in gains] + [(place, 1, theme.wrong) for place in losses]
    _name_points(axis, points, [(place, side, shortened(names[place]), color) for place, side, color in named])


def _name_points(axis: Axes, points: np.ndarray, named: Sequence[tuple[int, int, str, str]]) -> None:
    """Write names beside their points, where they cover neither a point nor another name, or not at all.

    ``points`` [P, 2] in data units; ``named`` holds a place in them, the side to try first (-1 left and above, 1 right
    and below), the text and its colour.
    """
    figure = axis.get_figure()
    assert isinstance(figure, Figure)
    FigureCanvasAgg(figure).draw()  # lays the figure out, so that places on it are known
    figure.set_layout_engine("none")
    shown = axis.transData.transform(points[~np.isnan(points).any(axis=1)])
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in shown]
    for place, side, name, color in named:
        for right, up in side * np.array([(7, 0), (6, -8), (0, -9), (-6, -8), (6, 8), (-7, 0), (0, 9), (-6, 8)]):
            text = axis.annotate(
                name,
                points[place],
                xytext=(right, up),
                textcoords="offset points",
                ha="left" if right > 0 else "right" if right < 0 else "center",
                va="center",
                color=color,
                fontsize=SMALL,
                parse_math=False,
            )
            box = text.get_window_extent()
            inside = axis.bbox.contains(box.x0, box.y0) and figure.bbox.contains(box.x1, box.y1)
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
