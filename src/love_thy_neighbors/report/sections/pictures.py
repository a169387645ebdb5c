"""Figures 3 and 4: where scores come from, and images with the labels of both models."""

from functools import partial

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.report import gallery_figures, plots_per_label
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, array_of, attempted, origin, scores_of
from love_thy_neighbors.report.document import Block, Figure, Note, Origin
from love_thy_neighbors.report.galleries import example_alt, moved_most, split_score_alt
from love_thy_neighbors.report.galleries import examples as choose_examples
from love_thy_neighbors.report.sections.labels import pairs, tested


def learned_weights(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 3: W_y, and the images whose scores come most from themselves and most from their neighborhood."""
    runs = context.matched.runs("learned_weights")
    blocks: list[Block] = []
    for result in runs.results[:1]:
        blocks += attempted(partial(_weights, context, result))
        blocks += attempted(partial(_moved_most, context, result))
    return blocks, origin("Learned weights", runs)


def _weights(context: Context, result: Result) -> list[Block]:
    names = context.collection.label_names
    W_y = array_of(result, "W_y", len(names), None)
    if W_y.shape[1] < 2 or W_y.shape[1] % 2:
        raise UserError(f"{result.folder / 'W_y.npy'}: has {W_y.shape[1]} columns, not two towers; do the job again.")
    h = W_y.shape[1] // 2
    image, neighborhood = (float(np.abs(half).mean()) for half in (W_y[:, :h], W_y[:, h:]))
    return [
        Note(
            f"Mean absolute weight: {image:.4f} for the image's hidden units, {neighborhood:.4f} for the "
            "neighborhood's. The paper reads from its picture that the image is weighted more heavily."
        ),
        Figure(
            "learned_weights",
            f"W_y on split {result.split}: a row for each label, a column for each hidden unit, those of the image "
            "on the left, those of the neighborhood on the right, each sorted by the label that it speaks for most.",
            plots_per_label.weights_alt(W_y),
            partial(plots_per_label.weights, W_y, names),
        ),
    ]


def _moved_most(context: Context, result: Result) -> list[Block]:
    collection = context.collection
    rows, scores = scores_of(result, collection)
    image, neighborhood = (array_of(result, name, *scores.shape) for name in ("image_part", "neighborhood_part"))
    bias = array_of(result, "bias", scores.shape[1])
    labels = collection.labels[rows].toarray()
    sides = moved_most(image, neighborhood, bias, scores, labels, rows, collection.label_names)
    if not any(sides):
        return [Note("No image with a neighborhood has a right label with a positive score.")]
    return [
        Figure(
            "moved_most",
            "Right labels whose score comes most from the image itself, and most from its neighborhood: score = image "
            "part + neighborhood part + bias.",
            " ".join(split_score_alt(pair) for side in sides for pair in side[:1]),
            partial(gallery_figures.moved_most_figure, *sides, collection),
            cards=(
                ("Score mostly due to the image", tuple(sides[0])),
                ("Score mostly due to the neighborhood", tuple(sides[1])),
            ),
        )
    ]


def examples(context: Context) -> tuple[list[Block], list[Origin]]:
    """Figure 4: images, the three best labels of both models, and the neighbours."""
    found = pairs(context, "examples")
    origins = origin("Examples", context.matched.runs("examples"))
    return (attempted(lambda: _examples(context, *found[0])) if found else []), origins


def _examples(context: Context, before: Result, after: Result) -> list[Block]:
    collection = context.collection
    rows, labels, before_scores, scores = tested(context, before, after)
    neighbors = array_of(after, "neighbors", len(rows), None)
    if (
        neighbors.dtype.kind not in "iu"
        or neighbors.min(initial=-1) < -1
        or neighbors.max(initial=-1) >= len(collection)
    ):
        raise UserError(f"{after.folder / 'neighbors.npy'}: not rows of the collection; do the job again.")
    chosen = choose_examples(labels, scores, before_scores, neighbors, rows, collection.label_names)
    if not chosen:
        return [Note("No test image has as many neighbours as the figure shows.")]
    return [
        Figure(
            "examples",
            f"Test images of split {after.split}, the three best labels by the image alone and with tag neighbours, "
            "and the nearest images by tags. Largest gains first, failures last.",
            " ".join(example_alt(example) for example in chosen[:2]),
            partial(gallery_figures.examples_figure, chosen, collection),
            cards=(("", tuple(chosen)),),
        )
    ]
