"""The thumbnails that the page shows, copied out of the collections into its own folder."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from love_thy_neighbors.annotation.files import Annotation

LARGEST = 8 * 2**20  # bytes; prepare.py writes some ten thousand
PER_FOLDER = 1000


def rows_shown(annotation: Annotation) -> list[np.ndarray]:
    """For each of ``About.collections``, in order: the rows that are photos or neighbours, each once."""
    neighbors = pc.list_flatten(annotation.photos["neighbours"])
    kinds, rows = pc.struct_field(neighbors, "kind"), pc.struct_field(neighbors, "row")
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
        about = source.lstat()  # of a link, not of the file that it points to
    except OSError:
        return False
    usable = stat.S_ISREG(about.st_mode) and about.st_size <= LARGEST
    if usable:
        shutil.copyfile(source, target, follow_symlinks=False)
    return usable
