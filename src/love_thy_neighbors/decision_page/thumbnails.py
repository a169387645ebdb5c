"""The thumbnails that the page shows, copied out of the collections into its own folder."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.annotation.files import Annotation

LARGEST = 8 * 2**20  # bytes; prepare.py writes some ten thousand
PER_FOLDER = 1000


def rows_shown(annotation: Annotation) -> list[np.ndarray]:
    """For each of ``About.collections``, in order: the rows that are photos or neighbours, each once."""
    neighbors = pc.list_flatten(annotation.photos["neighbours"])
    kinds, rows = _field(neighbors, "kind"), _field(neighbors, "row")
    found = []
    for kind in annotation.about.collections:
        used = pc.filter(rows, pc.fill_null(pc.equal(kinds, kind), False)).drop_null().to_numpy()
        if kind == "new":
            used = np.concatenate([used, annotation.photos["row"].drop_null().to_numpy()])
        unique = np.unique(used)
        found.append(unique[unique >= 0])
    return found


def thumbnail_folders(annotation: Annotation) -> list[Path]:
    """The folder of thumbnails of each of ``About.collections``; a relative path starts at the annotation folder."""
    return [annotation.folder / path / "thumbnails" for path in annotation.about.collections.values()]


def copy_thumbnails(source: Path, rows: np.ndarray, target: Path, advance: Callable[[int], None]) -> np.ndarray:
    """Copy ``source``/<row>.webp to ``target``/<row // 1000>/<row>.webp for each row; returns truths [largest row + 1].

    A row is true if its thumbnail was there. Links are not followed and very large files are left out: the page may be
    given away, and nothing but thumbnails goes with it.
    """
    there = np.zeros(int(rows.max(initial=-1)) + 1, bool)
    present = source.is_dir()
    for folder in np.unique(rows // PER_FOLDER) if present else ():
        (target / str(folder)).mkdir(parents=True, exist_ok=True)
    for row in rows.tolist():
        if present:
            there[row] = _copied(source / f"{row}.webp", target / str(row // PER_FOLDER) / f"{row}.webp")
        advance(1)
    return there


def _copied(source: Path, target: Path) -> bool:
    try:
        handle = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    with open(handle, "rb") as file:
        about = os.fstat(handle)
        if source.is_symlink() or not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            return False
        with target.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    return True


def _field(structs: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    return pc.struct_field(structs, name)
