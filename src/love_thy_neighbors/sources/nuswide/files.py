"""The files of NUS-WIDE: where they are in a user's copy, the list of images, and the labels.

Copies differ in the case and the nesting of folders (Groundtruth, GroundTruth, NUS_WID_Tags/NUS_WID_Tags), so a file is
found by its name. If several files have that name, the one in the release's own folder is taken.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.jsonl_lines import raw_lines
from love_thy_neighbors.sources.nuswide.text_tables import Shape, read_bits

_DEPTH = 6  # levels of folders below root that are searched
_SUFFIXES = (".txt", ".dat")
_PICTURES = "flickr"  # the release's folder of pictures; its 704 folders are not searched
_LONGEST = 10_000  # bytes of a line of a list
_CURE = "get the list again."
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
        """The file ``folder/name`` of the release; raises `UserError` if there is none, or two equally good ones."""
        places = sorted(self.files.get(name.lower(), []), key=lambda path: self._distance(path, folder))
        if not places:
            raise UserError(
                f"root: {self.root} has no {folder}/{name} (searched {_DEPTH} levels deep, upper and lower case); "
                "unpack that part of the release there."
            )
        if len(places) > 1 and self._distance(places[0], folder) == self._distance(places[1], folder):
            raise UserError(f"root: {name} exists twice, {places[0]} and {places[1]}; remove one.")
        return places[0]

    def _distance(self, path: Path, folder: str) -> tuple[bool, int]:
        return path.parent.name.lower() != folder.lower(), len(path.parts)


def find_copy(root: Path, pictures: Path | None) -> Copy:
    """The copy of the release in ``root``; the folder ``pictures`` is not searched."""
    if not root.is_dir():
        raise UserError(f"root: {root} is not a folder; give the folder of the unpacked NUS-WIDE.")
    skipped = None if pictures is None else pictures.resolve()
    files: dict[str, list[Path]] = {}
    for folder, folders, names in os.walk(root, onerror=_refuse_folder, followlinks=True):  # _DEPTH ends loops of links
        place = Path(folder)
        below = [] if len(place.relative_to(root).parts) == _DEPTH else folders
        hidden = {name for name in below if name.startswith(".") or name.lower() == _PICTURES}
        folders[:] = [name for name in below if name not in hidden and (place / name).resolve() != skipped]
        for name in names:
            if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                files.setdefault(name.lower(), []).append(place / name)
    return Copy(root, files)


def _refuse_folder(error: OSError) -> None:
    raise UserError(f"root: {error.filename} cannot be read ({error.strerror}); make it readable.")


def list_lines(path: Path) -> list[str]:
    """The lines of a list, stripped, without blank lines at the end.

    Raises `UserError` for another blank line, a line that is not UTF-8 and a line of more than 10,000 bytes.
    """
    lines: list[str] = []
    for number, raw in raw_lines(path, _LONGEST):
        if raw is None:
            raise UserError(f"{path}, line {number}: is longer than {_LONGEST} bytes; {_CURE}")
        try:
            lines.append(raw.decode("utf-8").strip())
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number}: is not UTF-8 (byte {error.start + 1}); {_CURE}") from None
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise UserError(f"{path}, line {lines.index('') + 1}: is blank; {_CURE}")
    return lines


@dataclass(frozen=True)
class ImageList:
    """The N images of Imagelist.txt, in the order of all other files; ids can repeat."""

    path: Path
    files: list[str]
    ids: list[str]

    def table(self, columns: int) -> Shape:
        """The shape of a table with one row an image."""
        return Shape(len(self.files), self.path.name, columns)


def read_image_list(path: Path) -> ImageList:
    r"""The images of a list with lines like ``actor\0001_2124494179.jpg``: folder, number, Flickr id.

    ``files`` have forward slashes. Raises `UserError` for any other line.
    """
    files, ids = [], []
    for number, line in enumerate(list_lines(path), 1):
        file = line.replace("\\", "/")
        match = _NAME.fullmatch(file)
        if match is None or match["folder"] in (".", ".."):
            raise UserError(
                f"{path}, line {number}: {line[:60]!r} is not like 'actor\\0001_2124494179.jpg' (folder, number, "
                f"Flickr id); {_CURE}"
            )
        files.append(file)
        ids.append(match["id"])
    if not files:
        raise UserError(f"{path}: lists no image; {_CURE}")
    return ImageList(path, files, ids)


def read_labels(copy: Copy, images: ImageList) -> tuple[np.ndarray, list[str]]:
    """The labels of AllLabels as bool [N, L], and their L names.

    Raises `UserError` for a concept without a file, and for a file that is not N lines of 0 or 1.
    """
    path = copy.find("ConceptsList", "Concepts81.txt")
    concepts = list_lines(path)
    if not concepts or len({concept.lower() for concept in concepts}) < len(concepts):
        raise UserError(f"{path}: must list concepts, each once; {_CURE}")
    missing = [concept for concept in concepts if not copy.has(f"Labels_{concept}.txt")]
    if missing:
        raise UserError(
            f"root: {copy.root} lacks {len(missing)} of the {len(concepts)} files in AllLabels, the first "
            f"Labels_{missing[0]}.txt; unpack Groundtruth/AllLabels of the release there (TrainTestLabels has the "
            "images in another order)."
        )
    labels = np.empty((len(images.files), len(concepts)), dtype=bool)
    with progress_bar("reading labels", len(concepts)) as advance:
        for column, concept in enumerate(concepts):
            path = copy.find("AllLabels", f"Labels_{concept}.txt")
            labels[:, column] = np.concatenate([block[:, 0] for block in read_bits(path, images.table(1))])
            advance(1)
    return labels, concepts
