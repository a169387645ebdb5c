"""The features that NUS-WIDE contains (Low_Level_Features), for users who do not have the pictures.

A file has one row for each image of Imagelist.txt, or is split in two: Train_ for the images of TrainImagelist.txt and
Test_ for those of TestImagelist.txt, in the order of these lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from love_thy_neighbors.collection.feature_tables import store
from love_thy_neighbors.disk import new_table
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.nuswide.files import Copy, ImageList, read_image_list
from love_thy_neighbors.sources.nuswide.text_tables import Shape, read_numbers
from love_thy_neighbors.sources.release import FinishedTable

BACKBONE = "low_level"
# Colour histogram, colour auto-correlogram, edge direction histogram, wavelet texture, block-wise colour moments, and a
# bag of 500 visual words.
COLUMNS = {"CH": 64, "CORR": 144, "EDH": 73, "WT": 128, "CM55": 225, "BoW": 500}
_FOLDER = "Low_Level_Features"
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class _Part:
    """A file and the rows [n] of Imagelist.txt of its lines; ``rows_of`` is the list that defines them."""

    path: Path
    rows: np.ndarray
    rows_of: str


def check_low_level(kinds: object) -> None:
    """Raise `UserError` unless ``kinds`` is a list of different keys of `COLUMNS`."""
    if not isinstance(kinds, list) or not kinds or not set(kinds) <= set(COLUMNS) or len(set(kinds)) < len(kinds):
        raise UserError(
            f"low_level: must be a list of some of {', '.join(COLUMNS)}, each once, such as [CH,WT], not {kinds}."
        )


def write_low_level(
    copy: Copy, images: ImageList, kinds: Sequence[str], rows: np.ndarray, partial: Path
) -> FinishedTable:
    """Write the features ``kinds`` side by side for the ``rows`` [n] of Imagelist.txt: a file in ``partial``.

    Raises `UserError` for a missing file or list, and with file and line for a value that is not a finite number within
    float32.
    """
    parts = {kind: _parts(copy, images, kind) for kind in kinds}
    place = np.full(len(images.files), -1)
    place[rows] = np.arange(len(rows))
    partial.mkdir(exist_ok=True)
    shape = (len(rows), sum(COLUMNS[kind] for kind in kinds))
    table = new_table(partial / "given.npy", np.float32, shape)
    columns, first = {}, 0
    with progress_bar("reading features", len(kinds) * len(images.files)) as advance:
        for kind in kinds:
            columns[kind] = [first, first := first + COLUMNS[kind]]
            for part in parts[kind]:
                done = 0
                for block in read_numbers(part.path, Shape(len(part.rows), part.rows_of, COLUMNS[kind])):
                    places = place[part.rows[done : done + len(block)]]
                    table[places[places >= 0], slice(*columns[kind])] = _checked(part, done, block, kind)[places >= 0]
                    done += len(block)
                    advance(len(block))
    path = partial / f"{BACKBONE}.npy"
    stored = store(table, range(len(rows)), path, str(copy.root / _FOLDER))
    about = {
        "source": [part.path.name for kind in kinds for part in parts[kind]],
        "columns": columns,
        "preprocessing": "as in the release; BoW counts are divided by their sum, the number of words in an image",
        **stored.about,
    }
    return FinishedTable(BACKBONE, path, about)


def _checked(part: _Part, done: int, block: np.ndarray, kind: str) -> np.ndarray:
    """The block as it goes into the table; ``done`` lines come before it. Raises `UserError`."""
    if kind == "BoW":  # shares, as the pictures differ in size
        block = block / np.maximum(block.sum(axis=1, keepdims=True), 1)
    bad = ~(np.abs(block) <= _LARGEST).all(axis=1)
    if bad.any():
        raise UserError(
            f"{part.path}, line {done + int(np.argmax(bad)) + 1}: holds NaN, infinity or a value beyond float32 "
            f"({_LARGEST:.1e}); get this file of the release again."
        )
    return block


def _parts(copy: Copy, images: ImageList, kind: str) -> list[_Part]:
    """The file with the feature, or else the two that share it."""
    whole, halves = f"Normalized_{kind}.dat", {half: [f"{half}_Normalized_{kind}.dat"] for half in ("Train", "Test")}
    if kind == "BoW":  # copies of the release have two names for each half
        whole, halves = "BoW_int.dat", {half: [f"BoW_{half}_int.dat", f"{half}_BoW_int.dat"] for half in halves}
    if copy.has(whole) or not any(copy.has(name) for names in halves.values() for name in names):
        return [_Part(copy.find(_FOLDER, whole), np.arange(len(images.files)), images.path.name)]
    row_of = {file: row for row, file in enumerate(images.files)}
    parts = []
    for half, names in halves.items():
        path = copy.find(_FOLDER, next((name for name in names if copy.has(name)), names[0]))
        listed = read_image_list(copy.find("ImageList", f"{half}Imagelist.txt"))
        rows = np.array([row_of.get(file, -1) for file in listed.files])
        if (rows < 0).any():
            line = int(np.argmax(rows < 0))
            raise UserError(
                f"{listed.path}, line {line + 1}: {listed.files[line]} is not in {images.path.name}; get both lists "
                "again."
            )
        parts.append(_Part(path, rows, listed.path.name))
    there = np.bincount(np.concatenate([part.rows for part in parts]), minlength=len(images.files))
    if (there != 1).any():
        row = int(np.argmax(there != 1))
        raise UserError(
            f"{images.path}, line {row + 1}: {images.files[row]} must be once in {parts[0].rows_of} and "
            f"{parts[1].rows_of} together, not {there[row]} times; get {whole}, or the lists of the release again."
        )
    return parts
