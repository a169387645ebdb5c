"""The bytes of a sidecar as UTF-8, on which XMP is read and changed, and back without loss.

XMP may be UTF-8 with or without a byte order mark, or UTF-16. UTF-32 is allowed too, but no program in use writes it.
"""

import codecs
from dataclasses import dataclass

from love_thy_neighbors.decisions.refusals import SidecarError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WITHOUT_MARK = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))


@dataclass(frozen=True)
class Encoding:
    """How a file is encoded: its byte order mark, which may be empty, and a codec of Python."""

    mark: bytes = b""
    codec: str = "utf-8"


def to_utf8(content: bytes) -> tuple[bytes, Encoding]:
    """``content`` as UTF-8 without a byte order mark, and its encoding; raises `SidecarError`.

    UTF-8 is returned as it is, valid or not: the XML parser checks it.
    """
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise SidecarError("the sidecar is encoded in UTF-32; save it as UTF-8")
    known = [Encoding(mark, codec) for mark, codec in _MARKS if content.startswith(mark)]
    known += [Encoding(b"", codec) for start, codec in _WITHOUT_MARK if content.startswith(start)]
    encoding = known[0] if known else Encoding()
    body = content.removeprefix(encoding.mark)
    if encoding.codec == "utf-8":
        return body, encoding
    try:
        return body.decode(encoding.codec).encode(), encoding
    except UnicodeDecodeError as error:
        raise SidecarError(f"the sidecar is not valid {encoding.codec.upper()} (byte {error.start + 1})") from None


def from_utf8(text: bytes, encoding: Encoding) -> bytes:
    """The inverse of `to_utf8`."""
    return encoding.mark + (text if encoding.codec == "utf-8" else text.decode().encode(encoding.codec))
