"""Which folders of a Google Photos export are albums, and what the albums are called.

An album is a folder with a JSON file that has its title. A photo of an album also lies in the folder of its year,
"Photos from 2019" in the language of the owner, which is no album: it would make neighbours of all photos of a year.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from love_thy_neighbors.sources.folder.beside import folder_of, name_of
from love_thy_neighbors.sources.folder.takeout.facts import Photo

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
# Of English, German, Spanish, Portuguese, Italian and Dutch exports; `year_folders` finds those of other languages.
_OF_YEAR = re.compile(r"(photos from|fotos von|fotos del?|foto da|foto_s van) (19|20)\d\d", re.IGNORECASE)


def album_names(titles: Mapping[str, str]) -> dict[str, str]:
    """The name of the album in each folder, by the folder's own name; ``titles`` are those by path of the JSON file.

    The folder of an album in another part of the export has the same name, and often no JSON file. Albums with one
    title, which lie in folders such as "Home" and "Home(1)", keep their folders' names.
    """
    found: dict[str, str] = {}
    for path, title in titles.items():
        folder = _own_name(folder_of(path))
        found[folder] = found.get(folder) or title
    often = Counter(found.values())
    return {folder: title if title and often[title] == 1 else folder for folder, title in found.items()}


def folder_sets(folders: Collection[str], albums: Mapping[str, str], archived: Collection[str]) -> dict[str, str]:
    """The set that each of the ``folders`` of an export is, '' for none.

    ``albums`` are their names by the name of the folder. Folders without an album's file are albums, too, unless they
    are of a year or all of their photos are ``archived``.
    """
    years = year_folders(folder for folder in folders if _own_name(folder) not in albums)
    found = {}
    for folder in folders:
        name = _own_name(folder)
        is_none = (
            not folder or folder in years or _OF_YEAR.fullmatch(name) or (name not in albums and folder in archived)
        )
        found[folder] = "" if is_none else albums.get(name, unicodedata.normalize("NFC", folder))
    return found


def year_folders(folders: Iterable[str]) -> set[str]:
    """Those of the ``folders`` that differ from another one beside them in nothing but a year in their name."""
    alike: dict[tuple[str, str], set[str]] = defaultdict(set)
    for folder in folders:
        general, years = _YEAR.subn("#", _own_name(folder))
        if years == 1:
            alike[folder_of(folder), general].add(folder)
    return {folder for group in alike.values() if len(group) > 1 for folder in group}


def archived_folders(photos: Mapping[str, Photo]) -> set[str]:
    """The folders all of whose photos are archived, which is how the folder "Archive" is known in every language."""
    count = Counter(folder_of(path) for path in photos)
    archived = Counter(folder_of(path) for path, one in photos.items() if one.archived)
    return {folder for folder in count if count[folder] == archived[folder]}


def _own_name(folder: str) -> str:
    return unicodedata.normalize("NFC", name_of(folder))
