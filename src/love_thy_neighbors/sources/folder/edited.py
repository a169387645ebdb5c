"""Edited copies that services save beside the original: IMG_1.jpg and IMG_1-edited.jpg show one photo.

Google Photos names the copy in the language of its owner. It cuts long names, and then only the beginning of "-edited"
may be left. The words are those that google-photos-takeout-helper has collected from exports. iPhones write IMG_E1234
beside IMG_1234, and osxphotos writes IMG_1234_edited.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from love_thy_neighbors.sources.folder.beside import folder_of, name_of

CUT = 46  # UTF-16 units that Google leaves of a long name
_EDITED = (
    *("-edited", "_edited", "-edytowane", "-bearbeitet", "-bewerkt", "-編集済み", "-编辑", "-已编辑", "-편집됨"),
    *("-modificato", "-modifié", "-ha editado", "-editado", "-editada", "-editat", "-отредактировано", "-düzenlendi"),
    *("-تم التعديل", "-संपादित", "-đã chỉnh sửa", "-แก้ไขแล้ว", "-diedit"),
)
_OF_GOOGLE = ("-effects", "-smile", "-mix")  # words that other people use, too: for exports of Google Photos alone
_WORDS = {
    google: tuple(unicodedata.normalize("NFC", word) for word in _EDITED + _OF_GOOGLE * google)
    for google in (False, True)
}
_SHORTEST = 2  # signs that must be left of a word whose end is cut: "-e"
_PARTS = re.compile(r"(.*?)(\(\d+\))?(\.[^.]*)?", re.DOTALL)
_APPLE = re.compile(r"IMG_E(\d{4,})(\.[^.]*)", re.IGNORECASE)


def parts(name: str) -> tuple[str, str, str]:
    """The stem, number and suffix of a file's name, in NFC; number and suffix may be ''.

    >>> parts("beach(1).jpg"), parts("beach.jpg")
    (('beach', '(1)', '.jpg'), ('beach', '', '.jpg'))
    """
    found = _PARTS.fullmatch(unicodedata.normalize("NFC", name))
    assert found is not None
    return found[1], found[2] or "", found[3] or ""


def units(text: str) -> int:
    """The length of a text as Google counts it: signs beyond 16 bits, such as emoji, count as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def original_names(name: str, google: bool = True) -> list[str]:
    """The names that the original of the picture ``name`` may have, likely ones first; none if it is no edited copy.

    ``google`` is for pictures in an export of Google Photos.

    >>> original_names("IMG_1-bearbeitet(1).jpg"), original_names("IMG_E0007.JPG"), original_names("IMG_1.jpg")
    (['IMG_1(1).jpg'], ['IMG_0007.JPG'], [])
    """
    stem, number, suffix = parts(name)
    return [first + number + suffix for first in _stems(stem, google)] + _apple(name)


def _stems(stem: str, google: bool) -> Iterator[str]:
    """What is left of ``stem`` without a word for edited, whole or, in long names, cut."""
    may_be_cut = units(stem) >= CUT
    if not may_be_cut and not stem.lower().endswith(_WORDS[google]):  # nearly all pictures
        return
    for word in _WORDS[google]:
        for length in range(len(word), (_SHORTEST if may_be_cut else len(word)) - 1, -1):
            if stem[-length:].lower() == word[:length] and len(stem) > length:
                yield stem[:-length]
                break


def _apple(name: str) -> list[str]:
    found = _APPLE.fullmatch(name)
    return [f"IMG_{found[1]}{found[2]}"] if found else []


def edited_copies(pictures: Sequence[str], google: Collection[str]) -> dict[str, str]:
    """The original of each picture that is an edited copy of another one; ``google`` are the pictures that an export of
    Google Photos describes.

    Both lie in one folder; in an export of several parts, perhaps in folders of one name. The copy may have another
    suffix than the original, and either may write its name in other capitals.
    """
    here: dict[tuple[str, str], list[str]] = defaultdict(list)
    elsewhere: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in pictures:
        here[folder_of(path), _stem(path)].append(path)
        if path in google:
            elsewhere[name_of(folder_of(path)), _stem(path)].append(path)
    found = {}
    for path in pictures:
        others = original_names(name_of(path), google=False)
        for original in original_names(name_of(path)):
            beside = here.get((folder_of(path), _stem(original)), ())
            beside = beside or elsewhere.get((name_of(folder_of(path)), _stem(original)), ())
            fitting = [one for one in beside if one in google or original in others]
            if fitting:  # one with the same suffix comes first
                suffix = parts(original)[2].casefold()
                found[path] = min(fitting, key=lambda one: (parts(one)[2].casefold() != suffix, one))
                break
    return found


def _stem(path: str) -> str:
    stem, number, _ = parts(name_of(path))
    return (stem + number).casefold()
