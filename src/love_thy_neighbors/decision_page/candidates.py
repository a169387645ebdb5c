"""The rows to decide on, as small columns that the page loads first: it filters and sorts with them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.annotation.files import PHOTOS, SUGGESTIONS, Annotation
from love_thy_neighbors.decision_page.data_scripts import packed
from love_thy_neighbors.errors import UserError

# Bits of a row's and of a photo's flags; site/columns.js has the same numbers.
SUGGESTED, DOUBTFUL, JUDGED, GIVEN, CHANGED = 1, 2, 4, 8, 16
THUMBNAIL, NEIGHBORS = 1, 2
STEPS = 65535  # probabilities are sent as whole numbers from 0 to this


@dataclass(frozen=True)
class Candidates:
    """The rows of suggestions.parquet by photo, and those of one photo by probability, largest first.

    table: the sorted rows. photo, label: int64 [rows], row in photos.parquet and column of the label.
    """

    table: pa.Table
    photo: np.ndarray
    label: np.ndarray


def sorted_candidates(annotation: Annotation) -> Candidates:
    """Sort the rows for the page; raises `UserError` for a photo or a label that does not exist."""
    rows, path = annotation.suggestions, annotation.folder / SUGGESTIONS
    photo = rows["photo"].to_numpy()
    labels = pa.array(annotation.about.labels, pa.string())
    label = pc.fill_null(pc.index_in(rows["label"], value_set=labels), -1).to_numpy()
    wrong = np.flatnonzero(~((photo >= 0) & (photo < annotation.photos.num_rows) & (label >= 0)))
    if wrong.size:
        raise UserError(
            f"{path}: row {wrong[0]} names a photo that is not in {PHOTOS} or a label that is not in annotation.json; "
            "run annotate.py again with overwrite=true."
        )
    order = np.lexsort((-_numbers(rows["probability"]), photo))
    return Candidates(rows.take(pa.array(order)), photo[order].astype(np.int64), label[order].astype(np.int64))


def columns_of_rows(candidates: Candidates, photos: int) -> dict[str, Any]:
    """What the page knows about every row: label, probabilities in `STEPS`, and flags."""
    table = candidates.table
    return {
        "perPhoto": packed(np.bincount(candidates.photo, minlength=photos)),
        "label": packed(candidates.label),
        "probability": packed(_steps(_numbers(table["probability"]))),
        "imageAlone": packed(_steps(_numbers(table["image_alone"]))),
        "rowFlags": packed(_flags_of_rows(table)),
    }


def columns_of_photos(photos: pa.Table, with_thumbnail: np.ndarray) -> dict[str, Any]:
    """What the page knows about every photo: its row in the collection 'new' (the thumbnail's name), and flags."""
    neighbors = pc.fill_null(pc.list_value_length(photos["neighbours"]), 0).to_numpy() > 0
    rows = np.where(with_thumbnail, pc.fill_null(photos["row"], 0).to_numpy(), 0)
    return {
        "collectionRow": packed(rows),
        "photoFlags": packed(with_thumbnail * THUMBNAIL + neighbors * NEIGHBORS),
    }


def _flags_of_rows(table: pa.Table) -> np.ndarray:
    """Changed by neighbours: the threshold lies between the probability and that of the image alone."""
    given = table["given"]
    threshold = _numbers(table["threshold"])  # NaN for none: every comparison is false
    above, alone = _numbers(table["probability"]) >= threshold, _numbers(table["image_alone"]) >= threshold
    return (
        _truths(table["suggested"]) * SUGGESTED
        + _truths(table["doubtful"]) * DOUBTFUL
        + pc.is_valid(given).to_numpy() * JUDGED
        + _truths(given) * GIVEN
        + (above != alone) * CHANGED
    )


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(column, np.nan).to_numpy()


def _truths(column: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(column, False).to_numpy().astype(np.int64)


def _steps(probabilities: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(np.nan_to_num(probabilities), 0, 1) * STEPS).astype(np.int64)
