"""The last lines of prepare.py: what a collection holds, in a person's words, and the next command to type."""

import heapq
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.collection.card import UPDATE, metadata_columns, read_card
from love_thy_neighbors.collection.images_table import read_images_table
from love_thy_neighbors.features.backbones import BUNDLED
from love_thy_neighbors.sources.tables import encoded
from love_thy_neighbors.visible import one_line

TOP = 10  # tags that are named
FEWEST_LABELLED = 4  # photos: with the usual sizes of train.py, one for the validation and one for the test
_PLAIN = re.compile(r"[\w./-]+", re.ASCII)  # a value that neither the shell nor Hydra takes apart


def summary(folder: Path) -> list[str]:
    """The lines for the collection in ``folder``; raises `UserError` if it cannot be read."""
    card, table = read_card(folder), read_images_table(folder / "images.parquet")
    kinds = metadata_columns(table.column_names)
    found = {kind: with_neighbours(table[kind]) for kind in kinds}
    frequent = most_frequent(table["tags"], TOP) if "tags" in kinds else []
    lines = [*_update_lines(card.get(UPDATE)), _labelled_line(table), *_neighbour_lines(table, found)]
    if frequent:
        lines.append(f"most frequent tags: {', '.join(f'{one_line(tag)} ({images:,})' for tag, images in frequent)}")
    return [*lines, *next_steps(folder, bool(card["features"]), _labelled(table), found)]


def most_frequent(tags: pa.ChunkedArray | pa.Array, count: int) -> list[tuple[str, int]]:
    """The ``count`` values of a list column that most images have, and how many have them; most first, ties by text.

    >>> most_frequent(pa.array([["sea", "sun"], ["sea"], ["ice", "ice"]]), 2)
    [('sea', 2), ('ice', 1)]
    """
    _, codes, values = encoded(tags)
    images = np.bincount(codes, minlength=len(values))
    first = heapq.nsmallest(count, zip((-images).tolist(), values.to_pylist(), strict=True))
    return [(value, -negative) for negative, value in first]


def with_neighbours(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Boolean [N]: which images share a value of a list column with another image.

    All N images may be neighbours, with and without labels. In training the images of one part of a split may, and of
    tags only the most frequent count (``pool`` and ``tau`` of train.py), so there are fewer.

    >>> with_neighbours(pa.array([["sea", "sun"], ["sea"], ["ice", "ice"], []])).tolist()
    [True, True, False, False]
    """
    rows, codes, values = encoded(column)
    found = np.zeros(len(column), dtype=bool)
    found[rows[np.bincount(codes, minlength=len(values))[codes] > 1]] = True
    return found


def next_steps(
    folder: Path, has_features: bool, labelled: np.ndarray, neighbours: Mapping[str, np.ndarray]
) -> list[str]:
    """The next command, with a model that suits the collection in ``folder``.

    labelled, and ``neighbours`` by each metadata type: boolean [N]. Without features or labels, what to do first.
    """
    if not has_features:
        added = f"python prepare.py source=collection {as_typed('root', folder)} features={BUNDLED} images=DIR"
        return [f"There are no features yet. Next: {added}"]
    if labelled.sum() < FEWEST_LABELLED:
        count = f"Only {labelled.sum()} photos have" if labelled.any() else "No photo has"
        return [
            f"{count} labels, so nothing can be trained on them. Give labels (labels=TABLE, or 'labels' in the lines "
            "of records=) to the same command, with update=true, which keeps the features.",
            "With a model of other photos: python annotate.py run=RUN "
            f"{as_typed('collection', folder)} out=annotations/new",
        ]
    # The model that train.py chooses for a collection of one's own looks at every metadata type.
    choice = "" if any(found[labelled].any() for found in neighbours.values()) else " model=visual_mlp"
    return [f"Next: python train.py {as_typed('data', folder)}{choice}"]


def as_typed(key: str, path: Path) -> str:
    """``key=path`` as it is typed in a shell: quoted for Hydra and for the shell where that is needed.

    >>> as_typed("data", Path("data/my photos"))
    '\\'data="data/my photos"\\''
    """
    value = str(path) if "/" in str(path) else f"./{path}"  # train.py has files for the names of known collections
    if _PLAIN.fullmatch(value):
        return f"{key}={value}"
    quote = "'" if '"' in value else '"'
    return shlex.quote(f"{key}={quote}{value.replace(quote, chr(92) + quote)}{quote}")


def _labelled(table: pa.Table) -> np.ndarray:
    return np.asarray(pc.list_value_length(table["labels"]).to_numpy() > 0)


def _labelled_line(table: pa.Table) -> str:
    count = int(_labelled(table).sum())
    return f"{table.num_rows:,} photos: {count:,} with labels, {table.num_rows - count:,} without"


def _neighbour_lines(table: pa.Table, found: Mapping[str, np.ndarray]) -> list[str]:
    """A line for each metadata type, and before them what a neighbour is here."""
    if not found:
        return ["There are no tags, sets or groups, so no photo has neighbours."]
    lines = ["neighbours (any other photo of the collection that shares a value):"]
    for kind, has in found.items():
        empty = int((pc.list_value_length(table[kind]).to_numpy() == 0).sum())
        with_any = int(has.sum())
        lines.append(
            f"  by {kind}: {with_any:,} photos have some, {len(has) - with_any:,} have none ({empty:,} without {kind})"
        )
    return lines


def _update_lines(update: dict[str, Any] | None) -> list[str]:
    """What an update has done, from its entry in the card."""
    if update is not None and "kept" in update:
        parts = [f"{update[key]:,} {key}" for key in ("added", "changed", "removed", "kept")]
        return [f"photos since the last time: {', '.join(parts)} ({update['renamed']:,} of them under another name)"]
    if update is not None and "nothing_kept" in update:
        return [f"the update kept nothing: {one_line(update['nothing_kept'])}"]
    return []
