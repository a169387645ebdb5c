"""The files of a folder of photos: which are pictures."""

import fnmatch
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.images import HEIF_SUFFIXES, picture_suffixes
from love_thy_neighbors.features.raw_previews import SUFFIXES as RAW
from love_thy_neighbors.sources.folder import picasa

# Files and folders of macOS, Windows, network drives (Synology, QNAP), FrontPage and Lightroom's previews, in lower
# case; names that begin with a dot are left out, too.
_SYSTEM = (
    *("__macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "thumbs.db", "desktop.ini"),
    *("@eadir", "#recycle", "#snapshot", "synofile_thumb*", "@recycle", "@recently-snapshot", "@__thumb", "@transcode"),
    *("lost+found", "found.[0-9][0-9][0-9]", "_vti_cnf", "_vti_pvt", "*.lrdata"),
)
_IS_SYSTEM = re.compile("|".join(map(fnmatch.translate, _SYSTEM))).match
# Libraries of Apple Photos, iPhoto and Aperture are folders: only originals are photos, the rest is made of them.
_LIBRARY = re.compile(r".*\.(photoslibrary|photolibrary|aplibrary)", re.DOTALL)
_ORIGINALS = ("originals", "masters")
_NAMED_SUFFIXES = 12  # the most frequent suffixes of other files are counted one by one


def find_pictures(
    root: Path, skip_unreadable: bool, exclude: Sequence[str] = ()
) -> tuple[list[str], list[str], dict[str, int]]:
    """The pictures below ``root`` by suffix, files in which services write about them, both as sorted paths with
    forward slashes, and counts of other files by kind.

    A link to a picture within ``root`` is a copy of it; such links stand last, unless they are the only way to the
    picture (git-annex keeps all files in a hidden folder). Links to folders are not followed: they would show the same
    albums again, or lead in a circle. ``exclude`` has patterns of files and folders to leave out, see `_Excluded`.
    Raises `UserError` for a folder that cannot be read, unless ``skip_unreadable``.
    """
    pictures, beside, links, suffixes = [], [], [], picture_suffixes()
    counts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    excluded = _Excluded(exclude)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for entry in _entries(root / folder, skip_unreadable, counts):
            path, suffix = f"{folder}{entry.name}", _suffix(entry.name)
            what = "folders" if entry.is_dir(follow_symlinks=False) else "files"
            if entry.name.casefold() in picasa.NAMES and entry.is_file(follow_symlinks=False):
                if not excluded.has(path):
                    beside.append(path)
            elif entry.name.startswith(".") or _IS_SYSTEM(entry.name.casefold()):
                counts[f"hidden_or_system_{what}_left_out"] += 1
            elif excluded.has(path):
                counts[f"excluded_{what}"] += 1
            elif _is_made_by_a_library(folder, entry.name):
                counts[f"{what}_inside_photo_libraries_left_out"] += 1
            elif entry.is_symlink():
                links.append(path)
            elif what == "folders":
                waiting.append(f"{path}/")
            elif not entry.is_file(follow_symlinks=False):  # a pipe, a device
                counts["other_files_left_out"] += 1
            elif suffix in suffixes:
                pictures.append(path)
            elif suffix == "json":
                beside.append(path)
            else:
                others[suffix] += 1
    only_linked, copies = _linked_pictures(root, sorted(links), pictures, counts)
    counts["exclude_patterns_that_match_nothing"] = len(excluded.unused)
    counts["other_files_left_out"] += others.pop("", 0)
    counts["xmp_sidecars"] = others.pop("xmp", 0)
    counts["aae_files_with_apples_edits_left_out"] = others.pop("aae", 0)
    for place, (suffix, count) in enumerate(others.most_common()):
        counts[f"{suffix if place < _NAMED_SUFFIXES else 'other'}_files_left_out"] += count
    found = {name: count for name, count in sorted(counts.items()) if count}
    return sorted(pictures + only_linked) + copies, sorted(beside), found


def missing_readers(counts: Mapping[str, int]) -> list[str]:
    """Sentences on what would read files that `find_pictures` has counted and left out."""
    kinds = (
        (HEIF_SUFFIXES, "HEIC pictures are left out; pip install -e '.[heif]' lets them be read"),
        (RAW, "RAW pictures are left out; with exiftool (Debian: libimage-exiftool-perl) their previews are read"),
    )
    numbers = [sum(counts.get(f"{suffix}_files_left_out", 0) for suffix in suffixes) for suffixes, _ in kinds]
    return [f"{number:,} {hint}" for number, (_, hint) in zip(numbers, kinds, strict=True) if number]


class _Excluded:
    """Patterns of ``exclude=``: those with a slash are compared with whole paths below root, the others with the names
    of files and folders. ``*`` is any text, also with slashes, ``?`` a character, ``[...]`` one of several. Capitals
    and the form of Unicode do not count. ``unused`` are the patterns that nothing has matched so far."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [(pattern, _folded(pattern).strip("/")) for pattern in patterns]
        self.unused = set(patterns)

    def has(self, path: str) -> bool:
        """Whether the path of a file or folder matches a pattern."""
        whole = _folded(path)
        name = whole.rpartition("/")[2]
        found = [given for given, one in self._patterns if fnmatch.fnmatchcase(whole if "/" in one else name, one)]
        self.unused.difference_update(found)
        return bool(found)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _is_made_by_a_library(folder: str, name: str) -> bool:
    """Whether this lies directly in a library and is not its folder of originals. folder: with / at its end."""
    return _LIBRARY.fullmatch(folder.rstrip("/").casefold()) is not None and name.casefold() not in _ORIGINALS


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
    suffixes = picture_suffixes()
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
        elif _suffix(link) not in suffixes or not target.is_file():
            counts["links_within_root_left_out"] += 1
        elif target in known:
            copies.append(link)
        else:
            known.add(target)
            found.append(link)
    return found, copies
