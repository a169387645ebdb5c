"""MIRFLICKR's labels: one file for each class, with the numbers of its images in MIRFLICKR-25K, from 1."""

from pathlib import Path

from love_thy_neighbors.errors import UserError

CLASSES = (
    *("animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor", "lake", "male", "night"),
    *("people", "plant_life", "portrait", "river", "sea", "sky", "structures", "sunset", "transport", "tree", "water"),
)
STRICT = tuple(
    f"{name}_r1"
    for name in (
        *("baby", "bird", "car", "clouds", "dog", "female", "flower"),
        *("male", "night", "people", "portrait", "river", "sea", "tree"),
    )
)
ANNOTATED = 25_000  # images of MIRFLICKR-25K
_FOLDERS = ("annotations_v080", "mirflickr25k_annotations_v080", "annotations")
_MAX_BYTES = 1 << 20
_CURE = "get this file of the release again."


def find_annotations(root: Path, given: Path | None) -> Path:
    """The folder with the classes' files, ``given`` or below ``root``; raises `UserError` if there is none."""
    folders = [root / name for name in _FOLDERS] if given is None else [given]
    for folder in folders:
        if folder.is_dir():
            return folder
    raise UserError(
        f"annotations: {folders[0]} is not a folder; give the folder of the unpacked mirflickr25k_annotations_v080.zip."
    )


def read_annotations(folder: Path, strict: bool, entries: int) -> tuple[dict[int, list[str]], dict[str, int]]:
    """The labels by entry, and counts; entries without labels are missing. ``strict`` adds the 14 stricter classes.

    Raises `UserError` for a missing class, a line that is not a number, and a number outside 1 to ``entries``.
    """
    labels: dict[int, list[str]] = {}
    counts = {"annotations_named_twice": 0}
    for name in sorted((*CLASSES, *(STRICT if strict else ()))):
        path = folder / f"{name}.txt"
        if not path.is_file():
            raise UserError(
                f"{path} is missing; the release has {len(CLASSES)} classes and {len(STRICT)} stricter ones."
            )
        numbers = _numbers(path, entries)
        for number in set(numbers):
            labels.setdefault(number, []).append(name)
        counts["annotations_named_twice"] += len(numbers) - len(set(numbers))
    return labels, counts


def _numbers(path: Path, entries: int) -> list[int]:
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(f"{path}: is larger than {_MAX_BYTES} bytes; {_CURE}")
    numbers = []
    for place, line in enumerate(path.read_bytes().splitlines(), 1):
        text = line.strip(b" \t\0\xef\xbb\xbf")
        if not text:
            continue
        if not text.isdigit() or len(text) > 7:
            shown = text[:30].decode("ascii", "backslashreplace")
            raise UserError(f"{path}, line {place}: holds {shown!r}, not the number of an image; {_CURE}")
        number = int(text)
        if not 1 <= number <= entries:
            raise UserError(f"{path}, line {place}: names image {number}, but they are 1 to {entries}; {_CURE}")
        numbers.append(number)
    return numbers
