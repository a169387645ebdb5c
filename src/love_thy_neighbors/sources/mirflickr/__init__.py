"""MIRFLICKR-25K and MIRFLICKR-1M: ``python prepare.py source=mirflickr root=DIR images=DIR out=data/mirflickr``.

Entry k, from 1, is the k-th image: ``im<k>.jpg`` of MIRFLICKR-25K and ``<k - 1>.jpg`` of MIRFLICKR-1M, which counts
from 0 and begins with the same 25,000 images. Only these have labels. One check shows whether tags and labels number
the images alike: more labels must be tags of the same image than of the image before or after it.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.flickr.photo_tables import Photo, PhotoColumns
from love_thy_neighbors.sources.flickr.pictures_by_id import check_pictures
from love_thy_neighbors.sources.mirflickr.files import (
    ANNOTATED,
    CLASSES,
    STRICT,
    Files,
    find_annotations,
    find_files,
    read_annotations,
    read_tags,
)
from love_thy_neighbors.sources.rejects import Rejects, RowError
from love_thy_neighbors.sources.release import GivenTable, Release, SourceOptions
from love_thy_neighbors.sources.tables import encoded, frequent

_LABELS = "MIRFLICKR"
_STEP = 100  # entries between two steps of the progress bar
_COMMON = 20  # a common tag has so many images or more
_PUBLISHED_COMMON = 1386  # common tags of MIRFLICKR-25K (Huiskes, Lew, 2008)


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """The keys of configs/source/mirflickr.yaml; raises `UserError` for values that make no sense together."""

    root: Path | None
    annotations: Path | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.root is None or not self.root.is_dir():
            raise UserError(f"root: {self.root or 'null'} is not a folder; give that of MIRFLICKR (root=DIR).")
        super().__post_init__()
        if not isinstance(self.strict, bool):
            raise UserError(f"strict: must be true or false, not {self.strict}.")


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The release in ``root``, with its images as entries; raises `UserError`."""
    assert options.root is not None
    files = find_files(options.root, options.images)
    annotations = find_annotations(options.root, options.annotations)
    classes = CLASSES + STRICT * options.strict
    labels, repeats = read_annotations(annotations, classes, ANNOTATED if files.million else files.entries)
    images = _Images(files, labels, Rejects(str(files.tags), "image", options.on_error))
    images.read_all()
    _check_numbers(annotations, files, images.agreement)
    if not images.numbers:
        raise images.rejects.empty()
    table = images.columns.table(_LABELS).append_column("file", pa.array(images.names, pa.string()))
    release = Release(
        name="mirflickr1m" if files.million else "mirflickr25k",
        table=table,
        rejects=images.rejects,
        about=_about(options, files),
        counts={"images": files.entries, "annotations_named_twice": repeats, **images.counts},
        numbers=np.array(images.numbers, dtype=np.int64),
        features=None if options.features is None else GivenTable(options.features, files.entries, str(files.tags)),
        min_positives=options.min_positives,
        published={
            "labels": (len(classes), None, None),
            **({} if files.million else {"tags": (_PUBLISHED_COMMON, None, None)}),
        },
        published_as="MIRFLICKR-25K as published (tags of 20 images or more)",
    )
    if options.images is not None:
        check_pictures(release, options.images, how.max_pixels)
    release.comparable = _with_common_tags(release.table)
    return release


@dataclass
class _Images:
    """The images read so far: a row each in ``columns``, ``numbers`` and ``names``, the pictures' paths.

    ``labels`` are by entry. ``agreement[shift]`` counts labels that are also tags of their image (0), of the image
    after it (-1) or of the image before it (1).
    """

    files: Files
    labels: dict[int, list[str]]
    rejects: Rejects
    columns: PhotoColumns = field(default_factory=PhotoColumns)
    numbers: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    agreement: Counter[int] = field(default_factory=Counter)

    def read_all(self) -> None:
        """Read all entries and refuse those that cannot be used."""
        with progress_bar("reading images", self.files.entries) as advance:
            for entry in range(1, self.files.entries + 1):
                try:
                    self._read(entry)
                except RowError as error:
                    self.rejects.refuse(entry, str(error))
                if entry % _STEP == 0:
                    advance(_STEP)

    def _read(self, entry: int) -> None:
        """Read one entry; raises `RowError`."""
        name = self.files.picture(entry)
        if name is None:
            self.counts["images_without_a_folder_of_pictures"] += 1
            return
        tags, stray = read_tags(self.files.tag_file(entry))
        labels = self.labels.get(entry, [])
        self.columns.add(Photo(self.files.name(entry), tags=tags, labels={_LABELS: tuple(labels)}))
        self.numbers.append(entry)
        self.names.append(name)
        self.counts["tag_files_with_stray_bytes"] += stray
        self.counts["images_without_tags"] += not tags
        self.counts["images_without_labels"] += not labels
        for shift in (-1, 0, 1):
            self.agreement[shift] += sum(label in tags for label in self.labels.get(entry + shift, ()))


def _check_numbers(annotations: Path, files: Files, agreement: Counter[int]) -> None:
    if agreement[0] < max(agreement[-1], agreement[1]):
        raise UserError(
            f"{annotations}: {agreement[0]} labels are also tags of their image in {files.tags}, but "
            f"{agreement[1]} are tags of the image before it and {agreement[-1]} of the image after it, so the two "
            "number the images differently; give annotations and tags of one release."
        )


def _with_common_tags(table: pa.Table) -> pa.Table:
    """The table with only those tags that `_COMMON` images or more have."""
    if "tags" not in table.column_names:
        return table
    _, codes, values = encoded(table["tags"])
    common = int((np.bincount(codes, minlength=len(values)) >= _COMMON).sum())
    return table.set_column(table.column_names.index("tags"), "tags", frequent(table["tags"], common))


def _about(options: Options, files: Files) -> dict[str, Any]:
    release = "MIRFLICKR-1M (Huiskes, Thomee, Lew, 2010)" if files.million else "MIRFLICKR-25K (Huiskes, Lew, 2008)"
    strict = f", and the {len(STRICT)} stricter _r1 annotations" if options.strict else ""
    return {
        "source": {"release": release, "images": files.entries},
        "licence": "Creative Commons, each photo under one of its own: see the release",
        "labels": {
            "how": f"{len(CLASSES)} classes of annotations v080, by hand{strict}; of the first {ANNOTATED:,} images"
        },
        "metadata": {"tags": {"how": "the release's tag files (not the raw ones), in lower case"}},
    }
