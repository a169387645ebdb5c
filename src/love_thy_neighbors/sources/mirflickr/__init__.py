"""MIRFLICKR-25K and MIRFLICKR-1M: ``python prepare.py source=mirflickr root=DIR images=DIR out=data/mirflickr``.

Entry k, from 1, is the k-th image: ``im<k>.jpg`` of MIRFLICKR-25K and ``<k - 1>.jpg`` of MIRFLICKR-1M, which counts
from 0 and begins with the same 25,000 images. Only these have labels. One check shows whether tags and labels number
the images alike: more labels must be tags of the same image than of the image before or after it.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.flickr.photo import Photo
from love_thy_neighbors.sources.flickr.photo_tables import PhotoColumns
from love_thy_neighbors.sources.mirflickr.annotations import (
    ANNOTATED,
    CLASSES,
    STRICT,
    find_annotations,
    read_annotations,
)
from love_thy_neighbors.sources.mirflickr.files import Pictures, Tags, find_pictures, find_tags
from love_thy_neighbors.sources.mirflickr.tags import PUBLISHED_COMMON, read_tags, with_common_tags
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.rejects import Rejects, RowError
from love_thy_neighbors.sources.release import GivenTable, PublishedCounts, Release, SourceOptions

_LABELS = "MIRFLICKR"
_STEP = 100  # entries between two steps of the progress bar


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """The keys of configs/source/mirflickr.yaml; raises `UserError` for values that make no sense together."""

    root: Path | None
    annotations: Path | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError("root: give the folder that MIRFLICKR was unpacked into (root=DIR).")
        if not self.root.is_dir():
            raise UserError(f"root: {self.root} is not a folder; give the one that MIRFLICKR was unpacked into.")
        super().__post_init__()
        if not isinstance(self.strict, bool):
            raise UserError(f"strict: must be true or false, not {self.strict}.")


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The release in ``root``, with its images as entries; raises `UserError`."""
    assert options.root is not None
    tags = find_tags(options.root)
    annotations = find_annotations(options.root, options.annotations)
    labels, counts = read_annotations(annotations, options.strict, ANNOTATED if tags.million else tags.entries)
    pictures = None if options.images is None else find_pictures(options.images, tags.million)
    images = _Images(Rejects(str(tags.folder), "image", options.on_error), tags, labels, pictures, how.max_pixels)
    images.read_all()
    _check_numbers(annotations, tags, images.agreement)
    if not images.numbers:
        raise images.rejects.empty()
    table = images.columns.table(_LABELS).append_column("file", pa.array(images.names, pa.string()))
    return Release(
        name="mirflickr1m" if tags.million else "mirflickr25k",
        table=table,
        rejects=images.rejects,
        about=_about(options, tags),
        counts={"images": tags.entries, **counts, **images.counts},
        numbers=np.array(images.numbers, dtype=np.int64),
        files=None if pictures is None else images.files,
        features=None if options.features is None else GivenTable(options.features, tags.entries, str(tags.folder)),
        min_positives=options.min_positives,
        published=_published(options, tags),
        published_as="MIRFLICKR-25K as published (tags of 20 images or more)",
        comparable=with_common_tags(table),
    )


class _Images:
    """The images read so far: a row each in ``columns``, ``numbers``, ``names`` and, with images=, ``files``.

    ``labels`` are by entry. ``agreement[shift]`` counts labels that are also tags of their image (0), of the image
    after it (-1) or of the image before it (1).
    """

    def __init__(
        self, rejects: Rejects, tags: Tags, labels: dict[int, list[str]], pictures: Pictures | None, max_pixels: int
    ) -> None:
        self.rejects, self.tags, self.labels, self.pictures, self.max_pixels = (
            rejects,
            tags,
            labels,
            pictures,
            max_pixels,
        )
        self.columns = PhotoColumns()
        self.numbers: list[int] = []
        self.names: list[str] = []
        self.files: list[Path] = []
        self.counts: Counter[str] = Counter()
        self.agreement: Counter[int] = Counter()

    def read_all(self) -> None:
        """Read all entries and refuse those that cannot be used."""
        with progress_bar("reading images", self.tags.entries) as advance:
            for entry in range(1, self.tags.entries + 1):
                if entry % _STEP == 0:
                    advance(_STEP)
                if self.pictures is not None and not self.pictures.has_folder(entry):
                    self.counts["images_without_a_folder_of_pictures"] += 1
                    continue
                try:
                    self._read(entry)
                except RowError as error:
                    self.rejects.refuse(entry, str(error))

    def _read(self, entry: int) -> None:
        """Read one entry; raises `RowError`."""
        tags, stray = read_tags(self.tags.file(entry))
        labels = self.labels.get(entry, [])
        name = self.tags.picture(entry)
        if self.pictures is not None:
            name = self.pictures.file(entry)
            self.files.append(checked_picture(self.pictures.images, name, self.max_pixels))
        self.columns.add(Photo(self.tags.name(entry), tags=tags, labels={_LABELS: tuple(labels)}))
        self.numbers.append(entry)
        self.names.append(name)
        self.counts["tag_files_with_stray_bytes"] += stray
        self.counts["images_without_tags"] += not tags
        self.counts["images_without_labels"] += not labels
        for shift in (-1, 0, 1):
            self.agreement[shift] += sum(label in tags for label in self.labels.get(entry + shift, ()))


def _check_numbers(annotations: Path, tags: Tags, agreement: Counter[int]) -> None:
    if agreement[0] < max(agreement[-1], agreement[1]):
        raise UserError(
            f"{annotations}: {agreement[0]} labels are also tags of their image in {tags.folder}, but "
            f"{agreement[1]} are tags of the image before it and {agreement[-1]} of the image after it, so the two "
            "number the images differently; give annotations and tags of one release."
        )


def _published(options: Options, tags: Tags) -> dict[str, PublishedCounts]:
    labels: dict[str, PublishedCounts] = {"labels": (len(CLASSES) + len(STRICT) * options.strict, None, None)}
    return labels if tags.million else labels | {"tags": (PUBLISHED_COMMON, None, None)}


def _about(options: Options, tags: Tags) -> dict[str, Any]:
    release = "MIRFLICKR-1M (Huiskes, Thomee, Lew, 2010)" if tags.million else "MIRFLICKR-25K (Huiskes, Lew, 2008)"
    strict = f", and the {len(STRICT)} stricter _r1 annotations" if options.strict else ""
    return {
        "source": {"release": release, "images": tags.entries},
        "licence": "Creative Commons, each photo under one of its own: see the release",
        "labels": {
            "how": f"{len(CLASSES)} classes of annotations v080, by hand{strict}; of the first {ANNOTATED:,} images"
        },
        "metadata": {"tags": {"how": "the release's tag files (not the raw ones), in lower case"}},
    }
