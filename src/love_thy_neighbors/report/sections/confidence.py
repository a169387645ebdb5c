"""Not in the paper: how far probabilities and suggestions can be trusted, with neighbours and without."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from love_thy_neighbors.calibration.figures import BINS
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, or_note, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Figure, Gap, Links, Note, Origin, Row, Table
from love_thy_neighbors.report.estimates import estimate_of
from love_thy_neighbors.report.matching import Runs, has_model
from love_thy_neighbors.report.style import MARKERS, MUTED, SERIES, canvas, horizontal_grid, legend
from love_thy_neighbors.runs.results import RESULTS

MODELS = {"neighborhood": "tag neighbours", "visual_only": "visual-only"}
FIGURES = {
    "suggestions": ("suggestions", "suggested"),
    "right (%)": ("suggestions", "precision"),
    "coverage (%)": ("suggestions", "coverage"),
    "labels never suggested": ("suggestions", "never"),
    "calibration error, all pairs": ("calibration_error", "test", "all"),
    "calibration error, p of 5 % or more": ("calibration_error", "test", "possible"),
}
BEFORE = (
    "The finished runs were made by a version that did not measure this; do them again with overwrite=true to see how "
    "far probabilities and suggestions can be trusted."
)


@dataclass(frozen=True)
class Measured:
    """What a run says of its test images. ``bins`` [15, 3]: pairs, sum of probabilities and right ones of each bin."""

    asked: float
    figures: dict[str, float | None]
    bins: np.ndarray


def measured(result: Result) -> Measured | None:
    """The part ``confidence`` of a run's results, None if it has none. Raises `UserError` for one that is damaged."""
    if result.confidence is None:
        return None
    try:
        figures = {title: _number(result.confidence, path) for title, path in FIGURES.items()}
        bins = np.zeros((BINS, 3))
        for one in result.confidence["reliability"]:
            pairs, probability, right = (float(one[key]) for key in ("pairs", "probability", "right"))
            if not (0 <= probability <= 1 and 0 <= right <= 1 and 0 < pairs < float("inf")):
                raise ValueError(f"reliability has {one}")
            bins[min(int(probability * BINS), BINS - 1)] += np.array([1, probability, right]) * pairs
        return Measured(float(result.confidence["precision"]), figures, bins)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{result.folder / RESULTS}: confidence is not as train.py writes it ({type(error).__name__}: {error}); do "
            "the job again with overwrite=true."
        ) from None


def _number(content: Any, path: Sequence[str]) -> float | None:
    for key in path:
        content = content[key]
    return None if content is None else float(content)


def confidence(context: Context) -> tuple[list[Block], list[Origin]]:
    """The table of suggestions, and the reliability diagram."""
    runs = {name: context.matched.runs("confidence", has_model(name)) for name in MODELS}
    origins = [one for name, some in runs.items() for one in origin(MODELS[name], some)]
    return or_note(lambda: _blocks(runs)), origins


def _blocks(runs: dict[str, Runs]) -> list[Block]:
    found = {name: by_split(some) for name, some in runs.items()}
    every = [one for splits in found.values() for some in splits.values() for one in some]
    if not every:
        return [Note(BEFORE)] if any(some.results for some in runs.values()) else []
    rows = [
        Row((MODELS[name], len(splits), *(estimate(splits, title) for title in FIGURES)))
        for name, splits in found.items()
    ]
    asked = " and ".join(f"{100 * one:g} %" for one in sorted({one.asked for one in every}))
    caption = (
        f"Suggestions on test images, where {asked} of them should be right: mean ± standard deviation over splits. "
        "Coverage: the share of right labels that are suggested. Calibration error: percent, over image-label pairs."
    )
    columns = (Column("model"), Column("splits"), *map(Column, FIGURES))
    bins = {MODELS[name]: sum_of_bins(splits) for name, splits in found.items() if splits}
    diagram = Figure(
        "reliability",
        "How often a label is right (above) against its probability, on the test images of all splits, and the number "
        "of image-label pairs (below). Dashed: right as often as the probability says. Bars: two standard errors.",
        partial(reliability_diagram, bins),
        " ".join(f"{name}, {in_words(some)}." for name, some in bins.items()),
    )
    return [Table("confidence", caption, columns, tuple(rows)), diagram, pages_of_test_images(runs)]


def pages_of_test_images(runs: dict[str, Runs]) -> Links | Note:
    """Links to the pages that annotate.py has made of test images, or how to make one."""
    folders = [result.folder for some in runs.values() for result in some.results]
    pages = [(folder.name, folder / "test" / "index.html") for folder in folders]
    there = tuple((name, path) for name, path in pages if path.is_file())
    if there:
        return Links("Test images with their suggestions and the reasons:", there)
    return Note(
        f"To see what a model does: python annotate.py run={folders[0]} images=test makes a page of test images."
    )


def by_split(runs: Runs) -> dict[int, list[Measured]]:
    """What the runs of each split say; splits whose runs say nothing are left out."""
    found = {split: [measured(one) for one in some.results] for split, some in runs.by_key("split").items()}
    known = {split: [one for one in some if one is not None] for split, some in found.items()}
    return {split: some for split, some in known.items() if some}


def estimate(splits: dict[int, list[Measured]], title: str) -> Cell:
    """Mean and standard deviation over splits of a figure; the value of a split is the mean over its seeds."""
    values = [[value for one in some if (value := one.figures[title]) is not None] for some in splits.values()]
    known = [mean(some) for some in values if some]
    return estimate_of(known) if known else (Gap.NONE if splits else Gap.MISSING)


def sum_of_bins(splits: dict[int, list[Measured]]) -> np.ndarray:
    """The bins [15, 3] of all runs together."""
    return np.sum([one.bins for some in splits.values() for one in some], axis=0)


def in_words(bins: np.ndarray) -> str:
    """Probability and share of right labels of each bin.

    >>> in_words(np.array([[100, 10, 9], [0, 0, 0], [50, 45, 44]]))
    'probability 10 %: 9 % right; 90 %: 88 % right'
    """
    pairs, expected, right = bins[bins[:, 0] > 0].T
    shares = zip(100 * expected / pairs, 100 * right / pairs, strict=True)
    return "probability " + "; ".join(f"{probability:.0f} %: {share:.0f} % right" for probability, share in shares)


def reliability_diagram(models: dict[str, np.ndarray]) -> Drawing:
    """The share of right labels in each bin of probabilities, and the pairs in it, for each model's bins [15, 3]."""
    figure, axes = canvas(5.6, 5.6, rows=2, sharex=True, height_ratios=(3, 1))
    shares: Axes = axes[0, 0]
    counts: Axes = axes[1, 0]
    shares.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle="--", zorder=1)
    for place, (name, bins) in enumerate(models.items()):
        pairs, expected, right = bins[bins[:, 0] > 0].T
        share = right / pairs
        error = 200 * np.sqrt(share * (1 - share) / pairs)
        style: dict[str, Any] = {"color": SERIES[place], "marker": MARKERS[place], "markersize": 5, "label": name}
        shares.errorbar(100 * expected / pairs, 100 * share, yerr=error, capsize=3, linewidth=1.4, **style)
        counts.plot(100 * expected / pairs, pairs, linewidth=1.4, **style)
    shares.set_ylabel("right (%)")
    counts.set_ylabel("pairs")
    counts.set_xlabel("probability (%)")
    counts.set_yscale("log")
    shares.set_xlim(-2, 102)
    shares.set_ylim(-2, 104)
    for axis in (shares, counts):
        horizontal_grid(axis)
    legend(figure)
    return figure


SECTIONS = {"confidence": ("How sure is it?", "not in the paper", confidence)}
