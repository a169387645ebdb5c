"""Figure 6: how likely an image's neighbours share its labels."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from love_thy_neighbors.report import plots
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, array_of, attempted, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Figure, Gap, Origin, Row, Table
from love_thy_neighbors.report.estimates import estimate_of

RANKS = (1, 5, 10, 20)  # places among the nearest neighbours that the table shows


def curves(results: Sequence[Result], part: str) -> dict[str, np.ndarray]:
    """For each type of metadata the fractions [splits, K]; NaN where there was nothing to average.

    Only types and ranks that all results have.
    """
    if not results:
        return {}
    bodies = [result.content["label_correlation"][part] for result in results]
    kinds = [kind for kind in bodies[0] if all(kind in body for body in bodies)]
    K = min(len(numbers) for body in bodies for numbers in body.values())
    return {kind: np.array([body[kind][:K] for body in bodies], dtype=float) for kind in kinds}


def label_correlation(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 6 as a mean over labels, for single labels, and as a table."""
    runs = context.matched.runs("label_correlation")
    results = runs.results
    mean = curves(results, "mean")
    blocks: list[Block] = []
    if mean:
        chance = float(np.mean([result.content["label_correlation"]["chance"] for result in results]))
        centers, spreads = _over_splits(mean)
        blocks.append(
            Figure(
                "label_correlation",
                "Probability that the k-th nearest neighbour has a label that the image has, mean over labels and "
                "splits; band: standard deviation over splits. Dashed: a random image.",
                plots.label_correlation_alt(centers, chance),
                partial(plots.label_correlation, centers, spreads, chance),
            )
        )
        blocks += attempted(lambda: [_by_label(context, results[0], list(mean))])
    return [*blocks, _table(results, mean)], origin("Label correlation", runs)


def _over_splits(curves: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Mean and sample standard deviation (0 for one split) of each curve over splits, over those with a value."""
    centers, spreads = {}, {}
    for kind, values in curves.items():
        masked = np.ma.masked_invalid(values)
        centers[kind] = masked.mean(axis=0).filled(np.nan)
        spreads[kind] = masked.std(axis=0, ddof=1).filled(0) if len(values) > 1 else np.zeros(values.shape[1])
    return centers, spreads


def _by_label(context: Context, result: Result, kinds: list[str]) -> Figure:
    names = context.collection.label_names
    chance = array_of(result, "chance", len(names))
    types = result.content["label_correlation"].get("types", kinds)
    probability = array_of(result, "probability", len(types), None, len(names), finite=False)
    chosen = plots.labels_over_frequencies(chance)
    return Figure(
        "label_correlation_by_label",
        f"The same for single labels, from the most to the least frequent, on split {result.split}, as in the paper's "
        "Figure 6.",
        plots.label_correlation_by_label_alt(probability, types, names, chosen),
        partial(plots.label_correlation_by_label, probability, chance, types, names, chosen),
    )


def _table(results: Sequence[Result], mean: dict[str, np.ndarray]) -> Table:
    K = len(next(iter(mean.values()))[0]) if mean else max(RANKS)
    ranks = [k for k in RANKS if k <= K]
    coverage = curves(results, "coverage")
    rows = []
    for kind, values in mean.items():
        cells: list[Cell] = [plots.TYPES.get(kind, kind)]
        cells += [_percent(values[:, k - 1]) for k in ranks]
        cells += [_percent(coverage[kind][:, k - 1]) if kind in coverage else Gap.NONE for k in (ranks[0], ranks[-1])]
        rows.append(Row(tuple(cells)))
    chances = np.array([result.content["label_correlation"]["chance"] for result in results], dtype=float)
    rows.append(Row(("a random image", *(_percent(chances) for _ in ranks), Gap.NONE, Gap.NONE)))
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


def _percent(fractions: np.ndarray) -> Cell:
    known = [100 * float(value) for value in fractions if np.isfinite(value)]
    return estimate_of(known) if known else Gap.MISSING
