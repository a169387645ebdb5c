"""The labels of a collection of one's own: which the model knows best, and where the neighbours help and hurt."""

from collections.abc import Iterable, Sequence

import numpy as np

from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, array_of, or_note, percent
from love_thy_neighbors.report.document import Block, Column, Note, Row, Table
from love_thy_neighbors.report.naming import Config, names
from love_thy_neighbors.report.others import by_setting
from love_thy_neighbors.report.sections.per_label import average_precision, mean_over_splits, tested
from love_thy_neighbors.report.wording import over_splits

FEW = 10  # labels in the tables of the largest gains and losses
LONG = 30  # labels; a longer table is folded


def own_labels(context: Context, results: Sequence[Result], planned: Iterable[Config]) -> list[Block]:
    """Average precision (AP) of every label, by the run that was made last, and its gain over the run's baseline.

    A run with neighbours comes before one without. Empty without a run. ``planned`` have the usual settings (`names`).
    """
    settings = list(by_setting(one for one in results if (one.folder / "scores.npy").is_file()).values())
    if not settings:
        return []
    named = zip(settings, names([runs[0].config for runs in settings], planned), strict=True)
    runs, name = max(named, key=lambda one: ("metadata" in one[0][0].config, max(run.changed for run in one[0])))
    return or_note(lambda: _blocks(context, runs, name))


def _blocks(context: Context, runs: Sequence[Result], name: str) -> list[Block]:
    pairs = [(baseline, one) for one in runs if (baseline := context.baselines.of(one)) is not None]
    if len(pairs) < len(runs):  # AP over all splits without a gain, rather than a gain over some of them
        pairs = []
    with_neighbors = np.array([_precision(context, one) for one in runs])
    labels, frequency = context.collection.label_names, context.collection.labels.getnnz(axis=0)
    counted = over_splits(len(runs))
    if not pairs:
        return [_best_to_worst(labels, frequency, with_neighbors, None, f"of {name}, {counted}")]
    found = [average_precision(*tested(context, *pair)[1:]) for pair in pairs]
    before, after = np.array(found).swapaxes(0, 1)
    other = str(pairs[0][0].config["model"]["name"])
    table = _best_to_worst(labels, frequency, after, before, f"of {name} and of its baseline {other}, {counted}")
    return [*_gains_and_losses(labels, before, after, other, counted), table]


def _precision(context: Context, run: Result) -> np.ndarray:
    """AP [L] of a run, a fraction; NaN for a label without a test image."""
    labels = context.collection.labels[array_of(run, "rows")].toarray()
    return average_precision(labels, array_of(run, "scores"))[0]


def _best_to_worst(
    labels: Sequence[str], frequency: np.ndarray, after: np.ndarray, before: np.ndarray | None, of: str
) -> Table:
    """A row a label, the highest AP first. ``after`` and ``before`` [splits, L], fractions."""
    order = np.argsort(-np.nan_to_num(mean_over_splits(after), nan=-np.inf), kind="stable")
    columns = ["label", "images", "AP"] + ([] if before is None else ["baseline", "gain"])
    rows = []
    for label in order:
        figures = [after[:, label]]
        figures += [] if before is None else [before[:, label], after[:, label] - before[:, label]]
        rows.append(Row((labels[label], int(frequency[label]), *map(percent, figures))))
    caption = f"Average precision (AP) of every label in percent, from best to worst: {of}."
    return Table("own_labels", caption, tuple(map(Column, columns)), tuple(rows), folded=len(rows) > LONG)


def _gains_and_losses(
    labels: Sequence[str], before: np.ndarray, after: np.ndarray, baseline: str, counted: str
) -> list[Block]:
    """How many labels gain and lose, and tables of those that gain and lose most."""
    gain = mean_over_splits(after - before)
    known = [int(label) for label in np.argsort(-np.nan_to_num(gain, nan=0), kind="stable") if np.isfinite(gain[label])]
    up, down = [label for label in known if gain[label] > 0], [label for label in known[::-1] if gain[label] < 0]
    counts = (
        f"{len(up)} of {len(known)} labels gain in average precision over {baseline}, {len(down)} lose ({counted})."
    )
    blocks: list[Block] = [Note(counts)]
    for name, chosen, what in (("helped", up, "helps"), ("hurt", down, "hurts")):
        rows = tuple(
            Row((labels[label], *map(percent, (before[:, label], after[:, label], (after - before)[:, label]))))
            for label in chosen[:FEW]
        )
        caption = f"Where the model {what} most against {baseline}: average precision in percent, {counted}."
        columns = tuple(map(Column, ("label", "baseline", "AP", "gain")))
        blocks += [Table(f"own_labels_{name}", caption, columns, rows)] if rows else []
    return blocks
