"""The content of a collection's pictures, as hashes: ``pictures.parquet``, one row for each row of images.parquet.

An update knows by these hashes which pictures are new, whatever their names are (`updating`). Beside each hash stand
the file's name, size, times and number on its disk. A file that has them all as before is not read again.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.collection.card import PICTURES, sha256
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.release import Release

SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "sha256": pa.string(),  # null: not known
        "size": pa.int64(),  # bytes
        "modified": pa.int64(),  # of the content, in nanoseconds since 1970; null: see `to_be_kept`
        "changed": pa.int64(),  # of the content or the entry in the folder; programs that set `modified` do not set it
        "inode": pa.uint64(),
    }
)
_THREADS = 4  # hashing needs no lock of Python's, and disks answer several requests at once
_RECENT = 2_000_000_000  # nanoseconds; FAT, the file system of memory cards, has steps of two seconds

Known = Mapping[tuple[Any, ...], str]  # hashes by file, size, modified, changed and inode


def hashed(names: Sequence[str], files: Sequence[Path], known: Known) -> pa.Table:
    """A table of `SCHEMA` for the pictures ``files``, which the collection calls ``names``; reads those that are not
    ``known``. A file that cannot be read has no hash."""
    rows = []
    with ThreadPoolExecutor(_THREADS) as pool, progress_bar("reading pictures", len(files)) as advance:
        for row in pool.map(partial(_row, known), names, files):
            rows.append(row)
            advance(1)
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


def hashes_of(release: Release, partial: Path, earlier: pa.Table | None) -> pa.Table:
    """`hashed` for the pictures of ``release``, with what is known of an earlier collection and of an interrupted try;
    the folder ``partial`` keeps it for the next try."""
    assert release.files is not None
    kept = partial / PICTURES
    names = release.table["file"].to_pylist()
    found = hashed(names, release.files, known_hashes(earlier, read_hashes(kept)))
    with written_whole(kept) as temporary:
        pq.write_table(found, temporary)
    return found


def _row(known: Known, name: str, file: Path) -> tuple[Any, ...]:
    try:
        stamp = _stamp(file)
        return name, known.get((name, *stamp)) or sha256(file), *stamp
    except OSError:
        return name, None, None, None, None, None


def _stamp(file: Path) -> tuple[int, int, int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def to_be_kept(table: pa.Table, files: Sequence[Path]) -> pa.Table:
    """The table without the hashes of files that have changed since they were hashed.

    A file that was changed less than two seconds ago could change once more and show the same time: it loses its
    ``modified``, so that the next update reads it again.
    """
    hashes, modified, limit = table["sha256"].to_pylist(), table["modified"].to_pylist(), time.time_ns() - _RECENT
    stamps = zip(*(table[name].to_pylist() for name in SCHEMA.names[2:]), strict=True)
    for row, (file, before) in enumerate(zip(files, stamps, strict=True)):
        try:
            now: tuple[int, ...] | None = _stamp(file)
        except OSError:
            now = None
        if now != before:
            hashes[row] = None
        elif before[1] > limit:
            modified[row] = None
    for place, values in ((1, hashes), (3, modified)):
        table = table.set_column(place, SCHEMA.field(place), pa.array(values, SCHEMA.field(place).type))
    return table


def known_hashes(*tables: pa.Table | None) -> dict[tuple[Any, ...], str]:
    """The hashes in ``tables`` by what a file must have for them to hold."""
    known = {}
    for table in tables:
        for name, digest, *stamp in (
            zip(*(table[name].to_pylist() for name in SCHEMA.names), strict=True) if table else ()
        ):
            if digest is not None and None not in stamp:
                known[name, *stamp] = digest
    return known


def read_hashes(path: Path) -> pa.Table | None:
    """The table in ``path``; None if there is none, or something else."""
    try:
        table = pq.read_table(path)
        table.validate(full=True)
        return table if table.schema.equals(SCHEMA) and not table["file"].null_count else None
    except (pa.ArrowException, OSError) as error:
        pass_on_refusal(path, error)
        return None
