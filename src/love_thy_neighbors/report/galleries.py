"""Which images the report shows, and what it says about each (the paper's Figures 4 and 3).

Pure functions from arrays to cards; `gallery_figures` draws them, and the page writes them as HTML.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from love_thy_neighbors.metrics import average_precision_per_image

NEIGHBORS = 6  # shown with an image, as in the paper
TOP = 3  # labels shown for a model, as in the paper
COUNTS = {"helped by neighbours": 3, "both right": 2, "misled by neighbours": 2, "both wrong": 1}
FAILURES = ("misled by neighbours", "both wrong")
PAIRS = 8  # image-label pairs on each side of Figure 3


@dataclass(frozen=True)
class ShownLabel:
    """A label that a model gives, and whether the image has it."""

    name: str
    right: bool


@dataclass(frozen=True)
class Example:
    """An image with the labels of two models (Figure 4).

    ``kind`` is a key of `COUNTS`; ``row`` and ``neighbors`` (nearest first) are row numbers of the collection and
    ``truth`` the image's labels. ``before`` and ``after`` are the three best labels by its pixels alone and with its
    neighbours, the best first; ``before_ap`` and ``after_ap`` their average precision over all labels, fractions.
    """

    kind: str
    row: int
    truth: tuple[str, ...]
    before: tuple[ShownLabel, ...]
    after: tuple[ShownLabel, ...]
    before_ap: float
    after_ap: float
    neighbors: tuple[int, ...]

    @property
    def failed(self) -> bool:
        return self.kind in FAILURES


@dataclass(frozen=True)
class SplitScore:
    """A right label of an image, and where its score comes from (Figure 3).

    By Eq. 6 ``image_part + neighborhood_part + bias = score``. ``row`` is a row number of the collection.
    """

    row: int
    label: str
    image_part: float
    neighborhood_part: float
    bias: float
    score: float


def examples(
    labels: np.ndarray,
    scores: np.ndarray,
    before: np.ndarray,
    neighbors: np.ndarray,
    rows: np.ndarray,
    label_names: Sequence[str],
) -> list[Example]:
    """Images for Figure 4, `COUNTS` of each kind or as many as there are; no two have the same labels.

    Helped, or misled, by neighbours: more, or fewer, right labels among the three than by the pixels alone; the largest
    differences first, then those in average precision. Both right: as many right labels among the three as there can
    be, by both models. Both wrong: none, by both. Only images with six neighbours (or as many as the longest list has)
    and with two labels (where any image has) are eligible.

    Shapes: labels, scores, before [N, L] of the test images; neighbors [N, M] with -1 for none; rows [N].
    """
    before_shown, after_shown = _Shown.of(before, labels), _Shown.of(scores, labels)
    shown = neighbors[:, :NEIGHBORS]
    counts = labels.sum(axis=1, dtype=int)
    eligible = (shown >= 0).all(axis=1) & (counts >= min(2, counts.max(initial=1)))
    chosen = _choose(_kinds(before_shown, after_shown, counts), eligible, labels)
    return [
        Example(
            kind=kind,
            row=int(rows[place]),
            truth=tuple(label_names[int(label)] for label in np.flatnonzero(labels[place])),
            before=before_shown.named(place, labels, label_names),
            after=after_shown.named(place, labels, label_names),
            before_ap=float(before_shown.ap[place]),
            after_ap=float(after_shown.ap[place]),
            neighbors=tuple(int(neighbor) for neighbor in shown[place]),
        )
        for kind in COUNTS
        for place in chosen[kind]
    ]


@dataclass(frozen=True)
class _Shown:
    """What a model gives every image: its labels ``top`` [N, 3], how many are ``right`` [N], and ``ap`` [N]."""

    top: np.ndarray
    right: np.ndarray
    ap: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray) -> "_Shown":
        top = top_labels(scores)
        right = np.take_along_axis(labels, top, axis=1).sum(axis=1, dtype=int)
        return cls(top, right, average_precision_per_image(torch.from_numpy(scores), torch.from_numpy(labels)).numpy())

    def named(self, place: int, labels: np.ndarray, label_names: Sequence[str]) -> tuple[ShownLabel, ...]:
        return tuple(ShownLabel(label_names[label], bool(labels[place, label])) for label in self.top[place])


_Kinds = dict[str, tuple[np.ndarray, tuple[np.ndarray, ...]]]


def _kinds(before: _Shown, after: _Shown, counts: np.ndarray) -> _Kinds:
    """For each kind who belongs to it [N], and keys [N] that sort the best case first, the most important key last."""
    gain, ap_gain = after.right - before.right, after.ap - before.ap
    both, same = after.ap + before.ap, gain == 0
    possible = np.minimum(counts, after.top.shape[1])
    # The rarer kinds choose first, since no label set is shown twice.
    return {
        "misled by neighbours": ((gain < 0) & (ap_gain < 0), (ap_gain, gain)),
        "both wrong": (same & (after.right == 0), (both,)),
        "helped by neighbours": ((gain > 0) & (ap_gain > 0), (-ap_gain, -gain)),
        "both right": (same & (after.right == possible), (-both, -possible)),
    }


def _choose(kinds: _Kinds, eligible: np.ndarray, labels: np.ndarray) -> dict[str, list[int]]:
    """Places of the best eligible cases of each kind, no two with the same labels."""
    seen: set[bytes] = set()
    chosen: dict[str, list[int]] = {kind: [] for kind in kinds}
    for kind, (belongs, keys) in kinds.items():
        for place in np.lexsort(keys):
            label_set = labels[place].tobytes()
            if eligible[place] and belongs[place] and label_set not in seen and len(chosen[kind]) < COUNTS[kind]:
                seen.add(label_set)
                chosen[kind].append(int(place))
    return chosen


def top_labels(scores: np.ndarray) -> np.ndarray:
    """The labels shown [..., 3] of scores [..., L], the best first; of equal ones that with the lower index."""
    return np.argsort(-scores, axis=-1, kind="stable")[..., :TOP]


def moved_most(
    image_part: np.ndarray,
    neighborhood_part: np.ndarray,
    bias: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    label_names: Sequence[str],
) -> tuple[list[SplitScore], list[SplitScore]]:
    """Right labels (score above 0, and the image has it) moved most by the image, and most by the neighborhood.

    They are ordered by the difference of the two parts of their score. No image is shown twice, and no label twice on
    one side. Images without a neighborhood, whose part is zero for every label, are left out: nothing but the image
    could move them.

    Shapes: the parts, scores and labels [N, L] of the test images; bias [L]; rows [N].
    """
    with_neighbors = neighborhood_part.any(axis=1, keepdims=True)
    places, columns = np.nonzero((scores > 0) & (labels != 0) & with_neighbors)
    order = np.argsort((image_part - neighborhood_part)[places, columns], kind="stable")
    pairs = [(int(places[index]), int(columns[index])) for index in order]
    images: set[int] = set()

    def side(best_first: Sequence[tuple[int, int]]) -> list[SplitScore]:
        found: dict[int, SplitScore] = {}
        for place, label in best_first:
            if len(found) < PAIRS and place not in images and label not in found:
                images.add(place)
                parts = (image_part[place, label], neighborhood_part[place, label], bias[label], scores[place, label])
                found[label] = SplitScore(int(rows[place]), label_names[label], *(float(part) for part in parts))
        return list(found.values())

    by_neighborhood = side(pairs)  # the rarer case chooses first
    return side(pairs[::-1]), by_neighborhood


def example_alt(example: Example) -> str:
    """What an example shows, in words."""
    before, after = (
        ", ".join(f"{label.name} ({'right' if label.right else 'wrong'})" for label in given)
        for given in (example.before, example.after)
    )
    return f"Image with the labels {', '.join(example.truth)}. By its pixels alone: {before}. With neighbours: {after}."


def split_score_alt(pair: SplitScore) -> str:
    """What a pair of Figure 3 shows, in words."""
    return (
        f"Image labelled {pair.label}, score {pair.score:.1f}: {pair.image_part:+.1f} from the image, "
        f"{pair.neighborhood_part:+.1f} from its neighborhood, {pair.bias:+.1f} bias."
    )
