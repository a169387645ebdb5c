"""The cache of source=flickr, an SQLite file with one row a photo; each row is on the disk before the next call.

``state`` is 'found', 'missing' (never requested again) or 'failed' (requested again by the next run); ``metadata`` is
JSON: owner, tags, sets and groups if found, the reason if failed; ``calls`` is the number of calls to Flickr for this
row, ``fetched`` their time in seconds since 1970.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.plain_json import parse_json
from love_thy_neighbors.sources.flickr.photo_tables import Photo

FOUND, MISSING, FAILED = "found", "missing", "failed"
MEGABYTE = 1_000_000
_MAGIC = b"SQLite format 3\0"
_APPLICATION = 0x4C544E46  # "LTNF": marks an SQLite file as such a cache
_FORMAT = 1
_MAX_ROW_BYTES = 16 * MEGABYTE
_DAMAGED = (sqlite3.Error, UnicodeDecodeError)  # raised by a damaged file
_MOST_CALLS = 100  # for one photo
_SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE photos (
        id TEXT PRIMARY KEY, state TEXT NOT NULL, metadata TEXT NOT NULL, calls INTEGER NOT NULL, fetched REAL NOT NULL
    ) WITHOUT ROWID;
    PRAGMA application_id = {_APPLICATION};
    PRAGMA user_version = {_FORMAT};
    COMMIT;
"""


def is_cache(path: Path) -> bool:
    """Whether ``path`` begins like an SQLite file; raises `UserError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); give a readable file.") from None


def stream_cached(path: Path, advance: Callable[[int], None]) -> Iterator[Photo]:
    """The photos that were found, by id; ``advance`` is called with the megabytes read. Raises `UserError`."""
    with closing(FlickrCache(path)) as cache:
        yield from cache.photos(advance)


class FlickrCache:
    """An open cache file; every method raises `UserError` if the file is damaged or something else."""

    def __init__(self, path: Path, create: bool = False) -> None:
        """Open ``path``; with ``create`` a missing or empty file becomes a new cache."""
        self.path = path
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()  # with the permissions of the umask; SQLite's own are narrower
            mode = "rwc" if create else "rw"  # not "ro": SQLite must be able to roll back what a killed process left
            self._rows = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
        except (sqlite3.Error, OSError) as error:
            raise UserError(f"{path}: cannot be opened ({error}); give another file.") from None
        try:
            self._prepare(create)
        except _DAMAGED as error:
            self.close()
            raise self._damaged(error) from None
        except UserError:
            self.close()
            raise

    def _prepare(self, create: bool) -> None:
        self._rows.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW_BYTES)
        self._rows.execute("PRAGMA trusted_schema = OFF")  # run nothing from the file
        schema = "SELECT type, name FROM sqlite_master"
        if create and not self._rows.execute(schema).fetchall():
            self._rows.executescript(_SCHEMA)
        marks = [self._rows.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if marks != [_APPLICATION, _FORMAT] or self._rows.execute(schema).fetchall() != [("table", "photos")]:
            raise UserError(
                f"{self.path}: is an SQLite file, but not a cache that source=flickr wrote; give another file."
            )

    def close(self) -> None:
        self._rows.close()

    def states(self) -> dict[str, str]:
        """The state of each photo, by id."""
        return dict(self._select("id, state"))

    def recent_calls(self, since: float) -> list[float]:
        """The times of calls after ``since``, in seconds since 1970, one for each call."""
        rows = self._select("fetched, calls", "WHERE fetched > ?", since)
        return [when for when, calls in rows if isinstance(when, float) for _ in range(min(int(calls), _MOST_CALLS))]

    def photos(self, advance: Callable[[int], None]) -> Iterator[Photo]:
        """The photos that were found, by id; ``advance`` is called with the megabytes read."""
        read = 0
        for id_, text in self._select("id, metadata", f"WHERE state = '{FOUND}' ORDER BY id"):
            advance((read + len(text)) // MEGABYTE - read // MEGABYTE)
            read += len(text)
            yield self._photo(id_, text)

    def photo(self, id_: str) -> Photo | None:
        """The photo ``id_``, or None if it was not found."""
        row = next(self._select("id, metadata", f"WHERE id = ? AND state = '{FOUND}'", id_), None)
        return None if row is None else self._photo(*row)

    def _photo(self, id_: Any, text: Any) -> Photo:
        try:
            return _photo(id_, parse_json(text))
        except (ValueError, TypeError, LookupError):
            raise self._damaged(f"the row of photo {str(id_)[:20]!r} is not valid") from None

    def store(self, id_: str, state: str, metadata: dict[str, Any], calls: int) -> None:
        """Write a photo; it is on the disk when this returns."""
        row = (id_, state, json.dumps(metadata, ensure_ascii=False), calls, time.time())
        try:
            with self._rows:
                self._rows.execute("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: cannot be written ({error}); make room, or give another cache=.") from None

    def _select(self, columns: str, rest: str = "", *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._rows.execute(f"SELECT {columns} FROM photos {rest}", values)
        except _DAMAGED as error:
            raise self._damaged(error) from None

    def _damaged(self, reason: object) -> UserError:
        shown = "".join(letter if letter.isprintable() else "?" for letter in str(reason)[:100])
        return UserError(f"{self.path}: is not a sound cache of source=flickr ({shown}); give another cache=.")


def _photo(id_: Any, value: Any) -> Photo:
    """The photo of a row; raises `TypeError` if the row has anything else."""
    owner, lists = value["owner"], [value[key] for key in ("tags", "sets", "groups")]
    texts = [text for texts in lists for text in texts]
    if not all(isinstance(text, str) and text for text in [id_, *texts, *([] if owner is None else [owner])]):
        raise TypeError
    if not all(isinstance(texts, list) for texts in lists):
        raise TypeError
    tags, sets, groups = (tuple(dict.fromkeys(texts)) for texts in lists)
    return Photo(id_, owner, tags, sets, groups)
