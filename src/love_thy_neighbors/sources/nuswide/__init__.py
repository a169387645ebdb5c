"""NUS-WIDE, the official release: ``python prepare.py source=nuswide root=DIR metadata=FILE images=DIR out=...``.

An image is a row of Imagelist.txt; six Flickr ids have two rows, three of them with different labels. Labels come from
AllLabels and tags from All_Tags.txt. Owner, sets and groups are not in the release; ``metadata=`` adds them by id.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.sources.flickr.pictures_by_id import check_pictures, find_moved_pictures
from love_thy_neighbors.sources.nuswide.files import Copy, ImageList, find_copy, read_image_list, read_labels
from love_thy_neighbors.sources.nuswide.low_level import check_low_level, write_low_level
from love_thy_neighbors.sources.nuswide.metadata import Metadata, as_in_table_1, read_metadata, sets_and_groups
from love_thy_neighbors.sources.nuswide.tags import read_all_tags, read_tags_1k
from love_thy_neighbors.sources.nuswide.urls import URLS, missing_pictures
from love_thy_neighbors.sources.rejects import Rejects
from love_thy_neighbors.sources.release import GivenTable, Release, SourceOptions
from love_thy_neighbors.sources.tables import list_column

_TAGS = {"all_tags": read_all_tags, "tags1k": read_tags_1k}
_HOW_TAGS = {
    "all_tags": "All_Tags.txt, whose ids are checked line by line. A tag that is not UTF-8 is read as Latin-1.",
    "tags1k": "AllTags1k.txt and TagList1k.txt. Their lines are assumed to be in the order of Imagelist.txt.",
}


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """The keys of configs/source/nuswide.yaml; raises `UserError` for values that make no sense together."""

    root: Path | None
    metadata: Path | None = None
    tags: str = "all_tags"
    low_level: list[str] | None = None
    discard_without_metadata: bool = False
    discard_without_labels: bool = False

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError("root: give the folder that NUS-WIDE was unpacked into (root=DIR).")
        super().__post_init__()
        if self.metadata is not None and not self.metadata.exists():  # it is read last, after a minute
            raise UserError(
                f"metadata: {self.metadata} does not exist; give an XML file, a folder of photos*.xml, or the cache of "
                "source=flickr."
            )
        if self.tags not in _TAGS:
            raise UserError(f"tags: '{self.tags}' is not known; use {' or '.join(_TAGS)}.")
        if self.low_level is not None:
            check_low_level(self.low_level)
            if self.images is not None or self.features is not None:
                raise UserError("low_level: is a kind of features; give only one of low_level, images and features.")
        for key in ("discard_without_metadata", "discard_without_labels"):
            if not isinstance(getattr(self, key), bool):
                raise UserError(f"{key}: must be true or false, not {getattr(self, key)}.")


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The release in ``root``, with the lines of Imagelist.txt as entries; raises `UserError`."""
    assert options.root is not None
    copy = find_copy(options.root, options.images)
    images = read_image_list(copy.find("ImageList", "Imagelist.txt"))
    labels, concepts = read_labels(copy, images)
    tags, tag_counts = _TAGS[options.tags](copy, images)
    metadata = None if options.metadata is None else read_metadata(options.metadata, images.ids, images.path)
    table = _table(images, labels, concepts, tags, metadata)
    known = pc.list_value_length(tags).to_numpy() > 0 if metadata is None else metadata.there
    labelled = np.asarray(labels.any(axis=1))
    rows = np.flatnonzero(
        (known | (not options.discard_without_metadata)) & (labelled | (not options.discard_without_labels))
    )
    release = Release(
        name="nuswide",
        table=table,
        rejects=Rejects(str(images.path), "line", options.on_error),
        about=_about(options, images, concepts),
        counts={
            "rows": len(images.files),
            **_duplicates(images, labels),
            **tag_counts,
            **({} if metadata is None else metadata.counts),
            "rows_without_metadata": int((~known).sum()),
            "rows_without_labels": int((~labelled).sum()),
            "rows_with_metadata_and_labels": int((known & labelled).sum()),
            "rows_discarded": len(known) - len(rows),
        },
        numbers=np.arange(1, len(images.files) + 1),
        min_positives=options.min_positives,
        published=TABLE_1,
        published_as="NUS-WIDE in the paper (images with metadata and labels, the 10,000 most frequent tags)",
        comparable=as_in_table_1(table, np.flatnonzero(known & labelled)),
    )
    if not len(rows):
        raise UserError(f"{images.path}: no image is left after the discards; set one of discard_without_* to false.")
    release.keep(rows)
    _add_features(release, options, copy, images, how, partial)
    return release


def _table(
    images: ImageList, labels: np.ndarray, concepts: list[str], tags: pa.Array, metadata: Metadata | None
) -> pa.Table:
    offsets = np.concatenate([[0], np.cumsum(labels.sum(axis=1))])
    columns = {
        "id": pa.array(images.ids, pa.string()),
        "file": pa.array(images.files, pa.string()),
        "labels": list_column(offsets, np.nonzero(labels)[1], concepts),
        "tags": tags,
    }
    return pa.table(columns | ({} if metadata is None else metadata.columns))


def _duplicates(images: ImageList, labels: np.ndarray) -> dict[str, int]:
    _, of_row, rows = np.unique(images.ids, return_inverse=True, return_counts=True)
    several = np.flatnonzero(rows[of_row] > 1)
    different = {(of_row[row], labels[row].tobytes()) for row in several}  # the ids' different labels
    conflicting = Counter(id_ for id_, _ in different)
    return {
        "duplicate_ids": int((rows > 1).sum()),
        "rows_with_a_duplicate_id": len(several),
        "rows_with_conflicting_labels": sum(conflicting[id_] > 1 for id_ in of_row[several]),
    }


def _add_features(
    release: Release, options: Options, copy: Copy, images: ImageList, how: Extraction, partial: Path
) -> None:
    """Give the release its features, or the pictures to make them from, and list pictures that are missing."""
    if options.low_level is not None:
        rows = release.entry_numbers() - 1
        release.features = write_low_level(copy, images, options.low_level, rows, partial)
    elif options.features is not None:
        release.features = GivenTable(options.features, len(images.files), images.path.name)
    elif options.images is not None:
        find_moved_pictures(release, options.images)
        check_pictures(release, options.images, how.max_pixels)
        missing = [number - 1 for number in release.rejects.reasons]
        if missing and copy.has(URLS):
            release.texts["missing_pictures.csv"], counts = missing_pictures(copy, images, missing)
            release.counts |= counts


def _about(options: Options, images: ImageList, concepts: list[str]) -> dict[str, Any]:
    given = options.metadata
    return {
        "source": {
            "release": "NUS-WIDE (Chua et al., CIVR 2009)",
            "rows": len(images.files),
            **({} if given is None else {"metadata": given.name}),
        },
        "licence": "see the release, and Flickr's terms for the photos and their metadata",
        "labels": {
            "how": f"{len(concepts)} concepts, annotated by hand (Groundtruth/AllLabels). The lines are assumed to be "
            "in the order of Imagelist.txt; their number is checked."
        },
        "metadata": {
            "tags": {"how": _HOW_TAGS[options.tags]},
            **({} if given is None else sets_and_groups(given)),
        },
        "discards": {
            "without_metadata": options.discard_without_metadata,
            "without_labels": options.discard_without_labels,
        },
    }
