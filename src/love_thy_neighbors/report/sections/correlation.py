"""Figure 6: the probability that an image and its k-th nearest neighbour share a label."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, array_of, or_note, origin, percent
from love_thy_neighbors.report.document import Block, Cell, Column, Figure, Gap, Origin, Row, Table
from love_thy_neighbors.report.sections.per_label import mean_over_splits
from love_thy_neighbors.report.style import (
    FONT,
    MARKERS,
    SERIES,
    TEXT,
    canvas,
    dashed,
    horizontal_grid,
    legend,
    shortened,
)

RANKS = (1, 5, 10, 20)  # columns of the table
NAMES = {"visual": "visual features"}
RANK, SHARED = "k, rank among the nearest neighbours", "k-th neighbours that share the label (%)"


def curves(results: Sequence[Result], part: str) -> dict[str, np.ndarray]:
    """For each type of metadata the fractions [splits, K] of ``part`` ("mean" or "coverage"), NaN without a value.

    Returns the types and ranks that all results have.
    """
    if not results:
        return {}
    bodies = [result.body[part] for result in results]
    types = [kind for kind in bodies[0] if all(kind in body for body in bodies)]
    K = min(len(values) for body in bodies for values in body.values())
    return {kind: np.array([body[kind][:K] for body in bodies], dtype=float) for kind in types}


def label_correlation(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 6 as a mean over labels, for single labels, and as a table."""
    runs = context.matched.runs("label_correlation")
    results = runs.results
    mean = curves(results, "mean")
    blocks: list[Block] = []
    if mean:
        chance = float(np.mean([result.body["chance"] for result in results]))
        blocks.append(
            Figure(
                "label_correlation",
                "Probability that the k-th nearest neighbour has a label that the image has, mean over labels and "
                "splits; band: standard deviation over splits. Dashed: a random image.",
                partial(mean_curves, mean, chance),
            )
        )
        blocks += or_note(lambda: [_by_label(context, results[0])])
    return [*blocks, _table(results, mean)], origin("Label correlation", runs)


def _by_label(context: Context, result: Result) -> Figure:
    names = context.collection.label_names
    chance, probability = array_of(result, "chance"), array_of(result, "probability")
    types = list(result.body.get("types", result.body["mean"]))
    chosen = labels_over_frequencies(chance)
    return Figure(
        "label_correlation_by_label",
        f"The same for single labels, from the most to the least frequent, on split {result.split}, as in the paper's "
        "Figure 6.",
        partial(by_label_curves, probability, chance, types, names, chosen),
    )


def _table(results: Sequence[Result], mean: dict[str, np.ndarray]) -> Table:
    K = len(next(iter(mean.values()))[0]) if mean else max(RANKS)
    ranks = [k for k in RANKS if k <= K]
    coverage = curves(results, "coverage")
    rows = []
    for kind, values in mean.items():
        cells: list[Cell] = [NAMES.get(kind, kind), *(percent(values[:, k - 1], Gap.MISSING) for k in ranks)]
        cells += [percent(coverage[kind][:, k - 1]) if kind in coverage else Gap.NONE for k in (ranks[0], ranks[-1])]
        rows.append(Row(tuple(cells)))
    chance = percent(np.array([result.body["chance"] for result in results], dtype=float), Gap.MISSING)
    rows.append(Row(("a random image", *(chance for _ in ranks), Gap.NONE, Gap.NONE)))
    return Table(
        "label_correlation",
        "Probability in percent that the k-th neighbour has a label that the image has, mean ± standard deviation over "
        f"{len(results)} splits; and the share of images that have a k-th neighbour. The paper gives curves for single "
        "labels, no numbers.",
        (
            Column("neighbours by"),
            *(Column(f"k = {k}", "shares a label") for k in ranks),
            *(Column(f"k = {k}", "images with a neighbour") for k in (ranks[0], ranks[-1])),
        ),
        tuple(rows),
    )


def mean_curves(curves: Mapping[str, np.ndarray], chance: float) -> Drawing:
    """Mean over labels against k, for each type fractions [splits, K], NaN without a value.

    The line is the mean over the splits that have a value, the band their standard deviation (0 for one split).
    """
    figure, axes = canvas(6.4, 3.8)
    axis: Axes = axes[0, 0]
    means = {kind: 100 * mean_over_splits(values) for kind, values in curves.items()}
    _plot(axis, means, markersize=4, linewidth=1.8)
    for line, (kind, mean) in zip(axis.lines, means.items(), strict=True):
        band = 100 * np.ma.masked_invalid(curves[kind]).std(axis=0, ddof=1).filled(0)
        axis.fill_between(line.get_xdata(), mean - band, mean + band, color=line.get_color(), alpha=0.18, linewidth=0)
    dashed(axis, 100 * chance, "chance")
    _show_ranks(axis, max(map(len, means.values())))
    axis.set_xlabel(RANK)
    axis.set_ylabel(SHARED)
    horizontal_grid(axis)
    legend(figure)
    return figure


def labels_over_frequencies(chance: np.ndarray, count: int = 6) -> list[int]:
    """``count`` labels at even steps from the most to the least frequent that occurs. Shape: ``chance`` [L]."""
    occurring = [int(label) for label in np.argsort(-chance, kind="stable") if chance[label] > 0]
    steps = np.linspace(0, len(occurring) - 1, min(count, len(occurring)))
    return [occurring[int(step)] for step in steps.round()]


def by_label_curves(
    probability: np.ndarray, chance: np.ndarray, types: Sequence[str], names: Sequence[str], chosen: Sequence[int]
) -> Drawing:
    """A panel for each chosen label, as in the paper.

    Shapes: ``probability`` [types, K, L] fractions, NaN without a value; ``chance`` [L].
    """
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure, axes = canvas(6.8, 2.0 * rows + 0.7, rows, columns, sharex=True, sharey=True)
    for axis, label in zip(axes.flat, chosen, strict=False):
        _plot(axis, dict(zip(types, 100 * probability[:, :, label], strict=True)), markersize=3, linewidth=1.4)
        dashed(axis, 100 * chance[label], "chance")
        axis.set_title(shortened(names[label]), loc="left", color=TEXT, fontsize=FONT, parse_math=False)
        horizontal_grid(axis)
    for axis in axes.flat[len(chosen) :]:
        axis.set_axis_off()
    _show_ranks(axes[0, 0], probability.shape[1])
    figure.supxlabel(RANK, fontsize=FONT, color=TEXT)
    figure.supylabel(SHARED, fontsize=FONT, color=TEXT)
    legend(figure)
    return figure


def _plot(axis: Axes, curves: Mapping[str, np.ndarray], **style: Any) -> None:
    """A line for each type of metadata, percent [K]; colours and markers repeat after the last one."""
    for kind, values, color, marker in zip(curves, curves.values(), cycle(SERIES), cycle(MARKERS), strict=False):
        ranks = np.arange(1, len(values) + 1)
        axis.plot(ranks, values, label=NAMES.get(kind, kind), color=color, marker=marker, **style)


def _show_ranks(axis: Axes, K: int) -> None:
    axis.set_xlim(0.5, K + 0.5)
    axis.set_xticks([1, *range(5, K + 1, 5)])
    axis.set_ylim(bottom=0)


SECTIONS = {"label_correlation": ("Label correlations", "Figure 6, section 5.2", label_correlation)}
