"""What one JSON file of Google Photos says, of a photo or of an album.

    {"title": "IMG_1.jpg", "description": "Our boat", "photoTakenTime": {"timestamp": "1562230800"},
     "people": [{"name": "Ann Lee"}], "favorited": true, "trashed": true, "archived": true}
    {"title": "Rome 2019", "description": "", "access": "protected", "date": {"timestamp": "1562230800"}}

The fields are those that the importers of immich-go, ente and google-photos-takeout-helper read; older exports wrap an
album in "albumData".
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from love_thy_neighbors.sources.folder.beside import clean


@dataclass(frozen=True)
class Photo:
    """A photo; ``moment`` are the seconds since 1970 as text."""

    title: str
    description: str
    people: tuple[str, ...]
    moment: str
    starred: bool
    trashed: bool
    archived: bool


def photo(value: Any) -> Photo | None:
    """The photo that a JSON value describes; None if it describes none."""
    if not isinstance(value, dict) or not isinstance(value.get("title"), str):
        return None
    taken = value.get("photoTakenTime")
    if not isinstance(taken, dict) or not isinstance(moment := taken.get("timestamp"), str | int):
        return None
    people = value.get("people")
    names = [clean(one.get("name")) for one in people if isinstance(one, dict)] if isinstance(people, list) else []
    return Photo(
        title=clean(value["title"]),
        description=clean(value.get("description")),
        people=tuple(dict.fromkeys(filter(None, names))),
        moment=str(moment),
        starred=value.get("favorited") is True,
        trashed=value.get("trashed") is True,
        archived=value.get("archived") is True,
    )


def album_title(value: Any) -> str | None:
    """The title of the album that a JSON value describes, which may be ''; None if it describes none."""
    inner = value.get("albumData", value) if isinstance(value, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("title"), str):
        return None
    date = inner.get("date")
    return clean(inner["title"]) if isinstance(date, dict) and "timestamp" in date else None


def utc_time(moment: str) -> str:
    """Seconds since 1970 as ISO 8601, '' if they are none.

    >>> utc_time("1562230800"), utc_time("0"), utc_time("")
    ('2019-07-04T09:00:00', '', '')
    """
    try:
        return datetime.fromtimestamp(int(moment), UTC).replace(tzinfo=None).isoformat() if int(moment) else ""
    except (ValueError, OverflowError, OSError):
        return ""
