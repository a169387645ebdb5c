"""What source=flickr has fetched, in an SQLite file: one row a photo, found or missing, each written for good."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.photo import Photo

MAGIC = b"SQLite format 3\0"
MEGABYTE = 1_000_000
_APPLICATION = 0x4C544E46  # "LTNF": says that an SQLite file is one of these
_FORMAT = 1
_MAX_ROW_BYTES = 16 * MEGABYTE
_SCHEMA = f"""
    CREATE TABLE photos (id TEXT PRIMARY KEY, state TEXT NOT NULL, metadata TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = {_APPLICATION};
    PRAGMA user_version = {_FORMAT};
"""


def is_cache(path: Path) -> bool:
    """Whether the file ``path`` begins like an SQLite file."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def open_cache(path: Path, create: bool) -> sqlite3.Connection:
    """The cache ``path``, made if it is not there and ``create`` says so; raises `UserError` if it is something else.

    Nothing in the file is run: views, triggers and functions in its schema are not trusted.
    """
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        cache = sqlite3.connect(f"{path.resolve().as_uri()}?mode={'rwc' if create else 'rw'}", uri=True)
    except sqlite3.Error as error:
        raise UserError(f"{path}: cannot be opened ({error}); give another file.") from None
    try:
        cache.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW_BYTES)
        cache.execute("PRAGMA trusted_schema = OFF")
        empty = not cache.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if create and empty:
            cache.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        _check(path, cache)
    except (sqlite3.Error, UserError) as error:
        cache.close()
        raise error if isinstance(error, UserError) else _damaged(path, error) from None
    return cache


def _check(path: Path, cache: sqlite3.Connection) -> None:
    application = cache.execute("PRAGMA application_id").fetchone()[0]
    version = cache.execute("PRAGMA user_version").fetchone()[0]
    tables = cache.execute("SELECT type, name FROM sqlite_master WHERE type != 'index'").fetchall()
    if application != _APPLICATION or version != _FORMAT or tables != [("table", "photos")]:
        raise UserError(f"{path}: is an SQLite file, but not a cache that source=flickr wrote; give another file.")


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: is not a sound cache of source=flickr ({error}); fetch it again into another file.")


def stream_cached(path: Path, advance: Callable[[int], None]) -> Iterator[Photo]:
    """The photos found, by id (as text); ``advance`` is told of each megabyte read. Raises `UserError`."""
    read = 0
    with closing(open_cache(path, create=False)) as cache:
        try:
            for id_, metadata in cache.execute("SELECT id, metadata FROM photos WHERE state = 'found' ORDER BY id"):
                photo = _photo(id_, json.loads(metadata))
                if photo is None:
                    raise ValueError(f"the row of photo {id_!r} is not what is written there")
                advance((read + len(metadata)) // MEGABYTE - read // MEGABYTE)
                read += len(metadata)
                yield photo
        except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
            raise _damaged(path, error) from None


def _photo(id_: Any, value: Any) -> Photo | None:
    """The photo of a row, or None if the row holds something else."""
    if not isinstance(id_, str) or not isinstance(value, dict):
        return None
    owner = value.get("owner")
    lists = [value.get(key) for key in ("tags", "sets", "groups")]
    if not (owner is None or isinstance(owner, str)) or not all(
        isinstance(texts, list) and all(isinstance(text, str) and text for text in texts) for texts in lists
    ):
        return None
    tags, sets, groups = (tuple(dict.fromkeys(texts)) for texts in lists)  # type: ignore[arg-type]
    return Photo(id_, owner, tags, sets, groups)
