"""Where MIRFLICKR keeps its files. Entry k, from 1, is the k-th image of either release.

MIRFLICKR-25K: ``im<k>.jpg`` and ``meta/tags/tags<k>.txt``. MIRFLICKR-1M counts from 0 and has folders of 10,000:
``images/<n // 10000>/<n>.jpg`` and ``tags/<n // 10000>/<n>.txt`` with n = k - 1. Its pictures come in ten archives,
which may be unpacked into one ``images`` or into ``images0`` to ``images9``. Its first 25,000 images are MIRFLICKR-25K
in the same order, so n = 0 is im1: public code assumes this; the files themselves were not compared.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.errors import UserError

FOLDER = 10_000  # images in a folder of MIRFLICKR-1M
_FOLDERS = 100
_BELOW = ("", "mirflickr", "mirflickr25k")  # folders that the archive of MIRFLICKR-25K may be unpacked into


@dataclass(frozen=True)
class Tags:
    """The folder of tag files of MIRFLICKR-25K, or of MIRFLICKR-1M if ``million``; ``entries`` is the last entry."""

    folder: Path
    million: bool
    entries: int

    def file(self, entry: int) -> Path:
        """The tag file of an entry."""
        if not self.million:
            return self.folder / f"tags{entry}.txt"
        return self.folder / str((entry - 1) // FOLDER) / f"{entry - 1}.txt"

    def name(self, entry: int) -> str:
        """The release's name of an entry: im12, or 11."""
        return str(entry - 1) if self.million else f"im{entry}"

    def picture(self, entry: int) -> str:
        """The entry's picture, as a path below the folder of the pictures."""
        return f"{(entry - 1) // FOLDER}/{entry - 1}.jpg" if self.million else f"im{entry}.jpg"


def find_tags(root: Path) -> Tags:
    """The tag files below ``root``. Raises `UserError` if there are none, or two folders of them."""
    small = [root / below / "meta" / "tags" for below in _BELOW]
    large = [root / "tags", root / "meta" / "tags"]
    found = [Tags(folder, False, last) for folder in small if (last := _last(folder, r"tags(\d+)\.txt"))]
    found += [Tags(folder, True, last) for folder in large if (last := _last_of_million(folder))]
    if not found:
        raise UserError(
            f"root: {root} has neither meta/tags/tags1.txt (MIRFLICKR-25K) nor tags/0/0.txt (MIRFLICKR-1M); give the "
            "folder that the release was unpacked into."
        )
    if len(found) > 1:
        raise UserError(f"root: {root} has tags in {found[0].folder} and in {found[1].folder}; give a folder with one.")
    return found[0]


def _last_of_million(folder: Path) -> int:
    folders = [number for number in range(_FOLDERS) if (folder / str(number)).is_dir()]
    return 1 + _last(folder / str(folders[-1]), r"(\d+)\.txt", default=-1) if folders else 0


def _last(folder: Path, pattern: str, default: int = 0) -> int:
    """The highest number of a file in ``folder`` with such a name."""
    if not folder.is_dir():
        return default
    matches = (re.fullmatch(pattern, entry.name) for entry in os.scandir(folder))
    return max((int(match[1]) for match in matches if match and len(match[1]) < 8), default=default)


@dataclass(frozen=True)
class Pictures:
    """Where the pictures lie below ``images``: ``folders[n]`` for those of MIRFLICKR-1M, ``folders[0]`` for 25K."""

    images: Path
    folders: dict[int, str]
    million: bool

    def has_folder(self, entry: int) -> bool:
        """Whether the entry's folder is there."""
        return self._folder(entry) in self.folders

    def file(self, entry: int) -> str:
        """The entry's picture, as a path below ``images=``."""
        name = f"{entry - 1}.jpg" if self.million else f"im{entry}.jpg"
        return f"{self.folders[self._folder(entry)]}{name}"

    def _folder(self, entry: int) -> int:
        return (entry - 1) // FOLDER if self.million else 0


def find_pictures(images: Path, million: bool) -> Pictures:
    """The folders of pictures below ``images``; raises `UserError` if there is none."""
    if million:
        folders = dict(_million_folders(images))
    else:
        found = [below for below in _BELOW if (images / below / "im1.jpg").is_file()]
        folders = {0: f"{found[0]}/".removeprefix("/")} if found else {}
    if not folders:
        example = "0/0.jpg" if million else "im1.jpg"
        raise UserError(f"images: {images} has no {example}; give the folder of the pictures.")
    return Pictures(images, folders, million)


def _million_folders(images: Path) -> Iterator[tuple[int, str]]:
    for number in range(_FOLDERS):
        archive = f"images{number // 10}"
        for above in ("", "images/", f"{archive}/", f"{archive}/images/"):
            if (images / f"{above}{number}").is_dir():
                yield number, f"{above}{number}/"
                break
