"""Embedded metadata of a picture: keywords, title, description, artist and date in its EXIF, IPTC and XMP blocks.

A picture can have the same field in up to five places: keywords of all places are taken; of the other fields the first
text in the order XMP, IPTC, EXIF, Windows' own fields, PNG's texts. `containers` says where the blocks are.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from love_thy_neighbors.features.images import with_picture
from love_thy_neighbors.sources.folder.containers import checked_size, iptc_blocks, xmp_packets
from love_thy_neighbors.sources.folder.dates import local_time
from love_thy_neighbors.sources.folder.exif import exif_fields
from love_thy_neighbors.sources.folder.fields import (
    Fields,
    all_in_one,
    clean,
    cleaned,
    first,
    keywords_and_paths,
    levels,
    separated,
)
from love_thy_neighbors.sources.folder.iptc import iptc_fields
from love_thy_neighbors.sources.folder.xmp import xmp_fields


@dataclass(frozen=True)
class Embedded:
    """A picture's metadata as clean text; missing fields are empty.

    ``keywords`` can have several spellings of one word. ``taken`` is the local time of the photo, as ISO 8601 has it.
    ``unread`` names the blocks ("exif", "iptc", "xmp", "text") that are too large or damaged, so that not all was read,
    ``mended`` those with faults of which all was read. ``paths`` are trees of keywords, such as "Places|Italy|Rome",
    whose levels are among the keywords; ``cut`` those keywords of IPTC that may have lost their end; ``made_with`` the
    camera, the lens and the program. ``sets`` and ``groups`` are the albums and groups that a service names beside the
    picture.
    """

    keywords: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    artist: str = ""
    taken: str = ""
    unread: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    made_with: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def says_anything(self) -> bool:
        """Whether there is any keyword, text or date."""
        return bool(self.keywords or self.title or self.description or self.artist or self.taken)


def read_embedded(path: Path, charset: str | None = None) -> Embedded:
    """The metadata of the picture in ``path``; raises `ImageError` if it cannot be opened.

    ``charset`` is that of IPTC texts that declare none. Pillow warns of an EXIF block that is damaged in part: the rest
    of it is used, and "exif" is added to ``unread``. Not thread-safe, because Python's warnings belong to the whole
    process.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = with_picture(path, lambda image: embedded_metadata(image, charset))
    in_exif = any(Path(warning.filename).stem == "TiffImagePlugin" for warning in warned)
    return replace(found, unread=("exif", *found.unread)) if in_exif and "exif" not in found.unread else found


def embedded_metadata(image: Image.Image, charset: str | None = None) -> Embedded:
    """The metadata of an opened picture; a damaged block is named in ``unread`` and is not an error.

    A PNG can have its blocks after the pixels, and is then decoded: check its size before. With damaged pixels the
    result is empty.
    """
    if image.format == "PNG" and not {"exif", "xmp"} <= image.info.keys():
        try:
            image.load()
        except Exception:  # the extraction of features reports it
            return Embedded()
    blocks: dict[str, Fields] = {}

    def known() -> frozenset[str]:
        return frozenset(keywords_and_paths(blocks.values())[0])

    readers = {
        "xmp": lambda: _xmp(image),
        "iptc": lambda: iptc_fields(iptc_blocks(image), charset, known()),
        "exif": lambda: _exif(image),
        "text": lambda: _png_texts(image),
    }
    unread = []
    for name, read in readers.items():
        try:
            blocks[name] = read()
        except Exception:  # damaged bytes: Pillow's and the XML parser's errors have no common class
            unread.append(name)
    return from_fields(blocks, unread)


def xmp_metadata(packet: bytes) -> Embedded:
    """The metadata of an XMP packet in a file of its own; raises `ValueError` if it is damaged or too large."""
    try:
        return from_fields({"xmp": xmp_fields(checked_size(packet))})
    except Exception as error:  # the XML parser's errors have no common class
        raise ValueError(str(error)) from None


def from_fields(blocks: dict[str, Fields], unread: Iterable[str] = ()) -> Embedded:
    """The metadata in ``blocks``, by name and best first; ``unread`` names those that are not among them."""
    all_of = list(blocks.values())
    keywords, paths = keywords_and_paths(all_of)
    return Embedded(
        keywords=keywords,
        title=first(text for block in all_of for text in block.titles),
        description=first(text for block in all_of for text in block.descriptions),
        artist=first(text for block in all_of for text in block.artists),
        taken=next((time for block in all_of for text in block.dates if (time := local_time(clean(text)))), ""),
        unread=(*unread, *(name for name, block in blocks.items() if block.damaged)),
        mended=tuple(name for name, block in blocks.items() if block.mended),
        paths=paths,
        cut=tuple(
            last for block in all_of for text in block.cut for one in separated(text) for last in levels(one)[-1:]
        ),
        made_with=cleaned(text for block in all_of for text in block.made_with),
    )


def _xmp(image: Image.Image) -> Fields:
    """The fields of all packets; one that cannot be read takes nothing from the others."""
    whole = Fields()
    for packet in xmp_packets(image):
        try:
            found = xmp_fields(checked_size(packet))
        except Exception:  # as in `embedded_metadata`
            whole.damaged = True
            continue
        whole.add(found)
    return whole


def _exif(image: Image.Image) -> Fields:
    checked_size(image.info.get("exif") or b"")
    return exif_fields(image)


def _png_texts(image: Image.Image) -> Fields:
    """The text chunks of PNG whose keys the standard names, and "Keywords", which holds all in one text."""

    def texts(*keys: str) -> list[str]:
        return [value for key in keys if isinstance(value := image.info.get(key), str)]

    if image.format != "PNG":
        return Fields()
    keywords = [one for text in texts("Keywords", "keywords") for one in all_in_one(text)]
    made_with = texts("Software", "Source")
    return Fields(keywords, [], texts("Title"), texts("Description"), texts("Author"), [], [], made_with)
