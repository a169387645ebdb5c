"""Copies of a picture in a folder: they become one image, or none if the picture is no photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.folder.embedded import Embedded
from love_thy_neighbors.sources.folder.sidecars import together
from love_thy_neighbors.sources.same_pictures import LISTED, as_list, is_no_photo, same_pictures


@dataclass(frozen=True)
class Picture:
    """A picture: its number in the sorted list, from 1, the paths of all its copies below root, the file to read, its
    metadata, embedded and in sidecars, and the paths of the same photo in other formats (`pairs`)."""

    number: int
    paths: tuple[str, ...]
    file: Path
    metadata: Embedded
    beside: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All paths under which the photo is known."""
        return self.paths + self.beside


@dataclass(frozen=True)
class Copies:
    """What is said about copies: counts for the card, and ``same_pictures.csv`` if there are any."""

    counts: dict[str, int]
    texts: dict[str, str]


def merged(found: Sequence[Picture], share: float) -> tuple[list[Picture], Copies]:
    """Each picture once, with the paths of its copies; otherwise copies could be in two parts of a split.

    A photo has the same file name in several albums. The same picture under many names is no photo: it is left out.
    """
    with progress_bar("looking for copies", 2 * len(found)) as advance:
        groups = same_pictures([picture.file for picture in found], advance)
    kept, copies, out = [], [], []
    for group in groups:
        first = found[group[0]]
        paths = tuple(path for place in group for path in found[place].paths)
        is_out = is_no_photo([path.rpartition("/")[2] for path in paths], len(found), share)
        if len(paths) > 1:
            copies.append([(paths[0], path) for path in paths])
            out.append(is_out)
        if not is_out:
            metadata = together([found[place].metadata for place in group])  # copies may have different sidecars
            beside = tuple(path for place in group for path in found[place].beside)
            kept.append(Picture(first.number, paths, first.file, metadata, beside))
    left_out = sum(len(of_one) for of_one, is_out in zip(copies, out, strict=True) if is_out)
    counts = {
        "same_picture_twice_merged": len(found) - len(kept) - left_out,
        "same_pictures_left_out": left_out,
    }
    return kept, Copies(counts, {LISTED: as_list(copies, out)} if copies else {})
