"""Tables 2, 3 and 4: models, types of neighbours, and other metadata at test time."""

from collections.abc import Sequence

from love_thy_neighbors.paper import METRICS, QUOTED, TABLE_2, TABLE_3, TABLE_4, Figures
from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Note, Origin, Row, Table
from love_thy_neighbors.report.matching import DIFFERENCE, Runs
from love_thy_neighbors.report.tables_as_text import text_of

# Rows of Table 2 in the paper's order, and whether the paper has them.
MODELS = {
    "upper_bound": ("Upper bound: logistic on the true labels", True),
    "tag_only": ("Tag-only + logistic", True),
    "knn_voting": ("CNN + kNN voting", True),
    "visual_only": ("CNN + logistic (visual-only)", True),
    "neighbor_voting": ("Image neighborhoods + CNN voting", True),
    "neighborhood": ("The model: tag neighbours", True),
    "neighborhood_tagvec": ("The model: tag neighbours + tag vector", True),
    "tag_voting": ("Tag kNN voting", False),
    "visual_mlp": ("Visual MLP: the image tower alone", False),
    "relational": ("Relational model: a tower for each metadata type", False),
    "smoothed": ("Relational model, its scores mixed with those of neighbours", False),
}
KINDS = ("visual", "groups", "sets", "tags", "union")  # rows of Table 3; the union is not in the paper
NAMES = {"union": "all metadata together", "visual": "visual features"}
TYPES = ("tags", "sets", "groups")  # of Table 4


def table2(context: Context) -> tuple[list[Block], list[Origin]]:
    """Table 2: the six metrics of every model, here and in the paper."""
    rows = [Row((name, Gap.NONE, *_beside(None, figures, METRICS), Gap.NONE)) for name, figures in QUOTED.items()]
    origins = []
    for model, (name, in_paper) in MODELS.items():
        runs = context.model(model)
        gain = Gap.NONE if model == "visual_only" else runs.minus(context.visual_only)
        rows.append(Row((name, runs.splits, *_beside(runs, TABLE_2.get(model, {}), METRICS), gain), not in_paper))
        origins += origin(name, runs)
    columns = (Column("method"), Column("splits"), *_columns(METRICS), Column(DIFFERENCE))
    beside = ", beside the paper's numbers on NUS-WIDE" if context.beside_paper else ""
    caption = (
        f"Labels for test images, percent, mean ± standard deviation over splits{beside}. "
        "Precision and recall of the n best labels of an image; n stands in a run's settings (the paper: 3)."
    )
    return [Table("table2", caption, columns, tuple(rows))], origins


def neighbor_types(context: Context) -> tuple[list[Block], list[Origin]]:
    """Table 3: neighbours by features, groups, sets, tags and all metadata."""
    metrics = METRICS[:2]
    visual = context.visual_only
    first = "CNN + logistic (visual-only)"
    rows = [Row((first, visual.splits, *_beside(visual, TABLE_2["visual_only"], metrics), Gap.NONE))]
    origins = origin(first, visual)
    for kind in KINDS:
        runs = context.neighbors_by(kind)
        name = f"The model: neighbours by {NAMES.get(kind, kind)}"
        figures = _beside(runs, TABLE_3.get(kind, {}), metrics)
        rows.append(Row((name, runs.splits, *figures, runs.minus(visual)), kind not in TABLE_3))
        origins += origin(name, runs)
    columns = (Column("method"), Column("splits"), *_columns(metrics), Column(DIFFERENCE))
    caption = (
        "The model with neighbours by different types of metadata, percent, mean ± standard deviation over splits."
    )
    return [Table("neighbor_types", caption, columns, tuple(rows))], origins


def metadata_generalization(context: Context) -> tuple[list[Block], list[Origin]]:
    """Table 4: mAP_L for every pair of metadata in training and at test time, and its difference to visual-only."""
    rows, gains, origins = [], [], []
    for train in TYPES:
        splits = context.generalized(train, *TYPES).splits
        cells: list[Cell] = [train, splits]
        differences: list[Cell] = [train, splits]
        for test in TYPES:
            runs = context.generalized(train, test)
            cells += [runs.estimate("mAP_L"), TABLE_4[train, test]]
            differences.append(runs.minus(context.visual_only))
            origins += origin(f"Trained with {train}, tested with {test}", runs)
        rows.append(Row(tuple(cells)))
        gains.append(Row(tuple(differences)))
    columns = [Column("trained with"), Column("splits")]
    for test in TYPES:
        columns += [Column("here", f"tested with {test}"), Column("paper", f"tested with {test}", paper=True)]
    caption = "mAP_L in percent for every pair of metadata in training and at test time."
    gains_caption = "mAP_L, difference to visual-only on the same split, mean and 95 % interval."
    gains_columns = (Column("trained with"), Column("splits"), *(Column(f"tested with {test}") for test in TYPES))
    return [
        Note(visual_line(context)),
        Table("metadata_generalization", caption, tuple(columns), tuple(rows)),
        Table("metadata_generalization_gains", gains_caption, gains_columns, tuple(gains)),
    ], origins


def visual_line(context: Context) -> str:
    """mAP_L of visual-only, here and in the paper, as a sentence."""
    if not context.beside_paper:
        return f"Visual-only, mAP_L in percent: {text_of(context.visual_only.estimate('mAP_L'))}."
    here, paper = (text_of(cell) for cell in (context.visual_only.estimate("mAP_L"), TABLE_2["visual_only"]["mAP_L"]))
    return f"Visual-only, mAP_L in percent: {here} here, {paper} in the paper."


def _columns(metrics: Sequence[str]) -> list[Column]:
    return [column for metric in metrics for column in (Column("here", metric), Column("paper", metric, paper=True))]


def _beside(runs: Runs | None, published: Figures, metrics: Sequence[str]) -> list[Cell]:
    """For each metric our number and the paper's; ``runs`` is None for models that only the paper has."""
    cells: list[Cell] = []
    for metric in metrics:
        cells += [Gap.NONE if runs is None else runs.estimate(metric), published.get(metric, Gap.NONE)]
    return cells


SECTIONS = {
    "table2": ("Image annotation", "Table 2, section 5.1", table2),
    "neighbor_types": ("Types of neighbours", "Table 3, section 5.2", neighbor_types),
    "metadata_generalization": ("Metadata generalization", "Table 4, section 5.3", metadata_generalization),
}
