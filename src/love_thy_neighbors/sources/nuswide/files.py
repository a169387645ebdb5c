"""The files of NUS-WIDE: where they are in somebody's copy, the list of images, and the labels.

Copies differ in the case and the nesting of their folders (Groundtruth, GroundTruth, NUS_WID_Tags/NUS_WID_Tags), so a
file is known by its name alone, and by the folder that the release keeps it in where there are several of that name.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.jsonl_lines import raw_lines
from love_thy_neighbors.sources.nuswide.text_tables import Shape, read_bits

_DEPTH = 6  # folders below root that are looked into
_SUFFIXES = (".txt", ".dat")
_PICTURES = "flickr"  # the release's folder of pictures: 704 folders that hold none of its files
_LONGEST = 10_000  # bytes of a line of a list
_NAME = re.compile(r"(?P<folder>[^/]+)/[^/_]+_(?P<id>\d{1,20})\.\w{1,5}")


@dataclass(frozen=True)
class Copy:
    """A copy of the release: the text files below ``root``, by their names in lower case."""

    root: Path
    files: dict[str, list[Path]]

    def has(self, name: str) -> bool:
        """Whether there is a file of that name, in upper or lower case."""
        return name.lower() in self.files

    def find(self, folder: str, name: str) -> Path:
        """The file that the release keeps as ``folder/name``.

        Raises `UserError` if there is none, and if there are two and neither is nearer to that place.
        """
        places = sorted(self.files.get(name.lower(), []), key=lambda path: self._distance(path, folder))
        if not places:
            raise UserError(
                f"root: {self.root} has no {folder}/{name}; it was looked for in {self.root} and the folders in it, "
                f"{_DEPTH} deep, in upper and lower case, so unpack that part of the release there."
            )
        if len(places) > 1 and self._distance(places[0], folder) == self._distance(places[1], folder):
            raise UserError(f"root: {name} is there twice, {places[0]} and {places[1]}; leave one of them.")
        return places[0]

    def _distance(self, path: Path, folder: str) -> tuple[bool, int]:
        return path.parent.name.lower() != folder.lower(), len(path.parts)


def find_copy(root: Path, pictures: Path | None) -> Copy:
    """The copy of the release in ``root``, ``pictures`` (a folder of images) left out."""
    if not root.is_dir():
        raise UserError(f"root: {root} is not a folder; give the one that NUS-WIDE was unpacked into.")
    seen = set() if pictures is None else {pictures.resolve()}
    files: dict[str, list[Path]] = {}
    try:
        for path in sorted(_text_files(root, _DEPTH, seen)):
            files.setdefault(path.name.lower(), []).append(path)
    except OSError as error:
        raise UserError(f"root: {error.filename} cannot be read ({error.strerror}); make it readable.") from None
    return Copy(root, files)


def _text_files(folder: Path, depth: int, seen: set[Path]) -> Iterator[Path]:
    if folder.resolve() in seen:  # a link can lead round in a circle
        return
    seen.add(folder.resolve())
    with os.scandir(folder) as entries:  # knows folders from files without asking for each of 269,648 pictures
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.lower().endswith(_SUFFIXES) and entry.is_file():
                yield Path(entry.path)
            elif depth and entry.name.lower() != _PICTURES and entry.is_dir():
                yield from _text_files(Path(entry.path), depth - 1, seen)


def list_lines(path: Path) -> list[str]:
    """The lines of a list, one entry a line: without white space around them and without blank lines at the end.

    Raises `UserError` for a blank line between others, one that is not UTF-8 and one over 10,000 bytes.
    """
    lines: list[str] = []
    for number, raw in raw_lines(path, _LONGEST):
        if raw is None:
            raise UserError(f"{path}, line {number}: is longer than {_LONGEST} bytes; get the list again.")
        try:
            lines.append(raw.decode("utf-8").strip())
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}, line {number}: is not UTF-8 (byte {error.start + 1}); get the list again."
            ) from None
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise UserError(f"{path}, line {lines.index('') + 1}: is blank; get the list again.")
    return lines


@dataclass(frozen=True)
class ImageList:
    """The N images of Imagelist.txt, whose order is that of everything else; an id can be there twice."""

    path: Path
    files: list[str]
    ids: list[str]

    def table(self, columns: int, columns_of: str | None = None) -> Shape:
        """The shape of a table with a row an image."""
        return Shape(len(self.files), self.path.name, columns, columns_of)


def read_image_list(path: Path) -> ImageList:
    r"""The images of a list whose lines are like ``actor\0001_2124494179.jpg``: folder, number, Flickr id.

    ``files`` get forward slashes. Raises `UserError` for any other line.
    """
    files, ids = [], []
    for number, line in enumerate(list_lines(path), 1):
        file = line.replace("\\", "/")
        match = _NAME.fullmatch(file)
        if match is None or match["folder"] in (".", ".."):
            raise UserError(
                f"{path}, line {number}: {line[:60]!r} is not like 'actor\\0001_2124494179.jpg' (folder, number, "
                "Flickr id); get the list again."
            )
        files.append(file)
        ids.append(match["id"])
    if not files:
        raise UserError(f"{path}: lists no image; get the list again.")
    return ImageList(path, files, ids)


def read_labels(copy: Copy, images: ImageList) -> tuple[np.ndarray, list[str], int]:
    """The labels of AllLabels as bool [N, L], their L names, and the number of files there that are of no concept.

    Raises `UserError` for a concept without a file, or with one that is not N lines of 0 or 1.
    """
    concepts = _concepts(copy.find("ConceptsList", "Concepts81.txt"))
    paths = _label_files(copy, concepts)
    folder = paths[0].parent
    others = {path for places in copy.files.values() for path in places if path.parent == folder} - set(paths)
    labels = np.empty((len(images.files), len(concepts)), dtype=bool)
    with progress_bar("reading labels", len(paths)) as advance:
        for column, path in enumerate(paths):
            labels[:, column] = np.concatenate([block[:, 0] for block in read_bits(path, images.table(1))])
            advance(1)
    return labels, concepts, sum(path.name.lower().startswith("labels_") for path in others)


def _concepts(path: Path) -> list[str]:
    concepts = list_lines(path)
    if not concepts:
        raise UserError(f"{path}: lists no concept; get the list again.")
    seen: set[str] = set()
    for number, concept in enumerate(concepts, 1):
        if concept.lower() in seen:
            raise UserError(f"{path}, line {number}: has the concept '{concept}' a second time; get the list again.")
        seen.add(concept.lower())
    return concepts


def _label_files(copy: Copy, concepts: list[str]) -> list[Path]:
    missing = [concept for concept in concepts if not copy.has(f"Labels_{concept}.txt")]
    if len(missing) == len(concepts) and any(copy.has(f"Labels_{concept}_Train.txt") for concept in concepts):
        raise UserError(
            f"root: {copy.root} has TrainTestLabels but not AllLabels, which is needed: TrainTestLabels has another "
            "order of the images, and a broken line in Labels_lake_Train.txt (-1130179), so unpack "
            "Groundtruth/AllLabels of the release there."
        )
    if len(missing) > 1:
        raise UserError(
            f"root: {copy.root} lacks {len(missing)} of the {len(concepts)} files in AllLabels, the first "
            f"Labels_{missing[0]}.txt; unpack Groundtruth/AllLabels of the release there."
        )
    return [copy.find("AllLabels", f"Labels_{concept}.txt") for concept in concepts]
