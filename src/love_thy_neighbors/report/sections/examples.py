"""Figure 4: test images with the labels of both models, and the neighbours with the tags that they share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure as Drawing
from scipy import sparse

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.metrics import average_precision_per_image
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, array_of, or_note, origin
from love_thy_neighbors.report.document import Block, Figure, Note, Origin
from love_thy_neighbors.report.pictures import Sheet, filled
from love_thy_neighbors.report.sections.per_label import pairs, tested
from love_thy_neighbors.report.style import FONT, MUTED, RIGHT, TEXT, WRONG, shortened

KINDS = ("neighbours help", "neighbours mislead")
SHOWN, MISLED = 6, 1  # images in the figure, and how many of them may show a failure
NEIGHBORS = 3  # shown with an image
TOP = 3  # labels shown for a model, as in the paper
RARE = 30  # a single shared tag explains a neighbour if at most so many images have it
FILLED, NEIGHBOR_FILLED = 0.4, 0.15  # least share of the square that the drawing fills


@dataclass(frozen=True)
class ShownLabel:
    """A label that a model gives, and whether the image has it."""

    name: str
    right: bool


@dataclass(frozen=True)
class Example:
    """An image with the three best labels of both models, the best first, and its nearest neighbours.

    ``kind`` is one of `KINDS`. ``row`` and the neighbours (row, shared tags), nearest first, are rows of the
    collection. ``before`` is by the image alone, ``after`` with its neighbours.
    """

    kind: str
    row: int
    truth: tuple[str, ...]
    before: tuple[ShownLabel, ...]
    after: tuple[ShownLabel, ...]
    neighbors: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class ScoredImages:
    """The test images of two runs on the same split.

    Shapes: rows [N] of the collection; labels, before and after [N, L] truth and scores; neighbors [N, M] rows, nearest
    first, -1 for none.
    """

    rows: np.ndarray
    labels: np.ndarray
    before: np.ndarray
    after: np.ndarray
    neighbors: np.ndarray


def choose_examples(images: ScoredImages, collection: Collection, metadata: str) -> list[Example]:
    """`SHOWN` images, of which at most `MISLED` show a failure, by this rule.

    - Kind: with neighbours the image has a higher average precision and gains a right label ("help"), or has a lower
      one and gains a wrong label ("mislead"). It gains the first label if that changes between right and wrong, else
      the first label of that sort which is new among the three.
    - Reason: at least two of the three nearest neighbours have the gained label.
    - Explanation: each of the three shares several tags with the image, or one that at most `RARE` images have.
    - Visibility: the drawing fills `FILLED` of the image's square, and `NEIGHBOR_FILLED` of the neighbours' squares.
    - Order: images whose first label changes, then by the change in average precision, then by the number of shared
      tags. Of the images that gain the same label, only the first is shown.
    """
    helped, misled = KINDS
    failures = _chosen(images, collection, metadata, misled, MISLED)
    return _chosen(images, collection, metadata, helped, SHOWN - len(failures)) + failures


def _chosen(images: ScoredImages, collection: Collection, metadata: str, kind: str, count: int) -> list[Example]:
    """The first ``count`` images of a kind that are easily seen, each with another gained label."""
    chosen: list[Example] = []
    gained: set[int] = set()
    for place, label, shared in _candidates(images, collection, metadata, kind):
        if len(chosen) == count:
            break
        if label not in gained and _is_visible(images, collection, place):
            gained.add(label)
            values = [tuple(collection.values[metadata][column] for column in columns) for columns in shared]
            chosen.append(_example(images, collection, kind, place, values))
    return chosen


def _candidates(
    images: ScoredImages, collection: Collection, metadata: str, kind: str
) -> Iterator[tuple[int, int, list[list[int]]]]:
    """Images that meet all but the rule on visibility, the best first: place, gained label, shared tags."""
    helps = kind == KINDS[0]
    precision = [
        average_precision_per_image(torch.from_numpy(scores), torch.from_numpy(images.labels)).numpy()
        for scores in (images.before, images.after)
    ]
    change = (precision[1] - precision[0]) * (1 if helps else -1)
    matrix, keyed = collection.metadata[metadata], []
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    for place in np.flatnonzero((change > 0) & (images.neighbors[:, :NEIGHBORS] >= 0).all(axis=1)):
        before, after = (top_labels(scores[place]) for scores in (images.before, images.after))
        is_right = images.labels[place] != 0
        first_changes = is_right[after[0]] == helps != is_right[before[0]]
        new = [int(label) for label in after if is_right[label] == helps and label not in before]
        neighbors = images.neighbors[place, :NEIGHBORS]
        label = int(after[0]) if first_changes else next(iter(new), None)
        if label is None or 2 * collection.labels[neighbors, label].sum() < NEIGHBORS:
            continue
        shared = [shared_values(matrix, counts, images.rows[place], neighbor) for neighbor in neighbors]
        if all(shared):
            keyed.append((not first_changes, -change[place], -sum(map(len, shared)), int(place), label, shared))
    return ((place, label, shared) for *_, place, label, shared in sorted(keyed))


def shared_values(matrix: sparse.csr_matrix, counts: np.ndarray, row: int, neighbor: int) -> list[int]:
    """Columns of the tags that two images share, the rarest first; empty if only a tag of more than `RARE` images.

    Shapes: ``matrix`` [N, T] binary; ``counts`` [T], the number of images with each tag.
    """
    own, other = (matrix.indices[slice(*matrix.indptr[at : at + 2])] for at in (row, neighbor))
    columns = np.intersect1d(own, other, assume_unique=True)
    if len(columns) == 1 and counts[columns[0]] > RARE:
        return []
    return [int(column) for column in columns[np.argsort(counts[columns], kind="stable")]]


def _is_visible(images: ScoredImages, collection: Collection, place: int) -> bool:
    neighbors = images.neighbors[place, :NEIGHBORS]
    return filled(collection, images.rows[place]) >= FILLED and all(
        filled(collection, row) >= NEIGHBOR_FILLED for row in neighbors
    )


def _example(
    images: ScoredImages, collection: Collection, kind: str, place: int, shared: Sequence[tuple[str, ...]]
) -> Example:
    names, labels = collection.label_names, images.labels[place]
    before, after = (
        tuple(ShownLabel(names[label], bool(labels[label])) for label in top_labels(scores[place]))
        for scores in (images.before, images.after)
    )
    truth = tuple(names[int(label)] for label in np.flatnonzero(labels))
    neighbors = tuple(zip(map(int, images.neighbors[place]), shared, strict=False))
    return Example(kind, int(images.rows[place]), truth, before, after, neighbors)


def top_labels(scores: np.ndarray) -> np.ndarray:
    """The labels [3] with the highest of ``scores`` [L]; of equal ones the lower index comes first."""
    return np.argsort(-scores, kind="stable")[:TOP]


def examples(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 4, from the first split that both models have."""
    found = pairs(context, "examples")
    origins = origin("Examples", context.matched.runs("examples"))
    return (or_note(lambda: _blocks(context, *found[0])) if found else []), origins


def _blocks(context: Context, before: Result, after: Result) -> list[Block]:
    collection, metadata = context.collection, after.config["test_metadata"]["type"]
    rows, labels, before_scores, scores = tested(context, before, after)
    neighbors = array_of(after, "neighbors")
    if metadata not in collection.metadata:
        return [Note(f"Examples need neighbours by one type of metadata, not by {metadata}.")]
    chosen = choose_examples(ScoredImages(rows, labels, before_scores, scores, neighbors), collection, metadata)
    if not chosen:
        return [Note("No test image can be shown with neighbours that share rare or several values with it.")]
    caption = (
        f"Test images of split {after.split}, their labels, the three best labels by the image alone and with "
        f"neighbours (✓ right, ✗ wrong), and the nearest images by {metadata} with what they share. Chosen by a rule: "
        "thumbnails that can be seen, neighbours that share several values or a rare one, largest changes first."
    )
    return [Figure("examples", caption, partial(draw_examples, chosen, collection, metadata), examples_alt(chosen))]


def examples_alt(chosen: Sequence[Example]) -> str:
    """Every example in a sentence."""
    return " ".join(
        f"Image with the labels {', '.join(one.truth)}. Image alone: {_in_words(one.before)}. "
        f"With neighbours, which share {', '.join(dict.fromkeys(tag for _, tags in one.neighbors for tag in tags))}: "
        f"{_in_words(one.after)}."
        for one in chosen
    )


def _in_words(labels: Sequence[ShownLabel]) -> str:
    return ", ".join(f"{label.name} ({'right' if label.right else 'wrong'})" for label in labels)


ROW, SIDE, HEAD = 1.32, 0.92, 0.52  # inches: height of an example, side of a thumbnail, height of the headings
IMAGE, BEFORE, SHARED, AFTER, WIDTH = 0.12, 1.52, 3.18, 6.86, 8.4  # inches from the left


def draw_examples(chosen: Sequence[Example], collection: Collection, metadata: str) -> Drawing:
    """A line for each example: the image with its labels, labels before, neighbours, labels after."""
    sheet = Sheet(WIDTH, HEAD + ROW * len(chosen))
    headings = {
        IMAGE: ("image", "its true labels"),
        BEFORE: ("image alone", "three best labels"),
        SHARED: (f"nearest images by {metadata}", f"with the {metadata} that they share"),
        AFTER: ("with neighbours", "three best labels"),
    }
    for x, (heading, explanation) in headings.items():
        sheet.write(x, 0.16, heading, size=FONT, weight="bold")
        sheet.write(x, 0.36, explanation, MUTED)
    for number, example in enumerate(chosen):
        _draw_example(sheet, HEAD + ROW * number, example, collection)
    return sheet.figure


def _draw_example(sheet: Sheet, top: float, example: Example, collection: Collection) -> None:
    sheet.line(top)
    under = top + 0.08 + SIDE
    sheet.show(IMAGE, top + 0.08, SIDE, collection, example.row)
    sheet.write(IMAGE, under + 0.13, shortened(", ".join(example.truth), 40))
    for x, labels in ((BEFORE, example.before), (AFTER, example.after)):
        for number, label in enumerate(labels):
            sign, color = ("✓", RIGHT) if label.right else ("✗", WRONG)
            y = top + 0.26 + 0.26 * number
            sheet.write(x, y, sign, color, FONT, weight="bold")
            sheet.write(x + 0.2, y, shortened(label.name, 16), color, FONT)
    failed = example.kind == "neighbours mislead"
    sheet.write(AFTER, top + 1.02, example.kind, WRONG if failed else MUTED)
    for number, (row, tags) in enumerate(example.neighbors):
        x = SHARED + 1.2 * number
        sheet.show(x, top + 0.08, SIDE, collection, row)
        sheet.write(x + SIDE / 2, under + 0.13, fitting(tags, 18), TEXT, align="center")


def fitting(tags: Sequence[str], longest: int) -> str:
    """As many tags as fit into ``longest`` characters, and how many more there are.

    >>> fitting(["arab", "united nations", "europe"], 18)
    'arab +2'
    """
    for count in range(len(tags), 0, -1):
        text = ", ".join(tags[:count]) + (f" +{len(tags) - count}" if count < len(tags) else "")
        if len(text) <= longest:
            return text
    return shortened(tags[0], longest)


SECTIONS = {"examples": ("Examples", "Figure 4, section 5.1", examples)}
