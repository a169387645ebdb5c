"""The tags of NUS-WIDE: all tags of the photographers (All_Tags.txt), or 1,000 of them (AllTags1k.txt).

AllTags81.txt is never read: its tags are the names of the labels.
"""

from array import array
from collections import defaultdict

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.jsonl_lines import raw_lines
from love_thy_neighbors.sources.nuswide.files import Copy, ImageList, list_lines
from love_thy_neighbors.sources.nuswide.text_tables import read_bits
from love_thy_neighbors.sources.tables import list_column

_LONGEST = 1_000_000  # bytes of a line: an id and all tags of a photo
_STEP = 10_000  # lines between two steps of the progress bar
_CURE = "get this file of the release again."


def read_all_tags(copy: Copy, images: ImageList) -> tuple[pa.Array, dict[str, int]]:
    """The tags of All_Tags.txt as a list column [N], and counts of what was corrected.

    Each line has a Flickr id and then tags, separated by white space. A tag that is not UTF-8 is read as Latin-1. A tag
    that an image has twice counts once.

    Raises `UserError` if the ids of the lines are not those of the image list.
    """
    path = copy.find("NUS_WID_Tags", "All_Tags.txt")
    codes: defaultdict[bytes, int] = defaultdict()  # each new tag gets the next number
    codes.default_factory = codes.__len__
    flat, ends = array("i"), array("q", [0])
    with progress_bar("reading tags", len(images.ids)) as advance:
        for number, raw in raw_lines(path, _LONGEST):
            if raw is None:
                raise UserError(f"{path}, line {number}: is longer than {_LONGEST} bytes; {_CURE}")
            words = raw.split()
            if not words and number > len(images.ids):
                continue
            if not words:
                raise UserError(f"{path}, line {number}: is blank; {_CURE}")
            if number <= len(images.ids) and words[0].decode("latin-1") != images.ids[number - 1]:
                raise UserError(
                    f"{path}, line {number}: has the id {words[0].decode('ascii', 'backslashreplace')[:30]}, but line "
                    f"{number} of {images.path.name} has {images.ids[number - 1]}; get both files of the release again."
                )
            flat.extend([codes[word] for word in words[1:]])
            ends.append(len(flat))
            if number % _STEP == 0:
                advance(_STEP)
    if len(ends) - 1 != len(images.ids):
        raise UserError(f"{path}: {len(ends) - 1} lines, but {images.path.name} has {len(images.ids)}; {_CURE}")
    return _as_tags(np.array(ends), np.array(flat), list(codes))


def _as_tags(ends: np.ndarray, codes: np.ndarray, words: list[bytes]) -> tuple[pa.Array, dict[str, int]]:
    """``codes`` [n] of ``words`` as a list column; two encodings of one text become one tag."""
    numbers: dict[str, int] = {}
    merged = np.empty(len(words), dtype=np.int64)
    stray = np.zeros(len(words), dtype=bool)
    for code, word in enumerate(words):
        try:
            text = word.decode("utf-8")
        except UnicodeDecodeError:
            text, stray[code] = word.decode("latin-1"), True
        merged[code] = numbers.setdefault(text, len(numbers))
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    pairs = rows * max(1, len(numbers)) + merged[codes]
    kept = np.sort(np.unique(pairs, return_index=True)[1])  # the first place of each pair
    column = list_column(np.searchsorted(rows[kept], np.arange(len(ends))), merged[codes[kept]], list(numbers))
    counts = {
        "tags_with_stray_bytes": int(stray[codes].sum()),
        "tags_named_twice_by_an_image": len(pairs) - len(kept),
    }
    return column, counts


def read_tags_1k(copy: Copy, images: ImageList) -> tuple[pa.Array, dict[str, int]]:
    """The tags of AllTags1k.txt as a list column [N].

    The file has a column of 0 and 1 for each line of TagList1k.txt.
    """
    values = list_lines(copy.find("NUS_WID_Tags", "TagList1k.txt"))
    path = copy.find("NUS_WID_Tags", "AllTags1k.txt")
    per_image, codes = [np.zeros(1, dtype=np.int64)], [np.zeros(0, dtype=np.int32)]
    with progress_bar("reading tags", len(images.ids)) as advance:
        for block in read_bits(path, images.table(len(values))):
            per_image.append(block.sum(axis=1))
            codes.append(np.nonzero(block)[1].astype(np.int32))
            advance(len(block))
    return list_column(np.cumsum(np.concatenate(per_image)), np.concatenate(codes), values), {}
