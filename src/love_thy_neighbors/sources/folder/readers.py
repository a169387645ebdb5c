"""Who reads a picture's metadata: our own reader, and ExifTool for what that leaves."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from love_thy_neighbors.features.images import ImageError
from love_thy_neighbors.sources.folder.embedded import Embedded, from_fields, read_embedded
from love_thy_neighbors.sources.folder.exiftool import ExifTool
from love_thy_neighbors.sources.folder.sidecars import together

_BY_PILLOW, _BY_EXIFTOOL = "metadata_read_by_pillow", "metadata_read_by_exiftool"


def read_metadata(file: Path, charset: str | None, tool: ExifTool, counts: Counter[str]) -> Embedded:
    """The metadata of the picture ``file``; ``counts`` says which reader found something.

    Raises `ImageError` if Pillow cannot open it and ExifTool finds nothing.
    """
    try:
        own = read_embedded(file, charset)
    except ImageError:
        blocks = tool.read(file)
        if not blocks:
            raise
        own = Embedded()
    else:
        counts[_BY_PILLOW] += own.says_anything
        blocks = tool.read(file) if own.unread else {}
    if not blocks:
        return own
    counts[_BY_EXIFTOOL] += 1
    left = tuple(name for name in own.unread if name not in blocks)
    return replace(together([own, from_fields(blocks)]), unread=left)
