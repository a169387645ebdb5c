"""Which JSON file of a Google Photos export (Takeout) belongs to which picture, by their names.

Google has changed the names over the years, and all of these are of IMG_1(2).jpg:

    IMG_1.jpg(2).json                         until 2024
    IMG_1.jpg.supplemental-metadata(2).json   since then
    IMG_1(2).jpg.supplemental-metadata.json   some exports

What stands before the number and ``.json`` is cut after 46 UTF-16 units, wherever that is: "a long name.jpg.supplem",
"a long name.jp", "a long nam". Names of pictures are cut, too, a unit later. The rules are those that the importers of
ente, immich-go and google-photos-takeout-helper have found in exports of their users.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from love_thy_neighbors.sources.folder.beside import folder_of, name_of
from love_thy_neighbors.sources.folder.edited import CUT, original_names, parts

_ADDED = "supplemental-metadata"
_JSON = ".json"
_OTHER_SUFFIXES = (".jpg", ".jpeg", ".heic", ".png", ".webp", ".dng")  # that the original of an edited copy may have
Key = tuple[str, str]  # what is left of a picture's name, and its number, such as "(2)" or ''
_Place = tuple[str, str, str]  # a folder, and a key in lower case


def json_key(name: str) -> Key:
    """The key of a JSON file: its name without number, ``.json`` and whatever is left of ".supplemental-metadata".

    >>> json_key("IMG_1.jpg.supplemental-me(2).json"), json_key("a long nam.json")
    (('IMG_1.jpg', '(2)'), ('a long nam', ''))
    """
    stem, number, _ = parts(name[: -len(_JSON)] + ".")  # the point keeps the picture's suffix in the stem
    return _without_added(stem), number


def _without_added(text: str) -> str:
    head, point, tail = text.rpartition(".")
    return head if point and _ADDED.startswith(tail) else text


def cut(text: str) -> str:
    """The beginning of a text that Google leaves: 46 UTF-16 units."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * CUT].decode("utf-16-le", "ignore")


def picture_keys(name: str) -> list[Key]:
    """The keys that the JSON file of a picture may have, likely ones first."""
    stem, number, suffix = parts(name)
    whole, apart = stem + suffix, unicodedata.normalize("NFC", name)
    keys = [(whole, number), (_without_added(cut(whole)), number)]
    if number:
        keys += [(apart, ""), (apart, number), (_without_added(cut(apart)), "")]
    return list(dict.fromkeys(keys))


def loose_keys(name: str) -> list[Key]:
    """Keys without the picture's suffix, which Google adds to pictures that were uploaded without one. Another picture
    may have the same ones, such as a.png beside a.jpg."""
    stem, number, _ = parts(name)
    return list(dict.fromkeys([(stem, number), (_without_added(cut(stem)), number), (stem + number, "")]))


def named_files(pictures: Collection[str], files: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """The JSON file to which the path of each picture leads, and whether this is certain.

    It lies in the picture's folder; in an export of several parts, perhaps in the folder of this name of another part.
    An edited copy has none of its own, but that of its original.
    """
    here: dict[_Place, list[str]] = defaultdict(list)
    elsewhere: dict[_Place, list[str]] = defaultdict(list)
    for path in files:
        key, number = json_key(name_of(path))
        here[folder_of(path), key.casefold(), number].append(path)
        elsewhere[name_of(folder_of(path)), key.casefold(), number].append(path)
    found = {picture: one for picture in pictures if (one := _first(here, folder_of(picture), name_of(picture), ()))}
    taken = {path for path, _ in found.values()}
    for picture in pictures:
        if picture not in found:
            one = _first(elsewhere, name_of(folder_of(picture)), name_of(picture), taken)
            found |= {picture: one} if one else {}
    return found


def _first(index: Mapping[_Place, list[str]], place: str, name: str, taken: Collection[str]) -> tuple[str, bool] | None:
    """The best file in ``place`` for the picture ``name`` that is not ``taken``, and whether it is certain."""
    for keys_of, is_certain in ((picture_keys, True), (_original_keys, True), (loose_keys, False)):
        for key, number in keys_of(name):
            files = [path for path in index.get((place, key.casefold(), number), ()) if path not in taken]
            if files:
                exact = [path for path in files if json_key(name_of(path))[0] == key]
                return (exact or files)[0], is_certain
    return None


def _original_keys(name: str) -> list[Key]:
    """The keys of the pictures of which ``name`` may be an edited copy, which may have another suffix."""
    originals = [(stem + number, suffix) for stem, number, suffix in map(parts, original_names(name))]
    names = [stem + suffix for stem, own in originals for suffix in (own, *_OTHER_SUFFIXES)]
    return [key for one in names for key in picture_keys(one)]
