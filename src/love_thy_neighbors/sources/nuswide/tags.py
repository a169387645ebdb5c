"""The tags of NUS-WIDE: all that the photographers gave (All_Tags.txt), or 1,000 of them (AllTags1k.txt).

AllTags81.txt is never read: its tags are the names of the labels.
"""

from array import array
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.jsonl_lines import raw_lines
from love_thy_neighbors.sources.nuswide.files import Copy, ImageList, list_lines
from love_thy_neighbors.sources.nuswide.text_tables import read_bits
from love_thy_neighbors.sources.tables import list_column

_LONGEST = 1_000_000  # bytes of a line: an id and all tags of a photo
_STEP = 10_000  # lines between two moves of the progress bar


@dataclass(frozen=True)
class Tags:
    """The tags of N images: a list column [N], and what was mended on the way."""

    column: pa.Array
    counts: dict[str, int]


def read_all_tags(copy: Copy, images: ImageList) -> Tags:
    """The tags of All_Tags.txt, whose lines hold a Flickr id and then tags, with runs of white space between.

    A tag that is not UTF-8 is read as Latin-1. One that an image has twice counts once, the first.

    Raises `UserError` where the file is not line by line about the images of the list.
    """
    path = copy.find("NUS_WID_Tags", "All_Tags.txt")
    # A number for each tag when it is first asked for: no line's tags live longer than the line.
    codes: defaultdict[bytes, int] = defaultdict()
    codes.default_factory = codes.__len__
    flat, ends = array("i"), array("q", [0])
    blank = 0
    with progress_bar("reading tags", len(images.ids)) as advance:
        for number, raw in raw_lines(path, _LONGEST):
            words = _words(path, number, raw)
            if not words:
                blank = blank or number
                continue
            _check_row(path, number, words[0], images, blank)
            flat.extend([codes[word] for word in words[1:]])
            ends.append(len(flat))
            if number % _STEP == 0:
                advance(_STEP)
        advance(len(images.ids) % _STEP)
    if len(ends) - 1 != len(images.ids):
        raise _another_count(path, len(ends) - 1, images)
    return _as_tags(np.array(ends), np.array(flat), list(codes))


def _words(path: Path, number: int, raw: bytes | None) -> list[bytes]:
    if raw is None:
        raise UserError(f"{path}, line {number}: is longer than {_LONGEST} bytes; get this file of the release again.")
    return raw.split()


def _check_row(path: Path, number: int, photo: bytes, images: ImageList, blank: int) -> None:
    if blank:
        raise UserError(f"{path}, line {blank}: is blank; get this file of the release again.")
    if number > len(images.ids):
        return  # the number of lines is told at the end
    if photo.decode("latin-1") != images.ids[number - 1]:
        raise UserError(
            f"{path}, line {number}: has the id {photo.decode('ascii', 'backslashreplace')[:30]}, but line {number} of "
            f"{images.path.name} has {images.ids[number - 1]}; get both files of the release again."
        )


def _another_count(path: Path, lines: int, images: ImageList) -> UserError:
    return UserError(
        f"{path}: {lines} lines, but {images.path.name} has {len(images.ids)}; get this file of the release again."
    )


def _as_tags(ends: np.ndarray, codes: np.ndarray, words: list[bytes]) -> Tags:
    """``codes`` [n] of ``words`` as a list column; two spellings of one text become one tag."""
    numbers: dict[str, int] = {}
    merged = np.empty(len(words), dtype=np.int64)
    stray = np.zeros(len(words), dtype=bool)
    for code, word in enumerate(words):
        try:
            text = word.decode("utf-8")
        except UnicodeDecodeError:
            text, stray[code] = word.decode("latin-1"), True
        merged[code] = numbers.setdefault(text, len(numbers))
    strays = int(stray[codes].sum())
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    pairs = rows * max(1, len(numbers)) + merged[codes]
    kept = np.sort(np.unique(pairs, return_index=True)[1])  # where each pair is for the first time
    offsets = np.searchsorted(rows[kept], np.arange(len(ends)))
    return Tags(
        list_column(offsets, merged[codes[kept]], list(numbers)),
        {"tags_with_stray_bytes": strays, "tags_named_twice_by_an_image": len(pairs) - len(kept)},
    )


def read_tags_1k(copy: Copy, images: ImageList) -> Tags:
    """The tags of AllTags1k.txt, a column of 0 and 1 for each line of TagList1k.txt."""
    names = copy.find("NUS_WID_Tags", "TagList1k.txt")
    values = list_lines(names)
    path = copy.find("NUS_WID_Tags", "AllTags1k.txt")
    per_image, codes = [np.zeros(1, dtype=np.int64)], [np.zeros(0, dtype=np.int32)]
    with progress_bar("reading tags", len(images.ids)) as advance:
        for block in read_bits(path, images.table(len(values), names.name)):
            per_image.append(block.sum(axis=1))
            codes.append(np.nonzero(block)[1].astype(np.int32))
            advance(len(block))
    return Tags(list_column(np.cumsum(np.concatenate(per_image)), np.concatenate(codes), values), {})
