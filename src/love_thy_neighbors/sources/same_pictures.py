"""Pictures with the same content, byte for byte: copies, and what a site sends in place of a photo that it lacks.

A photo that was removed often comes back as a picture that says so. Its copies have nothing to do with their labels and
metadata, and all have the same feature.
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.release import Release

FEWEST = 5  # photos with one picture; fewer may be copies that people have made
LISTED = "same_pictures.csv"


def leave_out_same_pictures(release: Release, share: float) -> None:
    """Count and list the entries of ``release`` whose picture another entry has, too, and leave out what is no photo.

    A picture of 5 or more different ids, and of more than ``share`` of all entries, is no photo: all its entries are
    left out. The list is ``same_pictures.csv`` with the columns picture (a number), id, file, left_out. Raises
    `UserError` if no entry is left.
    """
    files, ids = release.files or [], release.table["id"].to_pylist()
    with progress_bar("looking for copies", 2 * len(files)) as advance:
        groups = [group for group in same_pictures(files, advance) if len({ids[row] for row in group}) > 1]
    if not groups:
        return
    out = [is_no_photo([ids[row] for row in group], len(files), share) for group in groups]
    names = release.table["file"].to_pylist()
    left_out = [row for group, is_out in zip(groups, out, strict=True) if is_out for row in group]
    release.texts[LISTED] = as_list([[(ids[row], names[row]) for row in group] for group in groups], out)
    release.counts["pictures_with_a_copy_under_another_id"] = sum(map(len, groups))
    release.counts["same_pictures_left_out"] = len(left_out)
    if len(left_out) == len(files):
        raise UserError(
            f"{release.rejects.where}: all {len(files)} pictures have copies under {FEWEST} or more ids, the first "
            f"{names[0]}, as if they were not photos; get the pictures again, or keep them with same_picture_share=1."
        )
    release.keep(np.delete(np.arange(len(files)), left_out))


def is_no_photo(names: Sequence[str], entries: int, share: float) -> bool:
    """Whether a picture that has all these ids or file names, a name for each copy, is no photo: 5 or more of them
    differ, and the copies are more than ``share`` of all ``entries``."""
    return len(set(names)) >= FEWEST and len(names) > share * entries


def as_list(pictures: Sequence[Sequence[tuple[str, str]]], out: Sequence[bool]) -> str:
    """``same_pictures.csv``: a line for each copy, ``pictures`` gives the id and file of the copies of each picture."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("picture", "id", "file", "left_out"))
    for number, (copies, is_out) in enumerate(zip(pictures, out, strict=True), 1):
        writer.writerows((number, *copy, str(is_out).lower()) for copy in copies)
    return text.getvalue()


def same_pictures(paths: Sequence[Path], advance: Callable[[int], None]) -> list[list[int]]:
    """Places in ``paths`` of files with the same content, grouped, in the order of their first places; a file without a
    copy is a group of one.

    Only files of equal size are read. A file that cannot be read has no copies. Calls ``advance`` twice for each path.
    """
    groups = [list(range(len(paths)))]
    for key in (_size, _digest):
        parts: dict[Hashable, list[int]] = defaultdict(list)
        for number, group in enumerate(groups):
            for place in group:
                advance(1)
                try:
                    parts[number, key(paths[place]) if len(group) > 1 else 0].append(place)
                except OSError:
                    parts[number, f"unreadable {place}"].append(place)
        groups = list(parts.values())
    return sorted(groups)


def _size(path: Path) -> int:
    return path.stat().st_size


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
