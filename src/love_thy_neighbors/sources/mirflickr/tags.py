"""The tags of MIRFLICKR's images, and those that many images have."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.mirflickr.files import Tags
from love_thy_neighbors.sources.rejects import RowError
from love_thy_neighbors.sources.tables import encoded, frequent

COMMON = 20  # images of a common tag, at least
PUBLISHED_COMMON = 1386  # common tags of MIRFLICKR-25K (Huiskes, Lew, 2008)
_MAX_BYTES = 1 << 20


def read_tags(path: Path) -> tuple[tuple[str, ...], bool]:
    """The tags in a file, one a line, in lower case and each once; and whether some are not UTF-8, which are read as
    Latin-1. Raises `RowError`."""
    try:
        content = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else None
    except OSError as error:
        raise RowError(f"has no tag file {path.name} that can be read ({error.strerror})") from None
    if content is None:
        raise RowError(f"has a tag file {path.name} of more than {_MAX_BYTES} bytes")
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
    """The table with the tags that `COMMON` images or more have, and no others."""
    if "tags" not in table.column_names:
        return table
    _, codes, values = encoded(table["tags"])
    common = int((np.bincount(codes, minlength=len(values)) >= COMMON).sum())
    return table.set_column(table.column_names.index("tags"), "tags", frequent(table["tags"], common))


def compare_common_tags(tags: Tags, table: pa.Table) -> dict[str, int]:
    """How many tags ``doc/common_tags.txt`` of MIRFLICKR-25K lists, and of how many it counts other images than were
    found. Nothing where that file is not there; raises `UserError` for a line that is no tag and a number."""
    path = tags.folder.parents[1] / "doc" / "common_tags.txt"
    if tags.million or not path.is_file() or "tags" not in table.column_names:
        return {}
    _, codes, values = encoded(table["tags"])
    images = dict(zip(values.to_pylist(), np.bincount(codes, minlength=len(values)).tolist(), strict=True))
    listed = other = 0
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or not fields[1].isdecimal():
            raise UserError(f"{path}, line {number}: is not a tag and a number; get this file of the release again.")
        listed += 1
        other += images.get(fields[0].lower(), 0) != int(fields[1])
    return {"common_tags_listed": listed, "common_tags_with_another_count": other}
