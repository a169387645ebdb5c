"""The tags of NUS-WIDE: all tags of the photographers (All_Tags.txt), or 1,000 of them (AllTags1k.txt).

AllTags81.txt is never read: its tags are the names of the labels.
"""

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.flickr.photo_tables import Lists
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
    lists = Lists()
    counts = {"tags_with_stray_bytes": 0, "tags_named_twice_by_an_image": 0}
    rows = 0
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
            tags = dict.fromkeys(_text(word, counts) for word in words[1:])
            counts["tags_named_twice_by_an_image"] += len(words) - 1 - len(tags)
            lists.add(rows, tags)
            rows += 1
            if number % _STEP == 0:
                advance(_STEP)
    if rows != len(images.ids):
        raise UserError(f"{path}: {rows} lines, but {images.path.name} has {len(images.ids)}; {_CURE}")
    return lists.column(rows), counts


def _text(word: bytes, counts: dict[str, int]) -> str:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        counts["tags_with_stray_bytes"] += 1
        return word.decode("latin-1")


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
