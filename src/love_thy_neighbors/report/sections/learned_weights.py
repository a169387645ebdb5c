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
from love_thy_neighbors.report.document import Block, Column, Figure, Note, Origin, Row, Table
from love_thy_neighbors.report.matching import has_model
from love_thy_neighbors.report.pictures import Sheet
from love_thy_neighbors.report.style import DIVERGING, FONT, MUTED, RIGHT, TEXT, canvas, shortened
from love_thy_neighbors.runs.rules import ALL

PAIRS = 8  # image-label pairs on each side of the figure
COLUMNS = 4  # pairs in a line
NAMED_LABELS = 120  # more names would be too small to read


def learned_weights(context: Context) -> tuple[list[Block], list[Origin]]:
    """W_y, and the images whose scores come most from themselves and most from their neighbours, of both models."""
    blocks: list[Block] = []
    origins: list[Origin] = []
    for model, title in (
        ("neighborhood", "Learned weights"),
        ("relational", "Learned weights of the relational model"),
    ):
        runs = context.matched.runs("learned_weights", has_model(model))
        for result in runs.results[:1]:
            blocks += or_note(partial(_weights, context, result))
            if model == "relational":
                blocks += or_note(partial(_tower_parts, context, result))
            blocks += or_note(partial(_moved_most, context, result))
        origins += origin(title, runs)
    return blocks, origins


def towers_of(result: Result, collection: Collection) -> list[str]:
    """The names of the towers besides the image's, in the order of W_y."""
    if result.config["model"]["name"] != "relational":
        return ["neighborhood"]
    kind = result.config["metadata"]["type"]
    return list(result.config.get("relations") or (collection.metadata if kind == ALL else [kind]))


def _suffix(result: Result) -> str:
    return "_relational" if result.config["model"]["name"] == "relational" else ""


def _weights(context: Context, result: Result) -> list[Block]:
    names, towers = context.collection.label_names, ["image", *towers_of(result, context.collection)]
    W_y = array_of(result, "W_y")
    of_each = zip(towers, np.split(W_y, len(towers), axis=1), strict=True)
    means = ", ".join(f"{float(np.abs(part).mean()):.4f} for the {name}'s hidden units" for name, part in of_each)
    if _suffix(result):
        more = " W_p, the matrix for images whose metadata is missing or other than in training, is not shown."
    else:
        more = " The paper reads from its picture that the image is weighted more heavily."
    return [
        Note(f"Mean absolute weight: {means}.{more}"),
        Figure(
            f"learned_weights{_suffix(result)}",
            f"W_y on split {result.split}: a row for each label, a column for each hidden unit, those of the "
            f"{', the '.join(towers)} from left to right, each sorted by the label with its largest weight.",
            partial(draw_weights, W_y, names, towers),
            f"Learned weights of {len(W_y)} labels: mean absolute weight {means}.",
        ),
    ]


def draw_weights(W_y: np.ndarray, label_names: Sequence[str], towers: Sequence[str]) -> Drawing:
    """The matrix W_y of Eq. 6: a row for each label, a column for each hidden unit.

    Hidden units have no order of their own. Those of each tower are sorted by the label with the unit's largest weight,
    so a tower that the model uses shows a diagonal. The colours end at the 99.9th percentile of the absolute weights.

    Shape: ``W_y`` [L, T h], the units of one tower after the other's.
    """
    L, h = W_y.shape[0], W_y.shape[1] // len(towers)
    figure, axes = canvas(6.8, min(0.145 * L, 12) + 1.4)
    axis: Axes = axes[0, 0]
    ordered = np.hstack([part[:, units_by_label(part)] for part in np.split(W_y, len(towers), axis=1)])
    reach = float(np.percentile(np.abs(W_y), 99.9)) or 1.0
    norm = TwoSlopeNorm(0, -reach, reach)
    image = axis.imshow(ordered, cmap=DIVERGING, norm=norm, aspect="auto", interpolation="nearest")
    for place in range(1, len(towers)):
        axis.axvline(place * h - 0.5, color=TEXT, linewidth=1)
    symbols = {"image": "image, $v_x$", "neighborhood": "neighborhood, $v_z$"}
    named = [symbols.get(name, shortened(name)) for name in towers]
    axis.set_xticks([(place + 0.5) * h - 0.5 for place in range(len(towers))], named, fontsize=FONT)
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


def units_by_label(tower: np.ndarray) -> np.ndarray:
    """Order [h] of hidden units by the label with their largest weight, the strongest first. Shape: [L, h]."""
    return np.lexsort((-tower.max(axis=0), tower.argmax(axis=0)))


@dataclass(frozen=True)
class SplitScore:
    """A right label of an image, and the parts of its score: image_part + neighborhood_part + bias = score (Eq. 6)."""

    row: int
    label: str
    image_part: float
    neighborhood_part: float
    bias: float
    score: float


def _tower_parts(context: Context, result: Result) -> list[Block]:
    collection = context.collection
    image, relations, scores, rows = (
        array_of(result, name) for name in ("image_part", "relation_parts", "scores", "rows")
    )
    right = (scores > 0) & (collection.labels[rows].toarray() != 0)
    parts = {"image": image, **dict(zip(towers_of(result, collection), np.moveaxis(relations, 1, 0), strict=True))}
    lines = tuple(
        Row((name, f"{part[right].mean() if right.any() else 0:+.2f}", f"{np.abs(part).mean():.2f}"))
        for name, part in parts.items()
    )
    caption = (
        f"What each tower adds to the scores of the relational model on test images of split {result.split}: the mean "
        "over right labels with a score above 0, and the mean absolute value over all images and labels."
    )
    return [Table("tower_parts", caption, (Column("tower"), Column("right labels"), Column("all labels")), lines)]


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
    return [Figure(f"moved_most{_suffix(result)}", caption, partial(draw_moved_most, *sides, collection), alt)]


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
