"""The tags of MIRFLICKR's images."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from love_thy_neighbors.sources.rejects import RowError
from love_thy_neighbors.sources.tables import encoded, frequent

COMMON = 20  # a common tag has so many images or more
PUBLISHED_COMMON = 1386  # common tags of MIRFLICKR-25K (Huiskes, Lew, 2008)
_MAX_BYTES = 1 << 20


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


def with_common_tags(table: pa.Table) -> pa.Table:
    """The table with only those tags that `COMMON` images or more have."""
    if "tags" not in table.column_names:
        return table
    _, codes, values = encoded(table["tags"])
    common = int((np.bincount(codes, minlength=len(values)) >= COMMON).sum())
    return table.set_column(table.column_names.index("tags"), "tags", frequent(table["tags"], common))
