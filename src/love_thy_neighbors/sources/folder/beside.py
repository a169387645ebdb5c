"""What services and programs write beside pictures, in files of their own: the state that their readers fill.

The readers are `takeout` (Google), `flickr_export` and `picasa`; `services` calls them.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from love_thy_neighbors.plain_json import parse_json
from love_thy_neighbors.sources.folder import fields
from love_thy_neighbors.sources.folder.embedded import Embedded
from love_thy_neighbors.sources.folder.sidecars import together
from love_thy_neighbors.sources.not_taken import NotTaken

MAX_BYTES = 4 << 20  # of a file about one photo or folder; Flickr's have all comments on it
STARRED = "starred"  # the tag for Picasa's stars and Google's favourites


@dataclass
class Beside:
    """The files beside ``pictures`` and what they say; all paths are below ``root``, with forward slashes.

    ``said`` has the metadata of a picture, and ``dates`` the date for a picture that has none of its own. ``sets`` has
    the set that takes the place of a picture's folder, '' for none. ``edits`` leads from an edited copy to its
    original, ``versions`` from a picture to another one that shows the same photo if their pixels are equal.
    ``trashed`` are pictures that their owner has thrown away, ``captioned`` those with a description in Google Photos,
    ``used`` the files that say something.
    """

    root: Path
    pictures: Sequence[str]
    files: Sequence[str]
    not_taken: NotTaken = field(default_factory=NotTaken)
    said: dict[str, list[Embedded]] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    edits: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    trashed: set[str] = field(default_factory=set)
    captioned: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, int]:
        """Counts for the card; those that are 0 are left out."""
        return {name: count for name, count in sorted(self.counts.items()) if count}

    def note(self, what: str, reason: str, path: str, count: int = 1) -> None:
        """Note ``what`` about the file ``path`` is not taken, and the reason."""
        self.not_taken.add(what, reason, path.encode("utf-8", "backslashreplace").decode(), count)  # not all are UTF-8

    def cannot_read(self, path: str, what: str) -> None:
        """Note that the file ``path``, a ``what``, should say something and cannot be read."""
        self.used.add(path)
        self.note(what, "damaged or too large", path)

    def note_captions(self) -> None:
        """Note that no words are taken from descriptions. Google Photos has no titles, from which they are taken."""
        for path in self.captioned:
            self.note("description in Google Photos", "words=both makes tags of its words", path)

    def say(self, path: str, metadata: Embedded) -> None:
        """Note ``metadata`` of the picture ``path``."""
        self.said.setdefault(path, []).append(metadata)

    def with_said(self, path: str, metadata: Embedded) -> Embedded:
        """``metadata`` of the picture ``path`` with that of services, whose texts come first."""
        found = together([*self.said[path], metadata]) if path in self.said else metadata
        return replace(found, taken=found.taken or self.dates.get(path, ""))

    def set_of(self, path: str) -> str:
        """The set in which the picture lies: its folder, unless a service says what the folder is; '' for none."""
        found = self.sets.get(path)
        return unicodedata.normalize("NFC", folder_of(path)) if found is None else found

    def read(self, path: str, most_bytes: int = MAX_BYTES) -> bytes:
        """The content of a file; raises `ValueError` if it cannot be read or has over ``most_bytes``."""
        file = self.root / path
        try:
            if (size := file.stat().st_size) > most_bytes:
                raise ValueError(f"it has {size:,} bytes, more than {most_bytes:,}")
            return file.read_bytes()
        except OSError as error:
            raise ValueError(f"it cannot be opened ({error.strerror})") from None

    def json(self, path: str, most_bytes: int = MAX_BYTES) -> Any:
        """The value in a JSON file; raises `ValueError` if it cannot be read or has over ``most_bytes``."""
        return parse_json(self.read(path, most_bytes))


def folder_of(path: str) -> str:
    """The folder in which a file lies, '' for root."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    """The last part of a path."""
    return path.rpartition("/")[2]


def clean(text: Any) -> str:
    """A text of a file in NFC, without control characters and extra white space; '' for what is no text."""
    return fields.clean(text) if isinstance(text, str) else ""


def distinct(titles: Mapping[str, str]) -> dict[str, str]:
    """A name for each id: its title, with the id if another id has the same title; the id if there is no title.

    >>> distinct({"1": "Rome", "2": "Home", "3": "Home", "4": ""})
    {'1': 'Rome', '2': 'Home (2)', '3': 'Home (3)', '4': '4'}
    """
    often = Counter(titles.values())
    return {
        id_: (title if often[title] == 1 else f"{title} ({id_})") if title else id_ for id_, title in titles.items()
    }
