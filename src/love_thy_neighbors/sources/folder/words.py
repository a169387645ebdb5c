"""Tags from embedded metadata: keywords in one spelling, and the words of meaningful titles."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable

# Articles, pronouns, prepositions and conjunctions of eight languages, and words that only mean "photo".
_STOP_WORDS = """
    the and for with from that this are was were has have had its his her our your their you not but who what when where
    which into onto over under near off out about after before between during through than then there here all some
    der die das den dem des ein eine einen einem einer und oder mit von vom zum zur bei auf aus für über unter nach vor
    les des une dans sur avec par pour aux est ces ses son sous vers chez
    gli del della dei delle degli nel nella dal dalla con per tra fra una uno alla sul sulla che
    los las del una unos unas con por para desde hacia entre sobre que
    dos das uma com por para pelo pela nos nas
    het een van der den met voor naar bij uit aan ook
    och att det med från till för som
    photo photos photograph photographs photography foto fotos picture pictures pic pics image images img bild bilder
    jpg jpeg png gif tif tiff untitled
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
# Titles that cameras, phones and programs write by themselves.
_DEFAULTS = frozenset(
    (
        *("olympus digital camera", "sony dsc", "dcim", "konica minolta digital camera", "minolta digital camera"),
        *("kodak digital still camera", "samsung digital camera", "samsung camera pictures", "samsung csc"),
        *("digital camera", "exif_jpeg_picture", "default", "untitled", "no title", "applemark", "created with gimp"),
        *("cof", "dav", "hdr", "hdrpl", "oznor", "oznorco", "rhdr", "sdr"),  # modes of Huawei's cameras
    )
)
# IMG_1234, _MG_0001, DSC00012.JPG, P1010012, PXL_20210101_123456789, 2019-07-04 12.30.00, IMG-20190704-WA0001 (2)
_FILE_NAME = re.compile(
    r"_?(img|imgp|dsc|dscn|dscf|mg|pict|pxl|dji|gopr|sam|cimg|hpim|dcp|kif|mvi|vid|wp|pano|pc?|sdc|sany|scan|image"
    r"|photo|picture|screenshot)?[\W_]*\d[\d\W_]*(wa\d[\d\W_]*)?(jpe?g|png|gif|tiff?|webp|bmp)?",
    re.IGNORECASE,
)


def is_automatic(title: str) -> bool:
    """Whether a title or description is a camera's default, a file name or a number.

    >>> [is_automatic(title) for title in ("OLYMPUS DIGITAL CAMERA", "DSC00012.JPG", "Boeing 747")]
    [True, True, False]
    """
    return title.casefold() in _DEFAULTS or _FILE_NAME.fullmatch(title) is not None


def words(text: str) -> set[str]:
    """The words of a text in lower case, of three letters or more, without `STOP_WORDS`.

    >>> sorted(words("Sunset over the Bay of Naples, 2019"))
    ['bay', 'naples', 'sunset']
    """
    # Marks belong to words: Hindi and Thai write vowels with them.
    letters = (sign if sign.isalpha() or unicodedata.category(sign)[0] == "M" else " " for sign in text.lower())
    return {word for word in "".join(letters).split() if len(word) > 2 and word not in STOP_WORDS}


def whole(keywords: Iterable[str], cut: Iterable[str]) -> tuple[list[str], list[str]]:
    """The ``keywords`` without those of ``cut`` that another one continues, and these.

    >>> whole(["sea", "sea of o", "sea of okhotsk"], ["sea of o"])
    (['sea', 'sea of okhotsk'], ['sea of o'])
    """
    known = list(keywords)
    order = sorted(set(known))  # what continues a text comes right after it
    parts = set()
    for one in cut:
        place = bisect_right(order, one)
        if place < len(order) and order[place].startswith(one):
            parts.add(one)
    return [one for one in known if one not in parts], [one for one in known if one in parts]
