"""Where XMP and IPTC blocks are in the files of each format; Pillow finds most of them.

| format | XMP | IPTC |
|---|---|---|
| JPEG | APP1, the extended parts too | Photoshop's resources, over one or more APP13 |
| TIFF | tag 700 | tag 33723, or in Photoshop's resources, tag 34377 |
| PNG | iTXt, or ImageMagick's "Raw profile type xmp" and "APP1" | "Raw profile type iptc" and "8bim" |
| WebP, AVIF | a chunk of its own | |
| GIF | an application extension | |

The size of a packet is checked by its reader; the other functions raise ValueError for over `MAX_BLOCK_BYTES`.
"""

import mmap
from collections import defaultdict

from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import IPTC_NAA_CHUNK, TiffImageFile

from love_thy_neighbors.sources.folder.iptc import iptc_of_resources
from love_thy_neighbors.sources.folder.xmp import may_have_fields

MAX_BLOCK_BYTES = 4 << 20  # Photoshop's blocks reach a megabyte; a parsed XMP block takes 20 times its size
_XMP, _XMP_EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_GUID_BYTES, _LENGTH_BYTES = 32, 8  # before each extended part: its packet's name; the whole length and the offset
_PHOTOSHOP, _PHOTOSHOP_TAG = b"Photoshop 3.0\0", 34377
_GIF_XMP, _GIF_TRAILER = b"XMP DataXMP", b"\x01\xff\xfe\xfd"  # the packet follows without the lengths of GIF's blocks


def checked_size(block: bytes) -> bytes:
    """``block``; raises ValueError if it has over `MAX_BLOCK_BYTES`."""
    if len(block) > MAX_BLOCK_BYTES:
        raise ValueError(f"over {MAX_BLOCK_BYTES} bytes")
    return block


def xmp_packets(image: Image.Image) -> list[bytes]:
    """The XMP packets of an opened picture, the main one first."""
    found = image.info.get("xmp")
    packets = [found.encode() if isinstance(found, str) else found] if isinstance(found, str | bytes) else []
    if isinstance(image, JpegImageFile):
        packets = [data.removeprefix(_XMP) for name, data in image.applist if name == "APP1" and data.startswith(_XMP)]
        packets += _extended(image)
    elif isinstance(image, PngImageFile):
        packets += [profile.removeprefix(_XMP) for profile in _raw_profiles(image, "xmp")]
        packets += [profile[len(_XMP) :] for profile in _raw_profiles(image, "APP1") if profile.startswith(_XMP)]
    elif isinstance(image, GifImageFile):
        packets += _in_gif(image)
    return [packet for packet in packets if packet]


def _extended(image: JpegImageFile) -> list[bytes]:
    """The extended packets: parts of 64 kB in the order of their offsets."""
    parts: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    for name, data in image.applist:
        if name == "APP1" and data.startswith(_XMP_EXTENSION):
            start = len(_XMP_EXTENSION)
            guid, place = data[start : start + _GUID_BYTES], data[start + _GUID_BYTES :][:_LENGTH_BYTES]
            parts[guid][place] = data[start + _GUID_BYTES + _LENGTH_BYTES :]
    packets = [b"".join(content for _, content in sorted(of_one.items())) for of_one in parts.values()]
    return [packet for packet in packets if may_have_fields(packet)]


def iptc_blocks(image: Image.Image) -> list[bytes]:
    """The IPTC blocks of an opened picture."""
    if isinstance(image, JpegImageFile):
        parts = [data for name, data in image.applist if name == "APP13" and data.startswith(_PHOTOSHOP)]
        return iptc_of_resources(checked_size(b"".join(part.removeprefix(_PHOTOSHOP) for part in parts)))
    if isinstance(image, TiffImageFile):
        tags = image.tag_v2._tagdata  # as stored: Pillow would read the bytes as numbers
        block = checked_size(tags.get(IPTC_NAA_CHUNK, b""))
        return [block] * bool(block) + iptc_of_resources(checked_size(tags.get(_PHOTOSHOP_TAG, b"")))
    if isinstance(image, PngImageFile):
        profiles = _raw_profiles(image, "iptc") + _raw_profiles(image, "8bim")
        # ImageMagick writes Photoshop's resources under both names.
        return [block for profile in profiles for block in (iptc_of_resources(profile) or [profile])]
    return []


def _raw_profiles(image: PngImageFile, kind: str) -> list[bytes]:
    """ImageMagick's profiles in text chunks: an empty line, the name, the length, and the bytes in hexadecimal."""
    found = []
    for key, text in image.info.items():
        if str(key).casefold() == f"raw profile type {kind}".casefold() and isinstance(text, str):
            _, _, content = text.lstrip("\n").partition("\n")
            length, _, digits = content.strip().partition("\n")
            if len(digits) > 3 * MAX_BLOCK_BYTES:
                raise ValueError(f"over {MAX_BLOCK_BYTES} bytes")
            found.append(bytes.fromhex(digits)[: int(length)])
    return found


def _in_gif(image: GifImageFile) -> list[bytes]:
    """The packet that stands in one piece in the file."""
    if image.fp is None:
        return []
    with mmap.mmap(image.fp.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_GIF_XMP)
        if start < 0:
            return []
        start += len(_GIF_XMP)
        end = content.find(_GIF_TRAILER, start, start + MAX_BLOCK_BYTES + len(_GIF_TRAILER))
        return [content[start : end if end >= 0 else start + MAX_BLOCK_BYTES + 1]]
