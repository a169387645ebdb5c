"""What a picture says about itself: keywords, title, description and artist in its EXIF, IPTC and XMP blocks.

Pillow takes the blocks apart (XMP through defusedxml, which refuses entities). What is decided here is which fields
count, and in which encoding old programs wrote them. The same text stands in up to four places; keywords of all of them
count, of the others the first that says anything, in the order XMP, IPTC, EXIF, Windows' own fields.

Read are JPEG and TIFF (all three blocks), PNG and WebP (EXIF and XMP). Pillow finds neither in GIF and BMP. Of an XMP
block that a JPEG goes on with in further segments, the first segment is read; keywords stand in that one.
"""

import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.IptcImagePlugin import getiptcinfo
from PIL.TiffImagePlugin import IPTC_NAA_CHUNK, TiffImageFile

from love_thy_neighbors.features.images import FORMATS, ImageError

MAX_BLOCK_BYTES = 4 << 20  # Photoshop's histories reach a megabyte; a parsed XMP block takes 20 times its size
_IMAGE_DESCRIPTION, _ARTIST = 0x010E, 0x013B
_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS, _XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F
_CHARSET, _TITLE, _KEYWORDS, _BY_LINE, _CAPTION = (1, 90), (2, 5), (2, 25), (2, 80), (2, 120)
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")
_UTF_8 = b"\x1b%G"  # ISO 2022's announcement of UTF-8, as IPTC has it


@dataclass(frozen=True)
class Embedded:
    """What a picture says about itself, cleaned; empty where it says nothing.

    ``keywords`` may repeat one in several spellings. ``unread`` names the blocks that are there but damaged or too
    large: "exif", "iptc", "xmp".
    """

    keywords: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    artist: str = ""
    unread: tuple[str, ...] = ()


@dataclass
class _Fields:
    """The fields of one block, best first."""

    keywords: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    artists: list[str] = field(default_factory=list)


def read_embedded(path: Path) -> Embedded:
    """What the picture in ``path`` says about itself; raises `ImageError` if it cannot be opened.

    Pillow only warns of an EXIF block that is damaged in part; that counts as unread, and its sound part is used.
    Not for several threads at once: Python's warnings are the process's.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            with Image.open(path, formats=FORMATS) as image:
                found = embedded_metadata(image)
        except Exception as error:  # what Pillow raises on damaged files has no common class
            raise ImageError(f"cannot be opened ({error or type(error).__name__})") from None
    in_exif = any(Path(warning.filename).stem == "TiffImagePlugin" for warning in warned)
    if in_exif and "exif" not in found.unread:
        return replace(found, unread=("exif", *found.unread))
    return found


def embedded_metadata(image: Image.Image) -> Embedded:
    """What an opened picture says about itself; a block that cannot be read is named and never an error.

    A PNG is decoded where its EXIF and XMP blocks are not both before its pixels, to see those behind them: check its
    size before. If its pixels are damaged, it says nothing.
    """
    if image.format == "PNG" and not {"exif", "xmp"} <= image.info.keys():
        try:
            image.load()
        except Exception:  # what is wrong with the pixels is told where features are made
            return Embedded()
    blocks, unread = [], []
    for name, read in _READERS.items():
        try:
            blocks.append(read(image))
        except Exception:  # hostile or damaged bytes: Pillow's and the XML parser's errors have no common class
            unread.append(name)
    return Embedded(
        keywords=tuple(dict.fromkeys(keyword for block in blocks for keyword in _apart(block.keywords))),
        title=_first(text for block in blocks for text in block.titles),
        description=_first(text for block in blocks for text in block.descriptions),
        artist=_first(text for block in blocks for text in block.artists),
        unread=tuple(unread),
    )


def _clean(text: str) -> str:
    """``text`` up to a NUL, composed (NFC), without control characters and superfluous white space."""
    text = unicodedata.normalize("NFC", text.partition("\0")[0])
    return " ".join(text.translate(_CONTROLS).split())


def _first(texts: Iterable[str]) -> str:
    return next((clean for text in texts if (clean := _clean(text))), "")


def _apart(keywords: list[str]) -> Iterator[str]:
    """A block's keywords one by one, cleaned: some programs write all of them into one, with semicolons or commas
    between."""
    parts = [part for keyword in keywords for part in keyword.split(";")]
    if len(parts) == 1:
        parts = parts[0].split(",")
    return (keyword for part in parts if (keyword := _clean(part)))


def _checked_size(block: Any) -> None:
    if block is not None and len(block) > MAX_BLOCK_BYTES:
        raise ValueError(f"over {MAX_BLOCK_BYTES} bytes")


def _xmp(image: Image.Image) -> _Fields:
    _checked_size(image.info.get("xmp"))
    found = _Fields()
    for described in _descriptions(image.getxmp()):
        found.keywords += _texts(described.get("subject"))
        for path in _texts(described.get("hierarchicalSubject")):  # Lightroom's "Places|Italy|Rome"
            found.keywords += path.split("|")
        found.titles += _texts(described.get("title"))
        found.descriptions += _texts(described.get("description"))
        found.artists.append("; ".join(_texts(described.get("creator"))))
    return found


def _descriptions(xmp: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rdf:Description elements of what `Image.getxmp` returns, in the wrapper of the day or without one."""
    for name, root in xmp.items():
        for rdf in [root] if name == "RDF" else _inside(root, "RDF"):
            yield from _inside(rdf, "Description")


def _inside(element: Any, name: str) -> list[dict[str, Any]]:
    """The elements called ``name`` in another, which has none if it is empty or only a text."""
    found = _listed(element.get(name)) if isinstance(element, dict) else []
    return [each for each in found if isinstance(each, dict)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(value: Any) -> list[str]:
    """The texts of an XMP property: itself, or the items of its bag or sequence; of alternatives the default first."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if not isinstance(value, dict):
        return []
    if "Alt" in value:
        items = [item for alternatives in _inside(value, "Alt") for item in _listed(alternatives.get("li"))]
        return _texts(sorted(items, key=lambda item: not (isinstance(item, dict) and item.get("lang") == "x-default")))
    return next((_texts(value[key]) for key in ("Bag", "Seq", "li", "value", "text") if key in value), [])


def _iptc(image: Image.Image) -> _Fields:
    if isinstance(image, TiffImageFile):
        _checked_size(image.tag_v2._tagdata.get(IPTC_NAA_CHUNK))  # where getiptcinfo takes it from; JPEG's are small
    info = getiptcinfo(image)  # type: ignore[arg-type]  # any image: it returns None for those that cannot have one
    if not info:
        return _Fields()
    utf_8 = info.get(_CHARSET) == _UTF_8

    def texts(field: tuple[int, int]) -> list[str]:
        return [_decoded(value, utf_8) for value in _listed(info.get(field)) if isinstance(value, bytes)]

    return _Fields(texts(_KEYWORDS), texts(_TITLE), texts(_CAPTION), ["; ".join(texts(_BY_LINE))])


def _decoded(value: bytes, utf_8: bool) -> str:
    """Text of an old block: UTF-8 if it is declared (then a character cut off at the field's end is dropped) or valid,
    else Windows' western code page."""
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
    if block and not exif:  # silent where opening the picture has met the damage already
        Image.Exif().load(block)

    def old(tag: int) -> list[str]:
        """Bytes that Pillow took for latin-1."""
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
    )


_READERS: dict[str, Callable[[Image.Image], _Fields]] = {"xmp": _xmp, "iptc": _iptc, "exif": _exif}
