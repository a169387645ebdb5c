"""Figure 5: average precision of each label, with neighbours and without."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.metrics import average_precision_per_label
from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report import plots_per_label as plots
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, attempted, origin, scores_of
from love_thy_neighbors.report.document import Block, Column, Figure, Gap, Origin, Row, Table
from love_thy_neighbors.report.estimates import estimate_of
from love_thy_neighbors.report.matching import has_model
from love_thy_neighbors.report.precision_recall import LabelCurves, choose_labels, precision_recall

MODELS = ("visual_only", "neighborhood")


@dataclass(frozen=True)
class PerLabel:
    """Average precision per label of both models, fractions [splits, L], NaN where no test image has the label."""

    before: np.ndarray
    after: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """Mean over splits [L] of the difference; NaN for labels without a test image on any split."""
        return mean_over_splits(self.after - self.before)


def mean_over_splits(values: np.ndarray) -> np.ndarray:
    """Mean [L] of the numbers that there are in each column of [splits, L]."""
    return np.ma.masked_invalid(values).mean(axis=0).filled(np.nan)


def pairs(context: Context, experiment: str) -> list[tuple[Result, Result]]:
    """Finished runs of visual-only and of the model on the same split, in the order of the splits."""
    visual, ours = (
        {one.config["split"]: one.result for one in runs.planned if one.result is not None}
        for runs in (context.matched.runs(experiment, has_model(model)) for model in MODELS)
    )
    return [(visual[split], ours[split]) for split in sorted(visual.keys() & ours.keys())]


def tested(context: Context, before: Result, after: Result) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows [N], labels, scores of visual-only and of the model [N, L] of a pair on the same split.

    Raises `UserError` if an array cannot be used, or the two were not tested on the same images.
    """
    rows, scores = scores_of(after, context.collection)
    other, before_scores = scores_of(before, context.collection)
    if not np.array_equal(rows, other):
        raise UserError(f"{before.folder}: its test images are not those of {after.folder}; do both jobs again.")
    return rows, context.collection.labels[rows].toarray(), before_scores, scores


def per_label_precision(context: Context) -> PerLabel | None:
    """Figure 5's numbers; None if no split has both runs. Raises `UserError` like `tested`."""
    measured = []
    for before, after in pairs(context, "per_label"):
        _, labels, before_scores, scores = tested(context, before, after)
        truth = torch.from_numpy(labels)
        measured.append(
            [average_precision_per_label(torch.from_numpy(s), truth).numpy() for s in (before_scores, scores)]
        )
    if not measured:
        return None
    stacked = np.array(measured)
    return PerLabel(stacked[:, 0], stacked[:, 1])


def per_label(context: Context) -> tuple[list[Block], list[Origin]]:
    """Both halves of Figure 5, and every label's numbers as a table."""
    runs = context.matched.runs("per_label")
    origins = [one for model in MODELS for one in origin(model, runs.where(has_model(model)))]
    return attempted(lambda: _blocks(context)), origins


def _blocks(context: Context) -> list[Block]:
    found = per_label_precision(context)
    if found is None:
        return []
    names = context.collection.label_names
    frequency = np.asarray(context.collection.labels.sum(axis=0)).ravel()
    before, after = mean_over_splits(found.before), mean_over_splits(found.after)
    splits = len(found.before)
    return [
        *_curves(context),
        Figure(
            "ap_scatter",
            f"Average precision of each label with tag neighbours against visual-only, mean over {splits} splits. "
            "Above the line the neighbours help.",
            plots.ap_alt(found.gain, names),
            partial(plots.ap_scatter, before, after, names),
        ),
        Figure(
            "gain_by_frequency",
            f"Gain in average precision against the number of images with the label, mean over {splits} splits.",
            plots.ap_alt(found.gain, names),
            partial(plots.gain_by_frequency, found.gain, frequency, names),
        ),
        _table(found, names, frequency),
    ]


def _curves(context: Context) -> list[Block]:
    """Figure 5a on the first split: a large gain, a gain on a high baseline, a loss."""
    first = pairs(context, "per_label")[0]
    _, labels, before, after = tested(context, *first)
    truth = torch.from_numpy(labels)
    precision = [average_precision_per_label(torch.from_numpy(scores), truth).numpy() for scores in (before, after)]
    curves = [
        LabelCurves(
            context.collection.label_names[label],
            reason,
            *(precision_recall(scores[:, label], labels[:, label]) for scores in (before, after)),
        )
        for label, reason in choose_labels(*precision)
    ]
    if not curves:
        return []
    caption = f"Precision against recall of chosen labels on split {first[0].split}, without neighbours and with."
    return [
        Figure("precision_recall", caption, plots.precision_recall_alt(curves), partial(plots.precision_recall, curves))
    ]


def _table(found: PerLabel, names: Sequence[str], frequency: np.ndarray) -> Table:
    order = np.argsort(-np.nan_to_num(found.gain, nan=-np.inf), kind="stable")
    rows = []
    for label in order:
        figures = (values[:, label] for values in (found.before, found.after, found.after - found.before))
        rows.append(Row((names[label], int(frequency[label]), *map(_percent, figures))))
    return Table(
        "per_label",
        "Average precision of every label in percent, mean ± standard deviation over splits, the largest gain first.",
        (Column("label"), Column("images"), Column("visual-only"), Column("tag neighbours"), Column("gain")),
        tuple(rows),
        folded=True,
    )


def _percent(fractions: np.ndarray) -> Estimate | Gap:
    known = [100 * float(value) for value in fractions if np.isfinite(value)]
    return estimate_of(known) if known else Gap.NONE
