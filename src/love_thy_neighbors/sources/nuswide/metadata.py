"""Owners, sets and groups of NUS-WIDE's images from a file of Flickr metadata, joined by Flickr id."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.flickr.photo_metadata import megabytes, read_photo_metadata
from love_thy_neighbors.sources.flickr.photo_tables import Photo, PhotoColumns
from love_thy_neighbors.sources.tables import frequent

_COLUMNS = ("owner", "sets", "groups")
_PAPER_TAGS = TABLE_1["tags"][0]  # the paper counts only the most frequent tags


@dataclass(frozen=True)
class Metadata:
    """``columns``: owner, sets and groups of N rows, without empty columns; ``there`` [N]: rows that the file has."""

    columns: dict[str, pa.ChunkedArray]
    there: np.ndarray
    counts: dict[str, int]


def read_metadata(path: Path, ids: Sequence[str], ids_of: Path) -> Metadata:
    """Owner, sets and groups of the images ``ids`` [N]; of several photos with one id the first counts.

    Raises `UserError` if no photo of ``path`` has one of the ids, which come from the file ``ids_of``.
    """
    place = dict.fromkeys(ids, 0)  # of each id in `kept`; place 0 is an empty photo
    kept = PhotoColumns()
    kept.add(Photo(""))
    counts = {f"metadata_photos_{what}": 0 for what in ("read", "of_no_row", "named_twice")}
    counts["metadata_sets_and_groups_without_id"] = 0
    matched = 0
    with progress_bar("reading metadata (MB)", megabytes(path)) as advance:
        for photo in read_photo_metadata(path, advance):
            counts["metadata_photos_read"] += 1
            if photo.id not in place:
                counts["metadata_photos_of_no_row"] += 1
            elif place[photo.id]:
                counts["metadata_photos_named_twice"] += 1
            else:
                matched += 1
                place[photo.id] = matched
                kept.add(Photo(photo.id, photo.owner, sets=photo.sets, groups=photo.groups))
                counts["metadata_sets_and_groups_without_id"] += photo.without_id
    if not matched:
        raise UserError(
            f"metadata: none of the {counts['metadata_photos_read']} photos of {path} has an id of "
            f"{ids_of.name}; give the file for NUS-WIDE."
        )
    places = np.array([place[id_] for id_ in ids])
    table = kept.table(None).take(pa.array(places))
    columns = {name: table[name] for name in _COLUMNS if name in table.column_names}
    return Metadata(columns, places > 0, counts)


def sets_and_groups(path: Path) -> dict[str, Any]:
    """The card's entries for sets and groups from ``path``."""
    how = f"of the photo with the row's Flickr id in {path.name}; its tags are not used"
    return {kind: {"how": how} for kind in ("sets", "groups")}


def as_in_table_1(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """The images ``rows`` [n], as the paper's Table 1 counts them: with the 10,000 most frequent tags only."""
    part = table.take(pa.array(rows))
    return part.set_column(part.column_names.index("tags"), "tags", frequent(part["tags"], _PAPER_TAGS))
