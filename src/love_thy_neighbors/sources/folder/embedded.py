"""Embedded metadata of a picture: keywords, title, description, artist and date in its EXIF, IPTC and XMP blocks.

Pillow finds the blocks and reads EXIF and IPTC; defusedxml, which refuses entities, reads XMP. A picture can have the
same field in up to four places: keywords of all places are taken; of the other fields the first text in the order XMP,
IPTC, EXIF, Windows' own fields.

JPEG and TIFF have all three blocks, PNG and WebP have EXIF and XMP; Pillow finds none in GIF and BMP. If an XMP block
has several JPEG segments, only the first is read, which has the keywords.
"""

import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.IptcImagePlugin import getiptcinfo
from PIL.TiffImagePlugin import IPTC_NAA_CHUNK, TiffImageFile

from love_thy_neighbors.features.images import with_picture
from love_thy_neighbors.sources.folder.dates import local_time

MAX_BLOCK_BYTES = 4 << 20  # Photoshop's blocks reach a megabyte; a parsed XMP block takes 20 times its size
_IMAGE_DESCRIPTION, _ARTIST = 0x010E, 0x013B
_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS, _XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F
_DATES = (Base.DateTimeOriginal, Base.DateTimeDigitized)  # DateTime is that of the last change
_CHARSET, _TITLE, _KEYWORDS, _BY_LINE, _CAPTION = (1, 90), (2, 5), (2, 25), (2, 80), (2, 120)
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")
_UTF_8 = b"\x1b%G"  # the ISO 2022 code for UTF-8, used by IPTC


@dataclass(frozen=True)
class Embedded:
    """A picture's metadata as clean text; missing fields are empty.

    ``keywords`` can have several spellings of one word. ``taken`` is the local time of the photo, as ISO 8601 has it.
    ``unread`` names the blocks ("exif", "iptc", "xmp") that are damaged or too large.
    """

    keywords: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    artist: str = ""
    taken: str = ""
    unread: tuple[str, ...] = ()


@dataclass
class _Fields:
    """The fields of one block, best first."""

    keywords: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    artists: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)


def read_embedded(path: Path) -> Embedded:
    """The metadata of the picture in ``path``; raises `ImageError` if it cannot be opened.

    Pillow warns of an EXIF block that is damaged in part: the rest of it is used, and "exif" is added to ``unread``.
    Not thread-safe, because Python's warnings belong to the whole process.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = with_picture(path, embedded_metadata)
    in_exif = any(Path(warning.filename).stem == "TiffImagePlugin" for warning in warned)
    return replace(found, unread=("exif", *found.unread)) if in_exif and "exif" not in found.unread else found


def embedded_metadata(image: Image.Image) -> Embedded:
    """The metadata of an opened picture; a damaged block is named in ``unread`` and is not an error.

    A PNG can have its blocks after the pixels, and is then decoded: check its size before. With damaged pixels the
    result is empty.
    """
    if image.format == "PNG" and not {"exif", "xmp"} <= image.info.keys():
        try:
            image.load()
        except Exception:  # the extraction of features reports it
            return Embedded()
    blocks, unread = [], []
    for name, read in _READERS.items():
        try:
            blocks.append(read(image))
        except Exception:  # damaged bytes: Pillow's and the XML parser's errors have no common class
            unread.append(name)
    return _clean_fields(blocks, unread)


def xmp_metadata(packet: bytes) -> Embedded:
    """The metadata of an XMP packet in a file of its own; raises `ValueError` if it is damaged or too large."""
    try:
        _checked_size(packet)
        return _clean_fields([_xmp_fields(packet)], ())
    except Exception as error:  # the XML parser's errors have no common class
        raise ValueError(str(error)) from None


def _clean_fields(blocks: list[_Fields], unread: Iterable[str]) -> Embedded:
    return Embedded(
        keywords=tuple(dict.fromkeys(keyword for block in blocks for keyword in _separated(block.keywords))),
        title=_first(text for block in blocks for text in block.titles),
        description=_first(text for block in blocks for text in block.descriptions),
        artist=_first(text for block in blocks for text in block.artists),
        taken=next((time for block in blocks for text in block.dates if (time := local_time(_clean(text)))), ""),
        unread=tuple(unread),
    )


def _clean(text: str) -> str:
    """``text`` up to a NUL, in NFC, without control characters and extra white space."""
    text = unicodedata.normalize("NFC", text.partition("\0")[0])
    return " ".join(text.translate(_CONTROLS).split())


def _first(texts: Iterable[str]) -> str:
    return next((clean for text in texts if (clean := _clean(text))), "")


def _separated(keywords: list[str]) -> Iterator[str]:
    """A block's keywords as clean text; some programs write all keywords into one, with semicolons or commas."""
    parts = [part for keyword in keywords for part in keyword.split(";")]
    if len(parts) == 1:
        parts = parts[0].split(",")
    return (keyword for part in parts if (keyword := _clean(part)))


def _checked_size(block: Any) -> None:
    if block is not None and len(block) > MAX_BLOCK_BYTES:
        raise ValueError(f"over {MAX_BLOCK_BYTES} bytes")


def _xmp(image: Image.Image) -> _Fields:
    block = image.info.get("xmp")
    if not block:
        return _Fields()
    _checked_size(block)
    return _xmp_fields(block.rstrip(b"\0 ") if isinstance(block, bytes) else block)


def _xmp_fields(packet: bytes | str) -> _Fields:
    elements = list(fromstring(packet).iter())
    paths = _texts(elements, "hierarchicalSubject")  # Lightroom's "Places|Italy|Rome"
    return _Fields(
        keywords=_texts(elements, "subject") + [part for path in paths for part in path.split("|")],
        titles=_texts(elements, "title"),
        descriptions=_texts(elements, "description"),
        artists=["; ".join(_texts(elements, "creator"))],
        dates=_texts(elements, "DateTimeOriginal") + _texts(elements, "DateCreated"),
    )


def _texts(elements: Iterable[Element], name: str) -> list[str]:
    """The texts of an XMP property, which is an attribute, a text, or a list whose default language comes first."""
    found = []
    for element in elements:
        found += [value for key, value in element.items() if _local(key) == name]
        if _local(element.tag) == name:
            items = sorted(element.findall("*/{*}li"), key=lambda item: "x-default" not in item.attrib.values())
            # A value with qualifiers is wrapped in rdf:value.
            found += [item.findtext(".//{*}value") or item.text or "" for item in items or [element]]
    return found


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _iptc(image: Image.Image) -> _Fields:
    if isinstance(image, TiffImageFile):
        _checked_size(image.tag_v2._tagdata.get(IPTC_NAA_CHUNK))  # getiptcinfo reads this; blocks in JPEG are small
    info = getiptcinfo(image)  # type: ignore[arg-type]  # it takes any image, and returns None if there is no block
    if not info:
        return _Fields()
    utf_8 = info.get(_CHARSET) == _UTF_8

    def texts(field: tuple[int, int]) -> list[str]:
        values = info.get(field)
        found = values if isinstance(values, list) else [values]
        return [_decoded(value, utf_8) for value in found if isinstance(value, bytes)]

    return _Fields(texts(_KEYWORDS), texts(_TITLE), texts(_CAPTION), ["; ".join(texts(_BY_LINE))])


def _decoded(value: bytes, utf_8: bool) -> str:
    """The text of an old block: UTF-8 if declared (a character cut at the field's end is dropped) or valid, else
    Windows' western code page."""
    if utf_8:
        return value.decode("utf-8", "ignore")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def _exif(image: Image.Image) -> _Fields:
    block = image.info.get("exif")
    _checked_size(block)
    exif = image.getexif()
    if block and not exif:  # raises for a damaged block, which Pillow ignores when it opens the picture
        Image.Exif().load(block)

    def old(tag: int) -> list[str]:
        """A text that Pillow has decoded as Latin-1."""
        value = exif.get(tag)
        return [_decoded(value.encode("latin-1"), utf_8=False)] if isinstance(value, str) else []

    def windows(tag: int) -> list[str]:
        value = exif.get(tag)
        value = bytes(value) if isinstance(value, tuple) else value
        return [value.decode("utf-16-le", "ignore")] if isinstance(value, bytes) else []

    return _Fields(
        keywords=windows(_XP_KEYWORDS),
        titles=windows(_XP_TITLE),
        descriptions=old(_IMAGE_DESCRIPTION) + windows(_XP_SUBJECT) + windows(_XP_COMMENT),
        artists=old(_ARTIST) + windows(_XP_AUTHOR),
        dates=[value for tag in _DATES if isinstance(value := exif.get_ifd(IFD.Exif).get(tag), str)],
    )


_READERS: dict[str, Callable[[Image.Image], _Fields]] = {"xmp": _xmp, "iptc": _iptc, "exif": _exif}
