"""The orderings that the paper claims, and some beyond it, each with a verdict from the runs.

A claim is confirmed if the mean paired difference is above zero and its interval excludes zero.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from love_thy_neighbors.collection.card import metadata_types
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.paper import LABELS_NOT_IMPROVED
from love_thy_neighbors.report.context import Context
from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Note, Row, Table, Verdict
from love_thy_neighbors.report.estimates import CONFIDENCE, Difference, paired_difference
from love_thy_neighbors.report.matching import Runs, has_model, test_per_train
from love_thy_neighbors.report.sections.annotation import MODELS, NAMES, TYPES
from love_thy_neighbors.report.sections.correlation import curves
from love_thy_neighbors.report.sections.curves import overlaps, varied
from love_thy_neighbors.report.sections.per_label import mean_over_splits, per_label_precision
from love_thy_neighbors.report.tables_as_text import text_of
from love_thy_neighbors.report.wording import counted, over_splits

FEW = 0.05  # largest share of labels without a gain; the paper has 3 of 81 (0.037) and says "few"
CHANCE = "by chance"
Measured = Difference | Gap
Judge = Callable[[Measured, bool], Verdict]
_WEAKEST_FIRST = (Verdict.MISSING, Verdict.NOT_CONFIRMED, Verdict.ONE_SPLIT, Verdict.LEANING, Verdict.CONFIRMED)
BASELINES = ("visual_only", "knn_voting", "neighbor_voting", "tag_only")


def claims(context: Context) -> list[Block]:
    """The claims that the runs decide, with an explanation, and those that need more runs, folded.

    A claim about metadata that the collection does not have is in neither.
    """
    rows = [row for group in GROUPS for row in group(context)]
    titles = ("claim", "in the paper", "here", "difference [95 %]", "splits above zero")
    columns = tuple(map(Column, titles))
    decided = tuple(row for row in rows if row.cells[2] is not Verdict.MISSING)
    missing = tuple(row for row in rows if row.cells[2] is Verdict.MISSING)
    blocks: list[Block] = []
    if decided:
        blocks += [Note(HOW), Table("claims", "The paper's claims, and the verdict of these runs.", columns, decided)]
    if missing:
        caption = f"{counted(len(missing), 'claim')} without a verdict yet: runs are missing."
        blocks.append(Table("claims_missing", caption, columns, missing, folded=True))
    return blocks


HOW = (
    "Differences are paired: both models on the same split, in percentage points of mAP_L unless mAP_I is named. The "
    f"{100 * CONFIDENCE:.0f} % interval is that of the corrected resampled t-test (Nadeau and Bengio, 2003), because "
    "the training and test images of random splits overlap: variance of the mean = (1/n + n_test/n_train) s². "
    "Confirmed: mean above zero, and the interval leaves zero out. Leaning: mean above zero, but the interval "
    "includes zero. A claim about several differences has the verdict of the weakest. Intervals are not corrected for "
    "multiple comparisons."
)


def above_zero(difference: Measured, complete: bool = True) -> Verdict:
    """The verdict on "the difference is above zero"; ``complete``: all planned runs have finished.

    >>> above_zero(Difference(1.0, 0.2, 1.8, 5, 5)), above_zero(Difference(1.0, -0.2, 2.2, 5, 4))
    (<Verdict.CONFIRMED: 'confirmed'>, <Verdict.LEANING: 'leaning'>)
    """
    if isinstance(difference, Gap) or not complete:
        return Verdict.MISSING
    if difference.mean <= 0:
        return Verdict.NOT_CONFIRMED
    if difference.low is None:
        return Verdict.ONE_SPLIT
    return Verdict.CONFIRMED if difference.low > 0 else Verdict.LEANING


def no_change(difference: Measured, complete: bool = True) -> Verdict:
    """The verdict on "no significant change". An interval with zero in it is consistent, which proves nothing."""
    if isinstance(difference, Gap) or not complete:
        return Verdict.MISSING
    if difference.low is None or difference.high is None:
        return Verdict.ONE_SPLIT
    return Verdict.CONSISTENT if difference.low <= 0 <= difference.high else Verdict.NOT_CONFIRMED


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """The weakest verdict, for a claim that needs all of them; missing if there are none."""
    return min(verdicts, key=_WEAKEST_FIRST.index, default=Verdict.MISSING)


def _row(text: str, source: str, verdict: Verdict, numbers: Cell, above: Cell = Gap.NONE) -> Row:
    """A claim, its place in the paper (empty: beyond it), the verdict, and the numbers behind it."""
    return Row((text, source or "beyond", verdict, numbers, above), beyond=not source)


def _claim(
    text: str, source: str, ours: Runs, theirs: Runs, metric: str = "mAP_L", judge: Judge = above_zero
) -> list[Row]:
    """A claim about one difference; no row if no such runs are planned."""
    if not (ours.planned and theirs.planned):
        return []
    return [_measured(text, source, ours.minus(theirs, metric), _complete(ours, theirs), judge)]


def _complete(ours: Runs, theirs: Runs) -> bool:
    """Whether every split of ``ours`` has a pair."""
    return ours.complete and ours.values("mAP_L").keys() <= theirs.values("mAP_L").keys()


def _measured(text: str, source: str, difference: Measured, complete: bool, judge: Judge = above_zero) -> Row:
    above = f"{difference.above} of {difference.n}" if isinstance(difference, Difference) else Gap.NONE
    return _row(text, source, judge(difference, complete), difference, above)


def _every(text: str, source: str, parts: dict[str, tuple[Runs, Runs]]) -> list[Row]:
    """A claim about several pairs of runs; lists the pairs that do not confirm it. No row without a planned pair."""
    parts = {name: pair for name, pair in parts.items() if all(runs.planned for runs in pair)}
    if not parts:
        return []
    differences = {name: ours.minus(theirs) for name, (ours, theirs) in parts.items()}
    verdicts = {name: above_zero(differences[name], _complete(*pair)) for name, pair in parts.items()}
    counts = Counter(verdicts.values())
    numbers = f"{counts[Verdict.CONFIRMED]} of {len(parts)} confirmed"
    if counts[Verdict.MISSING]:
        numbers += f", {counts[Verdict.MISSING]} with missing runs"
    short = [
        f"{name} {text_of(differences[name])} ({verdict})"
        for name, verdict in verdicts.items()
        if verdict not in (Verdict.CONFIRMED, Verdict.MISSING)
    ]
    numbers += f"; not: {'; '.join(short)}" if short else ""
    return [_row(text, source, all_of(list(verdicts.values())), numbers)]


def _models(context: Context) -> list[Row]:
    ours = context.model("neighborhood")
    found: list[Row] = []
    for baseline in BASELINES:
        for metric in ("mAP_L", "mAP_I"):
            text = f"Tag neighbours > {MODELS[baseline][0]}, {metric}"
            found += _claim(text, "Table 2", ours, context.model(baseline), metric)
    tag_vector = context.model("neighborhood_tagvec")
    return [
        *found,
        *_claim("The tag vector lifts mAP_L", "Table 2, section 5.1", tag_vector, ours),
        *_claim(
            "The tag vector does not significantly change mAP_I (consistent: the interval includes zero)",
            "section 5.1",
            tag_vector,
            ours,
            "mAP_I",
            no_change,
        ),
        *_claim("Tag neighbours > visual MLP, the image tower alone", "", ours, context.model("visual_mlp")),
    ]


def _labels(context: Context) -> list[Row]:
    lost, of = LABELS_NOT_IMPROVED
    text = f"All but few labels gain (at most {100 * FEW:.0f} % do not; the paper: {lost} of {of})"
    runs = context.matched.runs("per_label")
    if not runs.where(has_model("neighborhood")).planned:
        return []
    try:
        found = per_label_precision(context)
    except UserError:  # the section per_label shows the reason
        found = None
    if found is None:
        return [_row(text, "Figure 5", Verdict.MISSING, Gap.MISSING)]
    gain = found.gain[np.isfinite(found.gain)]
    behind = int((gain <= 0).sum())
    verdict = Verdict.CONFIRMED if behind <= FEW * len(gain) else Verdict.NOT_CONFIRMED
    numbers = f"{behind} of {len(gain)} labels do not gain, {over_splits(len(found.before))}"
    return [_row(text, "Figure 5", verdict if runs.complete else Verdict.MISSING, numbers)]


def _types(context: Context) -> list[Row]:
    by, visual = context.neighbors_by, context.visual_only
    above = [
        row
        for kind in ("tags", "groups", "sets", "visual")
        for row in _claim(f"Neighbours by {NAMES.get(kind, kind)} > visual-only", "Table 3", by(kind), visual)
    ]
    ordered = [
        row
        for first, second in (("tags", "groups"), ("tags", "sets"), ("groups", "sets"), ("sets", "visual"))
        for row in _claim(f"Neighbours by {first} > by {NAMES.get(second, second)}", "Table 3", by(first), by(second))
    ]
    return [*above, *ordered]


def _hyperparameters(context: Context) -> list[Row]:
    parts = {
        f"{key} = {value}": (runs, context.visual_only)
        for key, values in varied(context).items()
        for value, runs in values.items()
    }
    return _every("Every m, M and τ that is tried > visual-only", "Figure 7", parts)


def _correlations(context: Context) -> list[Row]:
    runs = context.matched.runs("label_correlation")
    mean = {kind: mean_over_splits(values.T) for kind, values in curves(runs.results, "mean").items()}
    mean[CHANCE] = np.array([result.body["chance"] for result in runs.results], dtype=float)
    pairs = (("tags", "groups"), ("groups", "sets"), *((kind, CHANCE) for kind in TYPES))
    absent = {*TYPES}.difference(metadata_types(context.folder))
    return [_correlation(runs, mean, *pair) for pair in pairs if absent.isdisjoint(pair)]


def _correlation(runs: Runs, mean: dict[str, np.ndarray], ours: str, theirs: str) -> Row:
    """The difference of the mean probability over all ranks, in percentage points."""
    text = f"Labels agree more among neighbours by {ours} than {'' if theirs == CHANCE else 'by '}{theirs}"
    values = [mean.get(kind, np.array([])) for kind in (ours, theirs)]
    if not all(len(one) and np.isfinite(one).all() for one in values):
        return _row(text, "Figure 6", Verdict.MISSING, Gap.MISSING)
    first, second = (dict(enumerate(100 * one.astype(float))) for one in values)
    difference = paired_difference(first, second, test_per_train(runs.planned[0].config))
    return _measured(text, "Figure 6", difference or Gap.MISSING, runs.complete)


def _vocabularies(context: Context) -> list[Row]:
    text = "No tag in common between training and test > visual-only"
    disjoint = overlaps(context).get(0.0, Runs(()))
    return _claim(text, "Figure 8", disjoint, context.visual_only)


def _generalization(context: Context) -> list[Row]:
    parts = {
        f"{train} to {test}": (context.generalized(train, test), context.visual_only)
        for train in TYPES
        for test in TYPES
    }
    return _every("Every pair of metadata in training and at test time > visual-only", "Table 4", parts)


GROUPS: tuple[Callable[[Context], list[Row]], ...] = (
    _models,
    _labels,
    _types,
    _hyperparameters,
    _correlations,
    _vocabularies,
    _generalization,
)
