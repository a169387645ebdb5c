"""Parses XMP packets, also those with faults that programs leave: the rest of the packet is sound, and is read.

Mended are: white space before the XML declaration, text after the packet, bytes that are not UTF-8 (read as Windows'
western code page), characters that XML forbids, a bare "&", and prefixes that were not declared. Of a packet that is
still damaged, such as one that was cut off, the elements before the fault are used. Entities are refused (defusedxml).
"""

import codecs
import io
import re
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring, iterparse

_START = re.compile(r"<((?:[A-Za-z_][\w.-]*:)?(?:xmpmeta|xapmeta|RDF))(?=[\s/>])")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)(?:#(x[0-9A-Fa-f]{1,6}|[0-9]{1,7});)?")
_PREFIX = re.compile(r"(?:</?|\s)([A-Za-z_][\w.-]*):[A-Za-z_][\w.-]*(?=[\s/>=])")
_DECLARED = re.compile(r"\sxmlns:([A-Za-z_][\w.-]*)\s*=")


def elements(packet: bytes) -> tuple[list[Element], bool, bool]:
    """The elements of a packet in document order, whether faults were mended, and whether a part could not be read.

    Raises ValueError or `ParseError` if nothing can be read, and for entities.
    """
    if b"\0" not in packet[:4]:  # not UTF-16, where this would cut a character in two
        packet = packet.strip(b"\0 \t\r\n")
    try:
        return list(fromstring(packet).iter()), False, False
    except DefusedXmlException:
        raise
    except (ParseError, ValueError, LookupError):  # the last two: an encoding that is not known
        return _of_damaged(packet)


def _of_damaged(packet: bytes) -> tuple[list[Element], bool, bool]:
    text = _mended(_decoded(packet))
    found: list[Element] = []
    try:
        # At the start of an element: its content is added while the rest is read, as far as there is any.
        for _, element in iterparse(io.BytesIO(text.encode()), events=("start",)):
            found.append(element)
    except ParseError:
        if not found:
            raise
        return found, False, True
    return found, True, False


def _decoded(packet: bytes) -> str:
    if packet.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return packet.decode("utf-16", "ignore")
    if packet[:2] in (b"<\0", b"\0<"):
        return packet.decode("utf-16-le" if packet[1] == 0 else "utf-16-be", "ignore")
    try:
        return packet.decode("utf-8")
    except UnicodeDecodeError:
        signs = packet.decode("utf-8", "surrogateescape")  # single bytes that are no UTF-8 become \udc80 to \udcff
        return re.sub("[\udc80-\udcff]", lambda sign: bytes([ord(sign[0]) & 0xFF]).decode("cp1252", "ignore"), signs)


def _mended(text: str) -> str:
    """``text`` from the packet's first element to its end, with the faults mended that the module's head names."""
    start = _START.search(text)
    if start is None:
        raise ValueError("no XMP")
    end = re.compile(rf"</{re.escape(start[1])}\s*>")
    ends = [found.end() for found in end.finditer(text)]
    text = text[start.start() : ends[-1] if ends else None]
    text = _REFERENCE.sub(_reference, _FORBIDDEN.sub("", text))
    root, rest = text[: len(start[0])], text[len(start[0]) :]
    declared = set(_DECLARED.findall(rest.partition(">")[0])) | {"xml", "xmlns"}
    missing = sorted(set(_PREFIX.findall(text)) - declared)
    return root + "".join(f' xmlns:{prefix}="urn:not-declared:{prefix}"' for prefix in missing) + rest


def _reference(found: re.Match[str]) -> str:
    """A reference to a character that XML allows; nothing for another one; an escaped "&" if it is none."""
    if found[1] is None:
        return "&amp;"
    code = int(found[1][1:], 16) if found[1].startswith("x") else int(found[1])
    is_allowed = code <= 0x10FFFF and not _FORBIDDEN.match(chr(code))
    return found[0] if is_allowed else ""
