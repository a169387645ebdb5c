"""Figure 3: the learned weights, and images whose score is mostly due to one of the two towers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure as Drawing

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, array_of, or_note, origin
from love_thy_neighbors.report.document import Block, Figure, Note, Origin
from love_thy_neighbors.report.pictures import Sheet
from love_thy_neighbors.report.style import DIVERGING, FONT, MUTED, RIGHT, TEXT, canvas, shortened

PAIRS = 8  # image-label pairs on each side of the figure
COLUMNS = 4  # pairs in a line
NAMED_LABELS = 120  # more names would be too small to read


def learned_weights(context: Context) -> tuple[list[Block], list[Origin]]:
    """W_y, and the images whose scores come most from themselves and most from their neighborhood."""
    runs = context.matched.runs("learned_weights")
    blocks: list[Block] = []
    for result in runs.results[:1]:
        blocks += or_note(partial(_weights, context, result))
        blocks += or_note(partial(_moved_most, context, result))
    return blocks, origin("Learned weights", runs)


def _weights(context: Context, result: Result) -> list[Block]:
    names = context.collection.label_names
    W_y = array_of(result, "W_y")
    image, neighborhood = (float(np.abs(half).mean()) for half in np.split(W_y, 2, axis=1))
    means = f"{image:.4f} for the image's hidden units, {neighborhood:.4f} for the neighborhood's"
    return [
        Note(
            f"Mean absolute weight: {means}. The paper reads from its picture that the image is weighted more heavily."
        ),
        Figure(
            "learned_weights",
            f"W_y on split {result.split}: a row for each label, a column for each hidden unit, those of the image "
            "on the left, those of the neighborhood on the right, each sorted by the label with its largest weight.",
            partial(draw_weights, W_y, names),
            f"Learned weights of {len(W_y)} labels: mean absolute weight {means}.",
        ),
    ]


def draw_weights(W_y: np.ndarray, label_names: Sequence[str]) -> Drawing:
    """The matrix W_y of Eq. 6: a row for each label, a column for each hidden unit.

    Hidden units have no order of their own. Each half is sorted by the label with the unit's largest weight, so a half
    that the model uses shows a diagonal. The colours end at the 99.9th percentile of the absolute weights.

    Shape: ``W_y`` [L, 2h], the image tower's units first.
    """
    L, h = W_y.shape[0], W_y.shape[1] // 2
    figure, axes = canvas(6.8, min(0.145 * L, 12) + 1.4)
    axis: Axes = axes[0, 0]
    ordered = np.hstack([half[:, units_by_label(half)] for half in np.split(W_y, 2, axis=1)])
    reach = float(np.percentile(np.abs(W_y), 99.9)) or 1.0
    norm = TwoSlopeNorm(0, -reach, reach)
    image = axis.imshow(ordered, cmap=DIVERGING, norm=norm, aspect="auto", interpolation="nearest")
    axis.axvline(h - 0.5, color=TEXT, linewidth=1)
    axis.set_xticks([h / 2 - 0.5, 1.5 * h - 0.5], ("image, $v_x$", "neighborhood, $v_z$"), fontsize=FONT)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    if L <= NAMED_LABELS:
        axis.set_yticks(range(L), [shortened(name) for name in label_names], parse_math=False)
    else:
        axis.set_yticks([])
        axis.set_ylabel(f"{L} labels")
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, orientation="horizontal", shrink=0.5, aspect=40, extend="both", pad=0.02)
    bar.set_label("weight", color=TEXT)
    bar.ax.tick_params(colors=MUTED, labelcolor=TEXT)
    bar.outline.set_visible(False)
    return figure


def units_by_label(half: np.ndarray) -> np.ndarray:
    """Order [h] of hidden units by the label with their largest weight, the strongest first. Shape: ``half`` [L, h]."""
    return np.lexsort((-half.max(axis=0), half.argmax(axis=0)))


@dataclass(frozen=True)
class SplitScore:
    """A right label of an image, and the parts of its score: image_part + neighborhood_part + bias = score (Eq. 6)."""

    row: int
    label: str
    image_part: float
    neighborhood_part: float
    bias: float
    score: float


def _moved_most(context: Context, result: Result) -> list[Block]:
    collection = context.collection
    names = ("image_part", "neighborhood_part", "bias", "scores", "rows")
    image, neighborhood, bias, scores, rows = (array_of(result, name) for name in names)
    labels = collection.labels[rows].toarray()
    sides = moved_most(image, neighborhood, bias, scores, labels, rows, collection.label_names)
    if not any(sides):
        return [Note("No image with a neighborhood has a right label with a positive score.")]
    caption = (
        "Right labels whose score comes most from the image itself, and most from its neighborhood: score = image part "
        "+ neighborhood part + bias."
    )
    alt = " ".join(
        f"Image labelled {pair.label}, score {pair.score:.1f}: {pair.image_part:+.1f} from the image, "
        f"{pair.neighborhood_part:+.1f} from its neighborhood, {pair.bias:+.1f} bias."
        for side in sides
        for pair in side
    )
    return [Figure("moved_most", caption, partial(draw_moved_most, *sides, collection), alt)]


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

    Orders them by the difference of the two parts of their score. Shows no image twice, and no label twice on one side.
    Leaves out images without a neighborhood: nothing but the image could move them.

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


def draw_moved_most(
    by_image: Sequence[SplitScore], by_neighborhood: Sequence[SplitScore], collection: Collection
) -> Drawing:
    """Two groups of images, each with a right label and its score = image part + neighborhood part + bias."""
    lines = -(-max(len(by_image), len(by_neighborhood)) // COLUMNS)
    head, line, column, side = 0.4, 1.7, 1.6, 1.0  # inches
    sheet = Sheet(column * COLUMNS, 2 * (head + line * lines))
    for part, (pairs, name) in enumerate(((by_image, "the image"), (by_neighborhood, "the neighborhood"))):
        top = part * sheet.height / 2
        sheet.write(
            0.1, top + head / 2, f"score mostly due to {name}: image part + neighborhood part + bias", size=FONT
        )
        for number, pair in enumerate(pairs):
            x, y = number % COLUMNS * column, top + head + number // COLUMNS * line
            parts = f"{pair.image_part:.2f} {pair.neighborhood_part:+.2f} {pair.bias:+.2f}"
            parts = parts.replace(" +", " + ").replace(" -", " − ").replace("-", "−")
            sheet.show(x + (column - side) / 2, y, side, collection, pair.row)
            sheet.write(x + column / 2, y + side + 0.14, shortened(pair.label, 18), RIGHT, align="center")
            sheet.write(x + column / 2, y + side + 0.32, parts, align="center")
            sheet.write(x + column / 2, y + side + 0.50, f"= {pair.score:.2f}", align="center")
    return sheet.figure


SECTIONS = {"learned_weights": ("Learned weights", "Figure 3, section 3.3", learned_weights)}
