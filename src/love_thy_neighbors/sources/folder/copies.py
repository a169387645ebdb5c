"""Copies of a picture in a folder, links to it and edited copies: they become one image, or none if the picture is no
photo. Otherwise they could be in two parts of a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from love_thy_neighbors.features.images import ImageError, with_picture
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


def merged(
    pictures: Sequence[Picture], share: float, edits: Mapping[str, str], versions: Mapping[str, str]
) -> tuple[list[Picture], Copies]:
    """Each picture once, with the paths of its copies; ``edits`` leads from edited copies to their originals by path,
    ``versions`` to what is the same photo if the pixels are equal.

    A photo has the same file name in several albums. The same picture under many names is no photo: it is left out.
    Links do not count as names, because someone has made them. Of an edited copy and its original, the original stays.
    """
    found = _with_links(pictures)
    with progress_bar("looking for copies", 2 * len(found)) as advance:
        groups = same_pictures([picture.file for picture in found], advance)
    kept, copies, out, left_out = [], [], [], 0
    for group in groups:
        paths = tuple(path for place in group for path in found[place].paths)
        is_out = is_no_photo([found[place].paths[0].rpartition("/")[2] for place in group], len(found), share)
        if len(paths) > 1:
            copies.append([(paths[0], path) for path in paths])
            out.append(is_out)
        if is_out:
            left_out += len(group)
        else:
            kept.append(_joined([found[place] for place in group]))
    once = _with_edits(kept, {**_same_photos(kept, versions), **edits})
    counts = {
        "same_picture_twice_merged": len(found) - len(kept) - left_out,
        "same_pictures_left_out": left_out,
        "links_merged_with_their_picture": len(pictures) - len(found),
        "edited_and_other_versions_merged": len(kept) - len(once),
    }
    return once, Copies(counts, {LISTED: as_list(copies, out)} if copies else {})


def _joined(pictures: Sequence[Picture]) -> Picture:
    """The first of the ``pictures``, with the paths and the metadata of all, as copies may have different sidecars."""
    paths = tuple(path for one in pictures for path in one.paths)
    beside = tuple(path for one in pictures for path in one.beside)
    return replace(pictures[0], paths=paths, metadata=together([one.metadata for one in pictures]), beside=beside)


def _with_links(pictures: Sequence[Picture]) -> list[Picture]:
    """Each file once; a link leads to the same file."""
    of_file: dict[Path, list[Picture]] = {}
    for one in pictures:
        of_file.setdefault(one.file, []).append(one)
    return [_joined(same) for same in of_file.values()]


def _same_photos(pictures: Sequence[Picture], versions: Mapping[str, str]) -> dict[str, str]:
    """Those of the ``versions`` whose pixels are equal."""
    file_of = {path: one.file for one in pictures for path in one.paths}
    pairs = [(path, other) for path, other in versions.items() if path in file_of and other in file_of]
    pairs = [(path, other) for path, other in pairs if file_of[path] != file_of[other]]  # copies are one already
    same = {}
    with progress_bar("comparing pixels", len(pairs)) as advance:
        for path, other in pairs:
            advance(1)
            if _same_pixels(file_of[path], file_of[other]):
                same[path] = other
    return same


def _same_pixels(first: Path, second: Path) -> bool:
    try:
        of_one, of_other = (
            with_picture(path, lambda image: (image.mode, image.size, image.tobytes())) for path in (first, second)
        )
    except ImageError:  # the extraction of features reports it
        return False
    return of_one == of_other


def _with_edits(pictures: Sequence[Picture], edits: Mapping[str, str]) -> list[Picture]:
    """The ``pictures`` without edited copies, whose paths and metadata go to their original."""
    row_of = {path: row for row, one in enumerate(pictures) for path in one.names}
    leads_to = list(range(len(pictures)))

    def original(row: int) -> int:
        while leads_to[row] != row:
            row = leads_to[row]
        return row

    for copy, of in edits.items():
        if copy in row_of and of in row_of:
            leads_to[original(row_of[copy])] = original(row_of[of])  # a copy of itself, if the edit was undone
    same: dict[int, list[Picture]] = {row: [pictures[row]] for row in leads_to if leads_to[row] == row}
    for row, one in enumerate(pictures):
        if leads_to[row] != row:
            same[original(row)].append(one)
    return [_joined(same[row]) for row in sorted(same)]
