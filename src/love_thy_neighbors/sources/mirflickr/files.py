"""MIRFLICKR's files: where they are, and what the tag files and the annotations hold. Entry k is image k, from 1.

MIRFLICKR-25K: ``im<k>.jpg`` and ``meta/tags/tags<k>.txt``. MIRFLICKR-1M counts from 0 and has folders of 10,000:
``images/<n // 10000>/<n>.jpg`` and ``tags/<n // 10000>/<n>.txt`` with n = k - 1. Its pictures come in ten archives,
which may be unpacked into one ``images`` or into ``images0`` to ``images9``. Its first 25,000 images are MIRFLICKR-25K
in the same order, so n = 0 is im1: public code assumes this; the files themselves were not compared.

The annotations are one file for each class, with the numbers of its images in MIRFLICKR-25K, from 1.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.rejects import RowError

CLASSES = (
    *("animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor", "lake", "male", "night"),
    *("people", "plant_life", "portrait", "river", "sea", "sky", "structures", "sunset", "transport", "tree", "water"),
)
STRICT = (
    *("baby_r1", "bird_r1", "car_r1", "clouds_r1", "dog_r1", "female_r1", "flower_r1"),
    *("male_r1", "night_r1", "people_r1", "portrait_r1", "river_r1", "sea_r1", "tree_r1"),
)
ANNOTATED = 25_000  # images of MIRFLICKR-25K
FOLDER = 10_000  # images in a folder of MIRFLICKR-1M
_FOLDERS = 100
_BELOW = ("", "mirflickr/", "mirflickr25k/")  # folders that the archive of MIRFLICKR-25K may be unpacked into
_ANNOTATIONS = ("annotations_v080", "mirflickr25k_annotations_v080", "annotations")
_MAX_BYTES = 1 << 20
_CURE = "get this file of the release again."


@dataclass(frozen=True)
class Files:
    """The files of MIRFLICKR-25K, or of MIRFLICKR-1M if ``million``, for the entries 1 to ``entries``.

    ``tags`` is the folder of the tag files. ``pictures`` are the folders of pictures by number, as paths below images=;
    25K has only folder 0.
    """

    tags: Path
    million: bool
    entries: int
    pictures: dict[int, str]

    def name(self, entry: int) -> str:
        """The release's name of an entry: im12, or 11."""
        return str(entry - 1) if self.million else f"im{entry}"

    def tag_file(self, entry: int) -> Path:
        """The tag file of an entry."""
        file = f"{(entry - 1) // FOLDER}/{entry - 1}.txt" if self.million else f"tags{entry}.txt"
        return self.tags / file

    def picture(self, entry: int) -> str | None:
        """The entry's picture, as a path below images=; None if its folder is missing."""
        folder = self.pictures.get((entry - 1) // FOLDER if self.million else 0)
        return None if folder is None else f"{folder}{self.name(entry)}.jpg"


def find_files(root: Path, images: Path | None) -> Files:
    """The tag files below ``root`` and the pictures below ``images``; raises `UserError` if there are none.

    Without ``images`` the folders of pictures are those of the release.
    """
    small = [(root / f"{below}meta/tags", False) for below in _BELOW]
    large = [(root / "tags", True), (root / "meta" / "tags", True)]
    found = [(folder, million, last) for folder, million in small + large if (last := _last(folder, million))]
    if not found:
        raise UserError(
            f"root: {root} has neither meta/tags/tags1.txt (MIRFLICKR-25K) nor tags/0/0.txt (MIRFLICKR-1M); give the "
            "folder that the release was unpacked into."
        )
    if len(found) > 1:
        raise UserError(f"root: {root} has tags in {found[0][0]} and in {found[1][0]}; give a folder with one.")
    tags, million, last = found[0]
    if images is None:
        return Files(tags, million, last, {number: f"{number}/" for number in range(_FOLDERS)} if million else {0: ""})
    pictures = _picture_folders(images, million)
    if not pictures:
        example = "0/0.jpg" if million else "im1.jpg"
        raise UserError(f"images: {images} has no {example}; give the folder of the pictures.")
    return Files(tags, million, last, pictures)


def _last(folder: Path, million: bool) -> int:
    """The last entry with a tag file in ``folder``; 0 if there is none."""
    pattern = r"tags(\d{1,7})\.txt"
    if million:
        folder = max((path for path in folder.glob("*") if path.name.isdigit()), key=_number, default=folder / "0")
        pattern = r"(\d{1,7})\.txt"
    if not folder.is_dir():
        return 0
    matches = (re.fullmatch(pattern, path.name) for path in folder.iterdir())
    return max((int(match[1]) + million for match in matches if match), default=0)


def _number(folder: Path) -> int:
    return int(folder.name)


def _picture_folders(images: Path, million: bool) -> dict[int, str]:
    if not million:
        first = next((below for below in _BELOW if (images / f"{below}im1.jpg").is_file()), None)
        return {} if first is None else {0: first}
    found: dict[int, str] = {}
    for number in range(_FOLDERS):
        archive = f"images{number // 10}/"
        for above in ("", "images/", archive, f"{archive}images/"):
            if (images / f"{above}{number}").is_dir():
                found.setdefault(number, f"{above}{number}/")
    return found


def read_tags(path: Path) -> tuple[tuple[str, ...], bool]:
    """The tags in a file with one tag a line, in lower case and without repeats, and whether some are not UTF-8: those
    are read as Latin-1. Raises `RowError`."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RowError(f"has a tag file {path.name} of more than {_MAX_BYTES} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise RowError(f"has a tag file {path.name} that cannot be read ({error.strerror})") from None
    tags: dict[str, None] = {}
    stray = False
    for line in content.split(b"\n"):
        try:
            tag = line.decode("utf-8-sig")
        except UnicodeDecodeError:
            tag, stray = line.decode("latin-1"), True
        tags[tag.strip(" \t\r\0").lower()] = None
    tags.pop("", None)
    return tuple(tags), stray


def find_annotations(root: Path, given: Path | None) -> Path:
    """The folder with the classes' files, ``given`` or below ``root``; raises `UserError` if there is none."""
    folders = [root / name for name in _ANNOTATIONS] if given is None else [given]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise UserError(
            f"annotations: {folders[0]} is not a folder; give the folder of the unpacked "
            "mirflickr25k_annotations_v080.zip."
        )
    return found


def read_annotations(folder: Path, classes: tuple[str, ...], entries: int) -> tuple[dict[int, list[str]], int]:
    """The labels by entry, and how many lines repeat a number; entries without labels are missing.

    Raises `UserError` for a missing class, a line that is not a number, and a number outside 1 to ``entries``.
    """
    labels: dict[int, list[str]] = {}
    repeats = 0
    for name in sorted(classes):
        numbers = _numbers(folder / f"{name}.txt", entries)
        for number in set(numbers):
            labels.setdefault(number, []).append(name)
        repeats += len(numbers) - len(set(numbers))
    return labels, repeats


def _numbers(path: Path, entries: int) -> list[int]:
    if not path.is_file():
        raise UserError(f"{path} is missing; the release has {len(CLASSES)} classes and {len(STRICT)} stricter ones.")
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(f"{path}: is larger than {_MAX_BYTES} bytes; {_CURE}")
    numbers = []
    for place, line in enumerate(path.read_bytes().splitlines(), 1):
        text = line.strip(b" \t\0\xef\xbb\xbf")
        if not text:
            continue
        if not text.isdigit() or len(text) > 7 or not 1 <= int(text) <= entries:
            shown = text[:30].decode("ascii", "backslashreplace")
            raise UserError(f"{path}, line {place}: holds {shown!r}, not an image number 1 to {entries}; {_CURE}")
        numbers.append(int(text))
    return numbers
