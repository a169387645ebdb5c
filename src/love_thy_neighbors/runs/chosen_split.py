"""The split that the settings of a run choose."""

import logging

import numpy as np
import pyarrow as pa

from love_thy_neighbors.collection.dates import microseconds
from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.settings import SplitSettings
from love_thy_neighbors.splits import PARTS, Split, given_split, linked_units, make_split, units_of

log = logging.getLogger(__name__)


def split_collection(collection: Collection, settings: SplitSettings) -> Split:
    """The split of a collection that the settings describe; see `splits`.

    Raises `UserError` naming the file and row of a wrong value, or the sizes if whole units do not fit them.
    """
    if settings.by in ("release", "column"):
        given = _column(collection) if settings.by == "column" else _release(collection, settings.number)
        return given_split(given, collection.labels, keep_unlabelled=settings.keep_unlabelled, by=settings.by)
    discard = collection.without_metadata if settings.discard_without_metadata else None
    units = _units(collection, settings.by)
    if settings.by == "time":
        discard = _without(collection.taken) | (False if discard is None else discard)
        _mention_undated(collection)
    return make_split(
        collection.labels,
        settings.sizes,
        settings.number,
        units=units,
        in_order=settings.by == "time",
        by=None if units is None else settings.by,
        keep_unlabelled=settings.keep_unlabelled,
        discard=discard,
    )


def _units(collection: Collection, by: str) -> np.ndarray | None:
    """The unit [N] of each image, whose images stay together; None for single images."""
    if by == "set":
        return linked_units(collection.metadata["sets"])
    if by == "owner":
        unknown = _without(collection.owners)
        return units_of(np.array(collection.owners.fill_null("").to_pylist(), dtype=str), unknown)
    if by == "time":
        return units_of(_times(collection), _without(collection.taken))
    return None


def _without(column: pa.Array | None) -> np.ndarray:
    """Boolean [N]: rows without a value."""
    assert column is not None
    return column.is_null().to_numpy(zero_copy_only=False)


def _times(collection: Collection) -> np.ndarray:
    """The time int64 [N] of each image in microseconds, 0 without one."""
    assert collection.taken is not None
    times = np.zeros(len(collection), dtype=np.int64)
    for row, text in enumerate(collection.taken.to_pylist()):
        try:
            times[row] = 0 if text is None else microseconds(text)
        except ValueError:
            raise UserError(
                f"{collection.folder / 'images.parquet'}: row {row} has taken='{text}', which is not an ISO date such "
                "as 2019-05-03 or 2019-05-03T14:30:00; correct it and run prepare.py again."
            ) from None
    return times


def _mention_undated(collection: Collection) -> None:
    undated = np.count_nonzero(_without(collection.taken))
    if undated:
        log.warning("split_by=time leaves out %s of %s images, which have no date.", undated, len(collection))


def _column(collection: Collection) -> np.ndarray:
    """The part int8 [N] of each image by the column ``split``, -1 for an image without one."""
    assert collection.parts is not None
    names = {None: -1} | {name: number for number, name in enumerate(PARTS)}
    values = collection.parts.to_pylist()
    for row, value in enumerate(values):
        if value not in names:
            raise UserError(
                f"{collection.folder / 'images.parquet'}: row {row} has split='{value}', which is not one of "
                f"{', '.join(PARTS)}; correct it and run prepare.py again."
            )
    return np.array([names[value] for value in values], dtype=np.int8)


def _release(collection: Collection, number: int) -> np.ndarray:
    assert collection.splits is not None
    return collection.splits[number]
