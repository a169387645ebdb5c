"""Pictures whose file name has a Flickr id, for sources whose photos have no path, or are not where the list says."""

import os
from collections.abc import Container, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.images import picture_suffixes
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.rejects import RowError
from love_thy_neighbors.sources.release import Release

_STEP = 100  # pictures between two steps of the progress bar


def join_pictures(release: Release, images: Path, max_pixels: int) -> None:
    """Find the pictures of ``release`` below ``images`` by the photos' ids, and drop and count photos without one.

    Refuses pictures that cannot be used. Raises `UserError` if no picture is found.
    """
    ids = release.table["id"].to_pylist()
    found, several = pictures_by_id(images, frozenset(ids))
    if not found:
        raise UserError(
            f"images: {images} has no picture of a photo in {release.rejects.where}; name pictures by the photo's id "
            "(ID.jpg, ID_secret.jpg, 0001_ID.jpg)."
        )
    release.counts |= {
        "photos_without_picture": sum(id_ not in found for id_ in ids),
        "photos_with_several_pictures": several,
    }
    release.keep(np.flatnonzero([id_ in found for id_ in ids]))
    names = [found[id_] for id_ in release.table["id"].to_pylist()]
    release.table = release.table.append_column("file", pa.array(names, pa.string()))
    check_pictures(release, images, max_pixels)


def find_moved_pictures(release: Release, images: Path) -> None:
    """Look for pictures that are not at the path in the column ``file``, by the photos' ids, and count those found.

    Copies of a release have other folders, other names (ID.jpg) or another case of letters. Raises `UserError` if there
    is no picture at all.
    """
    names, ids = release.table["file"].to_pylist(), release.table["id"].to_pylist()
    with progress_bar("looking for pictures", len(names)) as advance:
        there = []
        for row, name in enumerate(names):
            there.append((images / name).is_file())
            if (row + 1) % _STEP == 0:
                advance(_STEP)
    found, _ = pictures_by_id(images, {id_ for id_, known in zip(ids, there, strict=True) if not known})
    if not found and not any(there):
        raise UserError(
            f"images: {images} has no picture of {release.rejects.where}; it was looked for by path ({names[0]}) and "
            f"by id ({ids[0]}.jpg, 0001_{ids[0]}.jpg) in all folders below."
        )
    names = [name if known else found.get(id_, name) for id_, name, known in zip(ids, names, there, strict=True)]
    release.counts["pictures_found_by_id"] = sum(
        id_ in found for id_, known in zip(ids, there, strict=True) if not known
    )
    place = release.table.column_names.index("file")
    release.table = release.table.set_column(place, "file", pa.array(names, pa.string()))


def check_pictures(release: Release, images: Path, max_pixels: int) -> None:
    """Check the header of every picture in the column ``file``, and refuse images without a usable picture."""
    names = release.table["file"].to_pylist()
    rows, files = [], []
    with progress_bar("checking pictures", len(names)) as advance:
        for row, (number, name) in enumerate(zip(release.entry_numbers().tolist(), names, strict=True)):
            try:
                files.append(checked_picture(images, name, max_pixels))
                rows.append(row)
            except RowError as error:
                release.rejects.refuse(number, str(error))
            if (row + 1) % _STEP == 0:
                advance(_STEP)
    release.keep(np.array(rows, dtype=np.int64))
    release.files = files


def pictures_by_id(images: Path, ids: Container[str]) -> tuple[dict[str, str], int]:
    """The picture of each of the ``ids`` that has one, as a path below ``images``; and how many ids have several.

    Links to folders are not followed. Of several pictures ``ID`` is taken before ``..._ID`` and ``ID_...``, and then
    the first by path.
    """
    best: dict[str, tuple[int, str]] = {}
    several: set[str] = set()
    for file in _files(images):
        stem = Path(file).stem
        for rank, id_ in enumerate((stem, stem.rpartition("_")[2], stem.partition("_")[0])):
            if id_ in ids:
                if id_ in best:
                    several.add(id_)
                best[id_] = min(best.get(id_, (rank, file)), (rank, file))
                break
    return {id_: file for id_, (_, file) in best.items()}, len(several)


def _files(images: Path) -> Iterator[str]:
    """Files below ``images`` that are named like pictures, as relative paths without control characters."""
    suffixes = picture_suffixes()
    for folder, _, names in os.walk(images):
        below = Path(folder).relative_to(images).as_posix()
        for name in names:
            file = name if below == "." else f"{below}/{name}"
            if name.rpartition(".")[2].lower() in suffixes and file.isprintable():
                yield file
