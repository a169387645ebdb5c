"""Exports of Google Photos (Takeout): a JSON file for each photo beside it, and one for each album in its folder.

Google Photos has no keywords. Tags are the people of a photo, "starred" for a favourite, and the words of its
description with ``words=description`` or ``both``; sets are the albums. The file of a photo is found by its name, that
of an album, which is called otherwise in every language, by what it says.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.folder.beside import MAX_BYTES, STARRED, Beside, folder_of, name_of
from love_thy_neighbors.sources.folder.edited import parts
from love_thy_neighbors.sources.folder.embedded import Embedded
from love_thy_neighbors.sources.folder.takeout.albums import album_names, archived_folders, folder_sets
from love_thy_neighbors.sources.folder.takeout.facts import Photo, album_title, photo, utc_time
from love_thy_neighbors.sources.folder.takeout.names import named_files
from love_thy_neighbors.sources.folder.words import is_automatic

_MAX_UNNAMED_BYTES = 1 << 18  # of a file whose name fits no picture: Google's have some kilobytes
_LONGEST_SUFFIX = 5


@dataclass
class _Export:
    """What the JSON files say, by path: photos, and titles of albums. ``of`` has the file of each picture."""

    photos: dict[str, Photo] = field(default_factory=dict)
    albums: dict[str, str] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)


def read_takeout(beside: Beside) -> None:
    """Add what the exports of Google Photos among the files ``beside`` pictures say."""
    files = [path for path in beside.files if path.casefold().endswith(".json") and path not in beside.used]
    if not files:
        return
    named = named_files(beside.pictures, files)
    export = _read(beside, files, {path for path, is_certain in named.values() if is_certain})
    export.of = {
        picture: path
        for picture, (path, is_certain) in named.items()
        if path in export.photos and (is_certain or _fits(export.photos[path].title, picture))
    }
    _say(beside, export)
    _say_sets(beside, export)
    beside.versions = _other_versions(export)
    beside.used |= export.photos.keys() | export.albums.keys()
    beside.counts["pictures_described_by_google_photos"] += len(export.of)
    beside.counts["google_photos_json_files_of_videos_and_other_files"] += len(
        export.photos.keys() - set(export.of.values())
    )


def _read(beside: Beside, files: Collection[str], certain: Collection[str]) -> _Export:
    """The photos and albums in the ``files``; ``certain`` ones belong to a picture by their name."""
    export, unread = _Export(), []
    with progress_bar("reading JSON", len(files)) as advance:
        for path in files:
            advance(1)
            try:
                value = beside.json(path, MAX_BYTES if path in certain else _MAX_UNNAMED_BYTES)
            except ValueError:
                unread.append(path)
                continue
            if (one := photo(value)) is not None:
                export.photos[path] = one
            elif (title := album_title(value)) is not None:
                export.albums[path] = title
    folders = set(map(folder_of, export.photos))
    for path in unread:
        if path in certain or (folder_of(path) in folders and _is_album(path)):  # others need not be Google's
            beside.cannot_read(path, "JSON file of Google Photos")
    return export


def _is_album(path: str) -> bool:
    """Whether the name is that of an album's file in most European languages."""
    name = unicodedata.normalize("NFD", name_of(path)).encode("ascii", "ignore").lower()
    return name.startswith(b"metad")


def _fits(title: str, picture: str) -> bool:
    """Whether the title of a photo has no suffix, or that of the ``picture``."""
    suffix = parts(title)[2].casefold()
    is_suffix = 1 < len(suffix) <= _LONGEST_SUFFIX + 1 and suffix[1:].isalnum()
    return not is_suffix or suffix == parts(picture)[2].casefold()


def _say(beside: Beside, export: _Export) -> None:
    """Add tags, descriptions and dates of the pictures, and which of them are in the trash."""
    for picture, path in export.of.items():
        one = export.photos[path]
        if one.trashed:
            beside.trashed.add(picture)
        if one.description and not is_automatic(one.description):
            beside.captioned.append(picture)
        keywords = (*one.people, *((STARRED,) if one.starred else ()))
        beside.say(picture, Embedded(keywords=keywords, description=one.description))
        beside.dates[picture] = utc_time(one.moment)


def _say_sets(beside: Beside, export: _Export) -> None:
    """Add the albums: of the folders, and of photos of which an album's folder has only the JSON file."""
    folders = {folder_of(path) for path in [*export.photos, *export.albums]}
    sets = folder_sets(folders, album_names(export.albums), archived_folders(export.photos))
    for picture in beside.pictures:
        if folder_of(picture) in sets:
            beside.sets[picture] = sets[folder_of(picture)]
    known: dict[tuple[str, str], list[str]] = defaultdict(list)
    for picture, path in export.of.items():
        known[_identity(export.photos, path)].append(picture)
    for path in sorted(export.photos.keys() - set(export.of.values())):
        if name := sets[folder_of(path)]:
            for picture in known.get(_identity(export.photos, path), ()):
                beside.say(picture, Embedded(sets=(name,)))


def _other_versions(export: _Export) -> dict[str, str]:
    """Pictures of one title and second, each with the first of them; they may be one photo.

    Google changes the metadata in the files of some photos of albums, so that they are no copies.
    """
    pictures: dict[str, list[str]] = defaultdict(list)
    for picture, path in export.of.items():
        pictures[path].append(picture)
    files: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, one in sorted(export.photos.items()):
        if utc_time(one.moment):
            files[_identity(export.photos, path)].append(path)
    found: dict[str, str] = {}
    for same in files.values():
        # Of a photo and its edited copy, which share a file, the photo has the shorter name.
        first, *others = [min(pictures[path], key=len) for path in same if path in pictures] or [""]
        found |= dict.fromkeys(others, first)
    return found


def _identity(photos: Mapping[str, Photo], path: str) -> tuple[str, str]:
    """What the files of one photo in several folders have in common."""
    return photos[path].title, photos[path].moment
