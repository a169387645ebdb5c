"""MIRFLICKR-25K and MIRFLICKR-1M: ``python prepare.py source=mirflickr root=DIR images=DIR out=data/mirflickr``.

Entry k, from 1, is the k-th image: ``im<k>.jpg`` of MIRFLICKR-25K and ``<k - 1>.jpg`` of MIRFLICKR-1M, which counts
from 0 and begins with the same 25,000 images; the labels are of those. That the numbers of tags and of labels mean the
same images is checked: labels must agree with tags of the same name no worse than if they were shifted by one image.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
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
from love_thy_neighbors.sources.mirflickr.metadata import PhotoContexts, open_contexts
from love_thy_neighbors.sources.mirflickr.tags import PUBLISHED_COMMON, compare_common_tags, read_tags, with_common_tags
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.rejects import Rejects, RowError
from love_thy_neighbors.sources.release import GivenTable, PublishedCounts, Release, SourceOptions

_LABELS = "MIRFLICKR"
_STEP = 100  # entries between two moves of the progress bar


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """The keys of configs/source/mirflickr.yaml; raises `UserError` for values that make no sense together."""

    root: Path | None
    annotations: Path | None = None
    strict: bool = False
    metadata: Path | None = None

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError("root: give the folder that MIRFLICKR was unpacked into (root=DIR).")
        if not self.root.is_dir():
            raise UserError(f"root: {self.root} is not a folder; give the one that MIRFLICKR was unpacked into.")
        super().__post_init__()
        if not isinstance(self.strict, bool):
            raise UserError(f"strict: must be true or false, not {self.strict}.")


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """What the release in ``root`` holds, with its images as entries; raises `UserError`."""
    assert options.root is not None
    tags = find_tags(options.root)
    annotations = find_annotations(options.root, options.annotations)
    labels, counts = read_annotations(annotations, options.strict, ANNOTATED if tags.million else tags.entries)
    pictures = None if options.images is None else find_pictures(options.images, tags.million)
    contexts = None if options.metadata is None else open_contexts(options.metadata)
    found = _Found(Rejects(str(tags.folder), "image", options.on_error))
    _read_entries(found, _Files(tags, labels, pictures, contexts, how.max_pixels))
    _check_numbers(annotations, tags, found.agreement)
    if not found.numbers:
        raise found.rejects.empty()
    table = found.columns.table(_LABELS)
    table = table.append_column("file", pa.array(found.names, pa.string()))
    return Release(
        name="mirflickr1m" if tags.million else "mirflickr25k",
        table=table,
        rejects=found.rejects,
        about=_about(options, tags),
        counts={
            "images": tags.entries,
            **counts,
            **found.counts,
            **({} if contexts is None else contexts.check()),
            **compare_common_tags(tags, table),
        },
        numbers=np.array(found.numbers, dtype=np.int64),
        files=None if pictures is None else found.files,
        features=None if options.features is None else GivenTable(options.features, tags.entries, str(tags.folder)),
        min_positives=options.min_positives,
        published=_published(options, tags),
        published_as="MIRFLICKR-25K as published (tags of 20 images or more)",
        comparable=with_common_tags(table),
    )


@dataclass
class _Found:
    """What has been read: a row each of ``columns``, ``numbers``, ``names`` and, with images=, ``files``.

    ``agreement[shift]`` counts how often an image has the name of a label as a tag, where the label is of the image
    itself (0), of the one before (-1) or of the one after (1).
    """

    rejects: Rejects
    columns: PhotoColumns = field(default_factory=PhotoColumns)
    numbers: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    agreement: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Files:
    """What an entry is read from; ``labels`` are by entry."""

    tags: Tags
    labels: dict[int, list[str]]
    pictures: Pictures | None
    contexts: PhotoContexts | None
    max_pixels: int


def _read_entries(found: _Found, files: _Files) -> None:
    """Add all entries to what was ``found``; those that cannot be used are refused."""
    with progress_bar("reading images", files.tags.entries) as advance:
        for entry in range(1, files.tags.entries + 1):
            if entry % _STEP == 0:
                advance(_STEP)
            if files.pictures is not None and not files.pictures.has_folder(entry):
                found.counts["images_without_a_folder_of_pictures"] += 1
                continue
            try:
                _read_entry(found, entry, files)
            except RowError as error:
                found.rejects.refuse(entry, str(error))
        advance(files.tags.entries % _STEP)


def _read_entry(found: _Found, entry: int, files: _Files) -> None:
    """Add an entry to what was ``found``; raises `RowError`."""
    tags, labels, pictures, contexts = files.tags, files.labels, files.pictures, files.contexts
    own, stray = read_tags(tags.file(entry))
    name = tags.picture(entry)
    if pictures is not None:
        name = pictures.file(entry)
        found.files.append(checked_picture(pictures.images, name, files.max_pixels))
    known = None if contexts is None else contexts.photo(entry)
    photo = replace(known or Photo(""), id=tags.name(entry), tags=own, labels={_LABELS: tuple(labels.get(entry, ()))})
    found.columns.add(photo)
    found.numbers.append(entry)
    found.names.append(name)
    found.counts["tag_files_with_stray_bytes"] += stray
    found.counts["images_without_tags"] += not own
    found.counts["images_without_labels"] += entry not in labels
    found.counts["images_without_metadata"] += contexts is not None and known is None
    for shift in (-1, 0, 1):
        found.agreement[shift] += sum(label in own for label in labels.get(entry + shift, ()))


def _check_numbers(annotations: Path, tags: Tags, agreement: Counter[int]) -> None:
    if agreement[0] < max(agreement[-1], agreement[1]):
        raise UserError(
            f"{annotations}: {agreement[0]} labels are also tags of their image in {tags.folder}, but more are tags of "
            f"the image before it ({agreement[1]}) or after it ({agreement[-1]}), so the two do not number the images "
            "alike; give annotations and tags of one release."
        )


def _published(options: Options, tags: Tags) -> dict[str, PublishedCounts]:
    labels: dict[str, PublishedCounts] = {"labels": (len(CLASSES) + len(STRICT) * options.strict, None, None)}
    return labels if tags.million else labels | {"tags": (PUBLISHED_COMMON, None, None)}


def _about(options: Options, tags: Tags) -> dict[str, Any]:
    release = "MIRFLICKR-1M (Huiskes, Thomee, Lew, 2010)" if tags.million else "MIRFLICKR-25K (Huiskes, Lew, 2008)"
    source: dict[str, Any] = {"release": release, "images": tags.entries}
    kinds: dict[str, Any] = {"tags": {"how": "the release's tag files (not the raw ones), in lower case"}}
    if options.metadata is not None:
        source["metadata"] = options.metadata.name
        kinds |= {
            kind: {"how": f"of the photo of that number in {options.metadata.name}"} for kind in ("sets", "groups")
        }
    strict = f", and the {len(STRICT)} stricter _r1 annotations" if options.strict else ""
    return {
        "source": source,
        "licence": "Creative Commons, each photo under one of its own: see the release",
        "labels": {
            "how": f"{len(CLASSES)} classes of annotations v080, by hand{strict}; of the first {ANNOTATED:,} images"
        },
        "metadata": kinds,
    }
