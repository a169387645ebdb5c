"""Figure 7 (neighbourhood hyperparameters) and Figure 8 (tags that training and test share)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import NullLocator

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Column, Figure, Note, Origin, Row, Table
from love_thy_neighbors.report.matching import DIFFERENCE, Runs
from love_thy_neighbors.report.sections.annotation import visual_line
from love_thy_neighbors.report.style import SERIES, canvas, dashed, horizontal_grid, legend
from love_thy_neighbors.report.tables_as_text import text_of

Curve = Sequence[tuple[float, Estimate]]
HYPERPARAMETERS = {"m": "neighborhood size m", "M": "max rank M", "tau": "tag vocabulary size τ"}
MAP_L = "mAP$_L$ (%)"


def varied(context: Context) -> dict[str, dict[float, Runs]]:
    """For each hyperparameter its values, ascending, with the runs in which the other two have their usual values."""
    runs = context.matched.runs("hyperparameters")
    usual = context.model("neighborhood").planned or runs.planned
    if not usual:
        return {}
    curves: dict[str, dict[float, Runs]] = {}
    for key in HYPERPARAMETERS:
        center = {other: usual[0].config[other] for other in HYPERPARAMETERS if other != key}
        on_curve = [one for one in runs.planned if all(one.config[other] == center[other] for other in center)]
        curves[key] = Runs(tuple(on_curve)).by_key(key)
    return curves


def hyperparameters(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 7, and its points as a table."""
    found = varied(context)
    settings = {f"{key} = {value}": runs for key, values in found.items() for value, runs in values.items()}
    caption = "Points of Figure 7, percent: one hyperparameter varies, the others keep their usual values."
    table, origins = _table(context, "hyperparameters", caption, "hyperparameter", settings)
    curves = {key: curve for key, values in found.items() if (curve := _curve(values))}
    if not curves:
        return [table], origins
    lines = {
        name: estimate.mean
        for name, model in (("visual-only", "visual_only"), ("visual MLP", "visual_mlp"))
        if isinstance(estimate := context.model(model).estimate("mAP_L"), Estimate)
    }
    figure = Figure(
        "hyperparameters",
        "mAP_L against the neighborhood size m, the max rank M and the tag vocabulary τ. Bars: standard deviation over "
        "splits. Dashed: models without neighbours. The paper's Figure 7 has curves and no numbers.",
        partial(hyperparameter_curves, curves, lines),
    )
    return [figure, table], origins


def _table(
    context: Context, name: str, caption: str, heading: str, settings: Mapping[str, Runs]
) -> tuple[Table, list[Origin]]:
    """A row for each titled setting, and the origins of its numbers."""
    rows, origins = [], []
    for title, runs in settings.items():
        gain = runs.minus(context.visual_only)
        rows.append(Row((title, runs.splits, runs.estimate("mAP_L"), runs.estimate("mAP_I"), gain)))
        origins += origin(title, runs)
    columns = (heading, "splits", "mAP_L", "mAP_I", DIFFERENCE)
    return Table(name, caption, tuple(map(Column, columns)), tuple(rows)), origins


def _curve(values: Mapping[float, Runs]) -> Curve:
    """The points of the values with a finished run."""
    estimates = {value: runs.estimate("mAP_L") for value, runs in values.items()}
    return [(value, estimate) for value, estimate in estimates.items() if isinstance(estimate, Estimate)]


def overlaps(context: Context) -> dict[float, Runs]:
    """The shares of common tags, ascending, with their runs."""
    runs = context.matched.runs("vocabulary_overlap", lambda config: config["overlap"] is not None)
    return runs.by_key("overlap")


def vocabulary_overlap(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 8, and its points as a table."""
    found = overlaps(context)
    settings = {f"{100 * share:g} % of the tags in common": runs for share, runs in found.items()}
    caption = "Points of Figure 8, percent."
    table, origins = _table(context, "vocabulary_overlap", caption, "training and test vocabulary", settings)
    points = _curve(found)
    blocks: list[Block] = [Note(visual_line(context)), table]
    visual = context.visual_only.estimate("mAP_L")
    baseline = visual if isinstance(visual, Estimate) else None
    if points:
        figure = Figure(
            "vocabulary_overlap",
            "mAP_L against the share of tags that the training and the test vocabulary have in common. Bars and band: "
            f"standard deviation over splits. Visual-only: {text_of(visual)}.",
            partial(overlap_curve, points, baseline),
        )
        blocks.insert(0, figure)
    return blocks, origins


def new_vocabulary(context: Context) -> tuple[list[Block], list[Origin]]:
    """A row for each vocabulary, with the tags of training and with all tags of the test images renamed."""
    counted = {"pool": "counted on the images that may be neighbours", "train": "counted on training images"}
    renamed = {False: "tags as they are", True: "test tags all new"}
    runs = context.matched.runs("new_vocabulary").by(lambda one: (one.config["vocabulary"], one.config["rename_test"]))
    settings = {f"{renamed[new]}, {counted[vocabulary]}": found for (vocabulary, new), found in runs.items()}
    caption = (
        "Tags of test images that no training image has, percent. The most frequent tags are counted on the training "
        "images, as in the paper, or on the images that may be neighbours."
    )
    table, origins = _table(context, "new_vocabulary", caption, "tags", settings)
    return [Note(visual_line(context)), table], origins


def hyperparameter_curves(curves: Mapping[str, Curve], lines: Mapping[str, float]) -> Drawing:
    """A panel for each hyperparameter: mAP_L of the values tried, and of baselines as dashed lines, in percent."""
    figure, axes = canvas(6.8, 3.2, columns=len(curves), sharey=True)
    for axis, (key, curve) in zip(axes[0], curves.items(), strict=True):
        _error_bars(axis, curve)
        if key != "m":
            axis.set_xscale("log")
            axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(values := [value for value, _ in curve], [f"{value:g}" for value in values])
        axis.set_xlabel(HYPERPARAMETERS[key])
        horizontal_grid(axis)
        for (name, height), color in zip(lines.items(), SERIES[1:], strict=False):
            dashed(axis, height, name, color)
    axes[0, 0].set_ylabel(MAP_L)
    legend(figure)
    return figure


def overlap_curve(points: Curve, visual_only: Estimate | None) -> Drawing:
    """mAP_L in percent against the share (0 to 1) of common tags, and the baseline with its deviation."""
    figure, axes = canvas(6.4, 3.6)
    axis: Axes = axes[0, 0]
    _error_bars(axis, [(100 * share, estimate) for share, estimate in points])
    if visual_only is not None:
        mean, std = visual_only.mean, visual_only.std or 0
        dashed(axis, mean, "visual-only", SERIES[1])
        axis.axhspan(mean - std, mean + std, color=SERIES[1], alpha=0.15, linewidth=0)
    axis.set_xlim(-4, 104)
    axis.set_xticks([0, 25, 50, 75, 100])
    axis.set_xlabel("tags common to the training and the test vocabulary (%)")
    axis.set_ylabel(MAP_L)
    horizontal_grid(axis)
    legend(figure)
    return figure


def _error_bars(axis: Axes, curve: Curve) -> None:
    values, means = [value for value, _ in curve], [estimate.mean for _, estimate in curve]
    stds = [estimate.std or 0 for _, estimate in curve]
    style: dict[str, Any] = {"marker": "o", "markersize": 5, "linewidth": 1.8, "elinewidth": 1.2, "capsize": 3}
    axis.errorbar(values, means, yerr=stds, color=SERIES[0], label="neighborhood", **style)


SECTIONS = {
    "hyperparameters": ("Neighborhood hyperparameters", "Figure 7, section 5.2", hyperparameters),
    "vocabulary_overlap": ("Vocabulary generalization", "Figure 8, section 5.3", vocabulary_overlap),
    "new_vocabulary": ("New tags at test time", "not in the paper", new_vocabulary),
}
