"""What the page shows when a photo is opened: metadata, neighbours, and the parts of each score."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from love_thy_neighbors.annotation.files import About
from love_thy_neighbors.decision_page.candidates import Candidates

PER_PIECE = 50  # photos in a piece: opening a photo reads about 100 kB


def pieces(about: About, photos: pa.Table, candidates: Candidates, thumbnails: list[np.ndarray]) -> Iterator[list[Any]]:
    """Yield the details of `PER_PIECE` photos at a time; ``thumbnails`` as `detail_of` needs it."""
    starts = np.searchsorted(candidates.photo, np.arange(photos.num_rows + 1))
    places = {kind: place for place, kind in enumerate(about.collections)}
    for first in range(0, photos.num_rows, PER_PIECE):
        some = photos.slice(first, PER_PIECE).to_pylist()
        begin, end = starts[first], starts[first + len(some)]
        rows = candidates.table.slice(begin, end - begin).to_pylist()
        cuts = starts[first : first + len(some) + 1] - begin
        yield [
            detail_of(about, photo, rows[cuts[number] : cuts[number + 1]], places, thumbnails)
            for number, photo in enumerate(some)
        ]


def detail_of(
    about: About,
    photo: dict[str, Any],
    rows: list[dict[str, Any]],
    places: dict[str, int],
    thumbnails: list[np.ndarray],
) -> dict[str, Any]:
    """One photo. ``places`` is the place of each kind's collection; ``thumbnails[place]`` its rows with a thumbnail."""
    return {
        "id": photo["id"],
        "file": photo["file"] or "",
        "labels": photo["labels"],
        "values": [photo[f"metadata.{name}"] or [] for name in about.types],
        "neighbors": [_neighbor(one, places, thumbnails) for one in photo["neighbours"] or []],
        "rows": [_row(about, row) for row in rows],
    }


def _neighbor(one: dict[str, Any], places: dict[str, int], thumbnails: list[np.ndarray]) -> list[Any]:
    """[kind, row of its thumbnail or -1, id, file, shared values, metadata type or null]; kind is the place in
    ``About.collections`` or -1."""
    place, row = places.get(one["kind"], -1), one["row"]
    there = place >= 0 and row is not None and 0 <= row < thumbnails[place].size and thumbnails[place][row]
    return [place, row if there else -1, one["id"], one["file"] or "", one["shared"] or [], one["type"]]


def _row(about: About, row: dict[str, Any]) -> dict[str, Any]:
    """Exact numbers of a row: parts is [image and bias, one for each kind]; top is [place, part] of neighbours."""
    image = [row["part_image"], row["bias"]]
    top = [[one["place"], _rounded(one["part"])] for one in row["neighbours"] or []]
    return {
        "probability": _rounded(row["probability"]),
        "imageAlone": _rounded(row["image_alone"]),
        "threshold": _rounded(row["threshold"]),
        "score": _rounded(row["score"]),
        "parts": [_rounded(sum(part or 0.0 for part in image)), *(_rounded(row[f"part_{k}"]) for k in about.kinds)],
        "top": top,
    }


def _rounded(number: float | None) -> float | None:
    """Five digits are more than the page shows; null stands for a number that is missing or not finite."""
    return round(number, 5) if number is not None and math.isfinite(number) else None
