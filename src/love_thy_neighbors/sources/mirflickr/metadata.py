"""Albums and groups of MIRFLICKR's photos, in JSON: the extension "MIRFLICKR-1M s16a" and whatever is like it.

Its page says that there is a file a photo, named like the photo, in folders of 10,000 (``0/11.json``), and that photos
have an "album allocation" and a "group allocation"; how these are written could not be seen. So albums are taken from
the keys in `_SETS` and groups from those in `_GROUPS`, of the photo or of an object "photo" or "contexts" in it. Each
is an id, an object with an "id" or "nsid", or a list of these, perhaps the one entry of an object: Flickr's API answers
like that. If no photo has such a key, that is an error, which lists the keys that there are.

One file is read too: such an object a line, or one list of them, each with a "file" ("im12.jpg", "11.jpg"), or one
object that has them by these names. Names with "im" count from 1, as MIRFLICKR-25K does, others from 0.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.flickr.photo import Photo
from love_thy_neighbors.sources.jsonl_lines import raw_lines

_SETS = ("sets", "set", "albums", "album", "photosets", "photoset")
_GROUPS = ("groups", "group", "pools", "pool")
_WRAPPERS = ("photo", "contexts")
_MAX_PHOTO_BYTES = 16 << 20
_MAX_FILE_BYTES = 256 << 20  # of a file that is one JSON value, which is held whole
_SHOWN = 20  # keys that an error lists
_DEEPEST = 4  # {"photosets": {"photoset": [{"id": "1"}]}}
_CURE = "correct it, or leave metadata= out."


class _FaultError(Exception):
    """Why the JSON of a photo cannot be used."""


@dataclass
class PhotoContexts:
    """Owner, albums and groups of photos by entry: read already (``photos``), or still in ``files``."""

    path: Path
    photos: dict[int, Photo] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)  # that photos have, the first few
    known: bool = False  # whether one of them is for albums or groups
    used: int = 0

    def photo(self, entry: int) -> Photo | None:
        """What is known of an entry, without its id and tags; raises `UserError`."""
        found = self.photos.get(entry)
        if entry in self.files:
            place = self.files[entry]
            if Path(place).stat().st_size > _MAX_PHOTO_BYTES:
                raise UserError(f"{place}: is larger than {_MAX_PHOTO_BYTES} bytes; {_CURE}")
            found = self.understood(place, _json(place, Path(place).read_bytes()))
        self.used += found is not None
        return found

    def understood(self, place: str, value: Any) -> Photo:
        """The photo that ``value`` describes; raises `UserError` with its ``place``."""
        try:
            if not isinstance(value, dict):
                raise _FaultError("holds no object")
            sets, groups = _gathered(value, _SETS), _gathered(value, _GROUPS)
            owner = _owner(value)
        except _FaultError as fault:
            raise UserError(f"{place}: {fault}; {_CURE}") from None
        self.known = self.known or sets is not None or groups is not None
        if len(self.keys) < _SHOWN:
            self.keys |= dict.fromkeys(value)
        return Photo("", owner=owner, sets=sets or (), groups=groups or ())

    def check(self) -> dict[str, int]:
        """Counts, once all entries were asked for. Raises `UserError` if no photo had albums or groups by a known
        key."""
        if not self.known:
            there = ", ".join(sorted(map(repr, self.keys))[:_SHOWN]) or "nothing"
            raise UserError(
                f"metadata: no photo in {self.path} has a key for albums ({', '.join(_SETS)}) or for groups "
                f"({', '.join(_GROUPS)}), but {there}; rename what is meant."
            )
        return {"metadata_of_no_image": len(self.photos) + len(self.files) - self.used}


def open_contexts(path: Path) -> PhotoContexts:
    """What the folder or file ``path`` says; the files of a folder are read when they are asked for. Raises
    `UserError`."""
    contexts = PhotoContexts(path)
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                if name.endswith(".json") and (entry := _entry(name)) is not None:
                    contexts.files[entry] = f"{folder}/{name}"
        if not contexts.files:
            raise UserError(f"metadata: {path} holds no file like 0/11.json or im12.json; give the unpacked folder.")
        return contexts
    if not path.is_file():
        raise UserError(f"metadata: {path} does not exist; give a folder of JSON files, or a file of JSON.")
    for place, name, value in _photos(path):
        entry = _entry(name) if isinstance(name, str) else None
        if entry is None:
            raise UserError(f"{place}: names no image like im12.jpg or 11.jpg as its 'file'; {_CURE}")
        if entry in contexts.photos:
            raise UserError(f"{place}: names {name}, which was there already; {_CURE}")
        contexts.photos[entry] = contexts.understood(place, value)
    return contexts


def _entry(name: str) -> int | None:
    """The entry whose file is called ``name``; the number's leading zeros do not count."""
    match = re.fullmatch(r"(im)?([0-9]{1,7})(\.jpg|\.json)?", name.rpartition("/")[2])
    return None if match is None else int(match[2]) + (match[1] is None)


def _photos(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """For each photo of a file where it stands, the name of its image, and its JSON."""
    _, first = next(raw_lines(path, _MAX_PHOTO_BYTES), (0, b""))
    try:
        lines = isinstance(value := json.loads(first or b""), dict) and "file" in value
    except (ValueError, RecursionError):
        lines = False
    if lines:
        for number, line in raw_lines(path, _MAX_PHOTO_BYTES):
            place = f"{path}, line {number}"
            if line is None:
                raise UserError(f"{place}: is longer than {_MAX_PHOTO_BYTES} bytes; {_CURE}")
            value = _json(place, line)
            yield place, value.get("file") if isinstance(value, dict) else None, value
        return
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise UserError(f"{path}: is larger than {_MAX_FILE_BYTES} bytes; write one photo a line, or a file a photo.")
    whole = _json(str(path), path.read_bytes())
    if isinstance(whole, dict):
        yield from ((f"{path}, {name[:60]!r}", name, value) for name, value in whole.items())
    elif isinstance(whole, list):
        for number, value in enumerate(whole, 1):
            yield f"{path}, entry {number}", value.get("file") if isinstance(value, dict) else None, value
    else:
        raise UserError(f"{path}: holds neither an object nor a list; {_CURE}")


def _json(place: str, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{place}: is not UTF-8 (byte {error.start + 1}); {_CURE}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: is not valid JSON ({str(error).split(';')[0]}); {_CURE}") from None


def _gathered(photo: dict[str, Any], keys: tuple[str, ...]) -> tuple[str, ...] | None:
    """The ids under any of ``keys``, each once; None if there is no such key."""
    places = [photo, *(photo[name] for name in _WRAPPERS if isinstance(photo.get(name), dict))]
    values = [place[key] for place in places for key in keys if key in place]
    return tuple(dict.fromkeys(id_ for value in values for id_ in _ids(value))) if values else None


def _ids(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > _DEEPEST:
        raise _FaultError("holds an album or group without an id")
    if isinstance(value, list):
        for entry in value:
            yield from _ids(entry, depth + 1)
    elif isinstance(value, dict) and value.keys() & {"id", "nsid"}:
        yield from _ids(value["id" if "id" in value else "nsid"], depth + 1)
    elif isinstance(value, dict) and len(value) == 1:  # {"photoset": [...]}
        yield from _ids(next(iter(value.values())), depth + 1)
    elif isinstance(value, str) and value.strip() and value.isprintable():
        yield value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif value is not None and value != {} and value != "":
        raise _FaultError("holds an album or group without an id")


def _owner(photo: dict[str, Any]) -> str | None:
    places = [photo, *(photo[name] for name in _WRAPPERS if isinstance(photo.get(name), dict))]
    owner = next((place["owner"] for place in places if place.get("owner")), None)
    if isinstance(owner, dict):
        owner = owner.get("nsid")
    if owner is not None and not (isinstance(owner, str) and owner.isprintable()):
        raise _FaultError("holds an owner that is neither a text nor an object with an nsid")
    return owner
