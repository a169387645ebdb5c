"""Figures 7 and 8: hyperparameters of the neighborhoods, and tags that training and test do not share."""

from functools import partial

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report import plots
from love_thy_neighbors.report.cells import text_of
from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Column, Figure, Note, Origin, Row, Table
from love_thy_neighbors.report.matching import Config, Runs
from love_thy_neighbors.report.sections.annotation import DIFFERENCE, visual_line

HYPERPARAMETERS = ("m", "M", "tau")
_FIGURES = (Column("splits"), Column("mAP_L"), Column("mAP_I"), Column(DIFFERENCE))


def varied(context: Context) -> dict[str, dict[int, Runs]]:
    """For each hyperparameter its values, ascending, with the runs in which the others have their usual values."""
    runs = context.matched.runs("hyperparameters")
    usual = context.model("neighborhood").planned or runs.planned
    if not usual:
        return {}
    center = {key: usual[0].config[key] for key in HYPERPARAMETERS}
    curves: dict[str, dict[int, Runs]] = {}
    for key in HYPERPARAMETERS:
        on_curve = runs.where(partial(_others_are, center, key))
        values = sorted({one.config[key] for one in on_curve.planned})
        curves[key] = {value: on_curve.where(partial(_has, key, value)) for value in values}
    return curves


def _others_are(center: dict[str, int], key: str, config: Config) -> bool:
    return all(config[other] == center[other] for other in HYPERPARAMETERS if other != key)


def _has(key: str, value: object, config: Config) -> bool:
    return bool(config[key] == value)


def hyperparameters(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 7, and its points as a table."""
    curves: dict[str, list[tuple[float, Estimate]]] = {}
    rows, origins = [], []
    for key, values in varied(context).items():
        curves[key] = []
        for value, runs in values.items():
            estimate = runs.estimate("mAP_L")
            rows.append(Row((f"{key} = {value}", runs.splits, *_figures(context, runs))))
            origins += origin(f"{key} = {value}", runs)
            if isinstance(estimate, Estimate):
                curves[key].append((value, estimate))
    caption = "Points of Figure 7, percent: one hyperparameter is varied, the others keep their usual values."
    table = Table("hyperparameters", caption, (Column("hyperparameter"), *_FIGURES), tuple(rows))
    if not any(curves.values()):
        return [table], origins
    curves = {key: curve for key, curve in curves.items() if curve}
    lines = {
        name: estimate.mean
        for name, model in (("visual-only", "visual_only"), ("visual MLP", "visual_mlp"))
        if isinstance(estimate := context.model(model).estimate("mAP_L"), Estimate)
    }
    figure = Figure(
        "hyperparameters",
        "mAP_L against the neighborhood size m, the max rank M and the tag vocabulary τ. Bars: standard deviation over "
        "splits. Dashed: models without neighbours. The paper's Figure 7 has curves and no numbers.",
        plots.hyperparameter_curves_alt(curves, lines),
        partial(plots.hyperparameter_curves, curves, lines),
    )
    return [figure, table], origins


def _figures(context: Context, runs: Runs) -> tuple:
    return runs.estimate("mAP_L"), runs.estimate("mAP_I"), runs.minus(context.visual_only)


def overlaps(context: Context) -> dict[float, Runs]:
    """The shares of common tags, ascending, with their runs."""
    runs = context.matched.runs("vocabulary_overlap")
    shares = sorted({one.config["overlap"] for one in runs.planned if one.config["overlap"] is not None})
    return {share: runs.where(partial(_has, "overlap", share)) for share in shares}


def vocabulary_overlap(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 8, and its points as a table."""
    points, rows, origins = [], [], []
    for share, runs in overlaps(context).items():
        estimate = runs.estimate("mAP_L")
        title = f"{100 * share:g} % of the tags in common"
        rows.append(Row((title, runs.splits, *_figures(context, runs))))
        origins += origin(title, runs)
        if isinstance(estimate, Estimate):
            points.append((share, estimate))
    caption = "Points of Figure 8, percent."
    blocks: list[Block] = [
        Note(visual_line(context)),
        Table("vocabulary_overlap", caption, (Column("training and test vocabulary"), *_FIGURES), tuple(rows)),
    ]
    visual = context.visual_only.estimate("mAP_L")
    baseline = visual if isinstance(visual, Estimate) else None
    if points:
        figure = Figure(
            "vocabulary_overlap",
            "mAP_L against the share of tags that the training and the test vocabulary have in common. Bars and band: "
            f"standard deviation over splits. Visual-only: {text_of(visual)}.",
            plots.overlap_curve_alt(points, baseline),
            partial(plots.overlap_curve, points, baseline),
        )
        blocks.insert(0, figure)
    return blocks, origins
