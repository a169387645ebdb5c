"""The files of a folder of photos: which are pictures."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.folder import picasa

SUFFIXES = frozenset({"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"})  # of images.FORMATS
# Files and folders of macOS, Windows and network drives; names that begin with a dot are left out, too.
_SYSTEM = frozenset(
    {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "thumbs.db", "desktop.ini"}
)
_NAMED_SUFFIXES = 12  # the most frequent suffixes of other files are counted one by one


def find_pictures(root: Path, skip_unreadable: bool) -> tuple[list[str], list[str], dict[str, int]]:
    """The pictures below ``root`` by suffix, files in which services write about them, both as sorted paths with
    forward slashes, and counts of other files by kind.

    A link to a picture within ``root`` is a copy of it; such links stand last, unless they are the only way to the
    picture (git-annex keeps all files in a hidden folder). Links to folders are not followed: they would show the same
    albums again, or lead in a circle. Raises `UserError` for a folder that cannot be read, unless ``skip_unreadable``.
    """
    pictures, beside, links = [], [], []
    counts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for entry in _entries(root / folder, skip_unreadable, counts):
            path, suffix = f"{folder}{entry.name}", _suffix(entry.name)
            if entry.name.casefold() in picasa.NAMES and entry.is_file(follow_symlinks=False):
                beside.append(path)
            elif entry.name.startswith(".") or entry.name.casefold() in _SYSTEM:
                what = "folders" if entry.is_dir(follow_symlinks=False) else "files"
                counts[f"hidden_or_system_{what}_left_out"] += 1
            elif entry.is_symlink():
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(f"{path}/")
            elif not entry.is_file(follow_symlinks=False):  # a pipe, a device
                counts["other_files_left_out"] += 1
            elif suffix in SUFFIXES:
                pictures.append(path)
            elif suffix == "json":
                beside.append(path)
            else:
                others[suffix] += 1
    only_linked, copies = _linked_pictures(root, sorted(links), pictures, counts)
    counts["other_files_left_out"] += others.pop("", 0)
    counts["xmp_sidecars"] = others.pop("xmp", 0)
    counts["aae_files_with_apples_edits_left_out"] = others.pop("aae", 0)
    for place, (suffix, count) in enumerate(others.most_common()):
        counts[f"{suffix if place < _NAMED_SUFFIXES else 'other'}_files_left_out"] += count
    found = {name: count for name, count in sorted(counts.items()) if count}
    return sorted(pictures + only_linked) + copies, sorted(beside), found


def _entries(folder: Path, skip_unreadable: bool, counts: Counter[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        if not skip_unreadable:
            raise UserError(
                f"root: the folder {folder} cannot be read ({error.strerror}); correct it, or leave such folders out "
                "with on_error=skip."
            ) from None
        counts["folders_not_readable_left_out"] += 1
        return []


def _suffix(name: str) -> str:
    """The suffix of a file's name in lower case; empty if the name has none."""
    found = re.fullmatch(r".*\.([a-z0-9]{1,8})", name.casefold(), re.DOTALL)
    return found[1] if found else ""


def _linked_pictures(
    root: Path, links: Sequence[str], pictures: Sequence[str], counts: Counter[str]
) -> tuple[list[str], list[str]]:
    """The ``links`` to pictures within ``root``: one for each picture that is not among ``pictures``, and the rest."""
    inside = root.resolve()
    known = {inside / picture for picture in pictures}
    found, copies = [], []
    for link in links:
        try:
            target = (root / link).resolve(strict=True)
        except (OSError, RuntimeError):  # broken, or a loop
            counts["broken_links_left_out"] += 1
            continue
        if not target.is_relative_to(inside):
            counts["links_out_of_root_left_out"] += 1
        elif _suffix(link) not in SUFFIXES or not target.is_file():
            counts["links_within_root_left_out"] += 1
        elif target in known:
            copies.append(link)
        else:
            known.add(target)
            found.append(link)
    return found, copies
