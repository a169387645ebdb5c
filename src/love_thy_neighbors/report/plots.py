"""Curves of the report: hyperparameters, vocabulary overlap and label correlation (the paper's Figures 7, 8 and 6).

Every function that draws returns a `Figure` of its own, in the colours of a `Theme`; beside it stands a function that
says the same in a sentence, for those who do not see the picture. Error bars and bands are the standard deviation over
splits.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.themes import FONT, MARKERS, SMALL, Theme, canvas, label_lines, rule, shortened

MAP_L = "mAP$_L$ (%)"
RANK, SHARED = "k, place among the nearest neighbours", "k-th neighbours that share the label (%)"
HYPERPARAMETERS = {"m": "neighborhood size m", "M": "max rank M", "tau": "tag vocabulary size τ"}
TYPES = {"tags": "tags", "sets": "sets", "groups": "groups", "visual": "visual features"}

Curve = Sequence[tuple[float, Estimate]]


def hyperparameter_curves(curves: Mapping[str, Curve], lines: Mapping[str, float], theme: Theme) -> Figure:
    """mAP_L against each hyperparameter, the baselines as dashed lines (Figure 7).

    Args:
        curves: for "m", "M" and "tau" the values tried, each with the mAP_L in percent that it gave.
        lines: mAP_L in percent of baselines, by their names.
    """
    figure, axes = canvas(theme, 6.8, 3.2, columns=len(curves), sharey=True)
    for axis, (key, curve) in zip(axes[0], curves.items(), strict=True):
        _error_bars(axis, curve, theme, theme.series[0])
        _ticks_at([value for value, _ in curve], axis, logarithmic=key != "m")
        axis.set_xlabel(HYPERPARAMETERS[key])
        rule(axis, theme)
        for name, height in lines.items():
            axis.axhline(height, color=_of_baseline(name, lines, theme), linestyle="--", linewidth=1.2)
    axes[0, 0].set_ylabel(MAP_L)
    last = [estimate.mean for _, estimate in list(curves.values())[-1]][-1:]
    ends = [(height, name, _of_baseline(name, lines, theme)) for name, height in lines.items()]
    label_lines(axes[0, -1], [*((height, "neighborhood", theme.series[0]) for height in last), *ends])
    return figure


def hyperparameter_curves_alt(curves: Mapping[str, Curve], lines: Mapping[str, float]) -> str:
    """The ranges of Figure 7 in a sentence."""
    ranges = []
    for key, curve in curves.items():
        means = [estimate.mean for _, estimate in curve]
        if means:
            values = f"{curve[0][0]:g} to {curve[-1][0]:g}"
            ranges.append(f"between {min(means):.1f} and {max(means):.1f} % for {HYPERPARAMETERS[key]} from {values}")
    if not ranges:
        return "No run has finished."
    baselines = ", ".join(f"{name} {height:.1f} %" for name, height in lines.items())
    return f"mAP_L is {'; '.join(ranges)}." + (f" Dashed lines: {baselines}." if baselines else "")


def overlap_curve(points: Curve, visual_only: Estimate | None, theme: Theme) -> Figure:
    """mAP_L against the share of tags that training and test vocabulary have in common (Figure 8).

    Args:
        points: shares from 0 to 1, each with its mAP_L in percent.
        visual_only: the baseline's mAP_L in percent, or None where it is missing.
    """
    figure, axes = canvas(theme, 6.4, 3.6)
    axis: Axes = axes[0, 0]
    percent = [(100 * share, estimate) for share, estimate in points]
    _error_bars(axis, percent, theme, theme.series[0])
    ends = [(percent[-1][1].mean, "neighborhood", theme.series[0])]
    if visual_only is not None:
        _baseline(axis, visual_only, theme.series[1])
        ends.append((visual_only.mean, "visual-only", theme.series[1]))
    axis.set_xlim(-4, 104)
    axis.set_xticks([0, 25, 50, 75, 100])
    axis.set_xlabel("tags common to the training and the test vocabulary (%)")
    axis.set_ylabel(MAP_L)
    rule(axis, theme)
    label_lines(axis, ends)
    return figure


def overlap_curve_alt(points: Curve, visual_only: Estimate | None) -> str:
    """The ends of Figure 8's curve in a sentence."""
    (first, low), (last, high) = points[0], points[-1]
    ends = f"mAP_L is {low.mean:.1f} % at {100 * first:g} % common tags and {high.mean:.1f} % at {100 * last:g} %"
    return ends + ("." if visual_only is None else f"; visual-only has {visual_only.mean:.1f} %.")


def label_correlation(
    mean: Mapping[str, np.ndarray], spread: Mapping[str, np.ndarray], chance: float, theme: Theme
) -> Figure:
    """P(the k-th neighbour has a label | the image has it) against k, mean over labels (Figure 6).

    Args:
        mean, spread: for each type of metadata the mean and the standard deviation over splits, fractions [K]; NaN
            where there was nothing to average.
        chance: probability that a random image has the label, mean over labels, a fraction.
    """
    figure, axes = canvas(theme, 6.4, 3.8)
    axis: Axes = axes[0, 0]
    ends = [(100 * chance, "chance", theme.muted)]
    for place, (kind, values) in enumerate(mean.items()):
        color, ranks = theme.series[place], np.arange(1, len(values) + 1)
        axis.plot(ranks, 100 * values, color=color, marker=MARKERS[place], markersize=4, linewidth=1.8, label=kind)
        band = 100 * np.nan_to_num(spread[kind])
        axis.fill_between(ranks, 100 * values - band, 100 * values + band, color=color, alpha=0.18, linewidth=0)
        known = values[~np.isnan(values)]
        ends += [(100 * float(known[-1]), TYPES.get(kind, kind), color)] if len(known) else []
    axis.axhline(100 * chance, color=theme.muted, linestyle="--", linewidth=1.2)
    _ranks(axis, max(len(values) for values in mean.values()))
    axis.set_ylim(bottom=0)
    axis.set_xlabel(RANK)
    axis.set_ylabel(SHARED)
    rule(axis, theme)
    label_lines(axis, ends)
    return figure


def label_correlation_alt(mean: Mapping[str, np.ndarray], chance: float) -> str:
    """First and last point of each curve of Figure 6 in a sentence."""
    parts = []
    for kind, values in mean.items():
        known = np.flatnonzero(~np.isnan(values))
        points = [
            f"{100 * values[rank]:.1f} % at k = {rank + 1}" for rank in dict.fromkeys(known[[0, -1][: len(known)]])
        ]
        parts += [f"{TYPES.get(kind, kind)} {' and '.join(points)}"] if points else []
    return f"Probability that the k-th neighbour shares a label: {', '.join(parts)}; chance {100 * chance:.1f} %."


def labels_over_frequencies(chance: np.ndarray, count: int = 6) -> list[int]:
    """Labels at even steps from the most to the least frequent that occurs, to show for all. Shape: ``chance`` [L]."""
    occurring = [int(label) for label in np.argsort(-chance, kind="stable") if chance[label] > 0]
    steps = np.linspace(0, len(occurring) - 1, min(count, len(occurring)))
    return [occurring[int(step)] for step in steps.round()]


def label_correlation_by_label(
    probability: np.ndarray,
    chance: np.ndarray,
    types: Sequence[str],
    label_names: Sequence[str],
    chosen: Sequence[int],
    theme: Theme,
) -> Figure:
    """One small panel for each chosen label: Figure 6 as the paper has it.

    Shapes: ``probability`` [types, K, L] fractions, NaN where there was nothing to average; ``chance`` [L].
    """
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure, axes = canvas(theme, 6.8, 2.0 * rows + 0.7, rows, columns, sharex=True, sharey=True)
    ranks = np.arange(1, probability.shape[1] + 1)
    for axis, label in zip(axes.flat, chosen, strict=False):
        for place in range(len(types)):
            curve = 100 * probability[place, :, label]
            axis.plot(ranks, curve, color=theme.series[place], marker=MARKERS[place], markersize=3, linewidth=1.4)
        axis.axhline(100 * chance[label], color=theme.muted, linestyle="--", linewidth=1.2)
        name = shortened(label_names[label])
        axis.set_title(name, loc="left", color=theme.text, fontsize=FONT, parse_math=False)
        rule(axis, theme)
    for axis in axes.flat[len(chosen) :]:
        axis.set_axis_off()
    _ranks(axes[0, 0], len(ranks))
    axes[0, 0].set_ylim(bottom=0)
    figure.supxlabel(RANK, fontsize=FONT, color=theme.text)
    figure.supylabel(SHARED, fontsize=FONT, color=theme.text)
    handles = [
        Line2D([], [], color=theme.series[place], marker=MARKERS[place], markersize=4, label=TYPES.get(kind, kind))
        for place, kind in enumerate(types)
    ]
    handles.append(Line2D([], [], color=theme.muted, linestyle="--", label="chance"))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=5, frameon=False, labelcolor=theme.text, fontsize=SMALL
    )
    return figure


def label_correlation_by_label_alt(
    probability: np.ndarray, types: Sequence[str], label_names: Sequence[str], chosen: Sequence[int]
) -> str:
    """The first type's probability at k = 1 for each chosen label in a sentence."""
    parts = [
        f"{label_names[label]} {100 * probability[0, 0, label]:.0f} %"
        for label in chosen
        if not np.isnan(probability[0, 0, label])
    ]
    return f"Probability that the nearest neighbour by {types[0]} shares the label: {', '.join(parts)}."


def _error_bars(axis: Axes, curve: Curve, theme: Theme, color: str) -> None:
    axis.errorbar(
        [value for value, _ in curve],
        [estimate.mean for _, estimate in curve],
        yerr=[estimate.std or 0 for _, estimate in curve],
        color=color,
        marker="o",
        markersize=5,
        linewidth=1.8,
        elinewidth=1.2,
        capsize=3,
    )
    if not curve:
        axis.text(
            0.5, 0.5, "no finished runs", transform=axis.transAxes, ha="center", color=theme.muted, fontsize=SMALL
        )


def _baseline(axis: Axes, estimate: Estimate, color: str) -> None:
    axis.axhline(estimate.mean, color=color, linestyle="--", linewidth=1.2)
    spread = estimate.std or 0
    axis.axhspan(estimate.mean - spread, estimate.mean + spread, color=color, alpha=0.15, linewidth=0)


def _of_baseline(name: str, lines: Mapping[str, float], theme: Theme) -> str:
    others = theme.series[1:]
    return others[list(lines).index(name) % len(others)]


def _ticks_at(values: Sequence[float], axis: Axes, logarithmic: bool) -> None:
    """Ticks at the values that were tried and nowhere else."""
    if not values:
        axis.xaxis.set_major_locator(NullLocator())
        return
    if logarithmic:
        axis.set_xscale("log")
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_locator(FixedLocator(sorted(values)))
    axis.set_xticks(sorted(values), [f"{value:g}" for value in sorted(values)])


def _ranks(axis: Axes, K: int) -> None:
    axis.set_xlim(0.5, K + 0.5)
    axis.set_xticks([1, *range(5, K + 1, 5)])
