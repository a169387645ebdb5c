"""IPTC fields (IIM, version 4.2) and the Photoshop resources that wrap them in JPEG, PNG and TIFF.

IIM stores text as bytes. The field 1:90 can declare UTF-8; most old programs declare nothing and used the code page of
their computer. A keyword has 64 bytes at most; programs cut longer ones.
"""

from collections.abc import Iterable, Iterator

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.folder.fields import Fields, clean

_IPTC = 0x0404  # the resource with IPTC fields
_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")
_CHARSET, _TITLE, _KEYWORDS, _BY_LINE, _CAPTION = (1, 90), (2, 5), (2, 25), (2, 80), (2, 120)
_UTF_8 = b"\x1b%G"  # the ISO 2022 code for UTF-8
_WESTERN = "cp1252"
# Tried if the picture has the same keyword in XMP, which says what is right.
_OTHERS = ("mac_roman", "cp1250", "iso8859_2", "cp1251", "koi8_r", "shift_jis", "gbk", "big5", "euc_kr")
_LIMIT, _LONGEST_SIGN = 64, 4  # bytes of a keyword; of a character in UTF-8


def checked_charset(name: str) -> str:
    """``name``, the value of ``iptc_charset``; raises `UserError` if Python has no such text encoding."""
    try:
        b"a".decode(name)  # also refuses what is no text encoding, such as "hex"
    except (LookupError, ValueError, TypeError):
        raise UserError(
            f"iptc_charset: '{name}' is not known; give a name such as mac_roman, cp1251 (Cyrillic) or iso8859_2."
        ) from None
    return name


def iptc_of_resources(block: bytes) -> list[bytes]:
    """All IPTC blocks in Photoshop's resources: signature, number, padded name, length, padded data."""
    return [data for number, data in _resources(block) if number == _IPTC]


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while block[at : at + 4] in _SIGNATURES and at + 12 <= len(block):
        number = int.from_bytes(block[at + 4 : at + 6])
        at += 6 + (block[at + 6] // 2 + 1) * 2  # the length byte and the name are padded together
        end = at + 4 + int.from_bytes(block[at : at + 4])
        yield number, block[at + 4 : end]
        at = end if block[end : end + 4] in _SIGNATURES else end + end % 2  # some leave the padding out


def iptc_fields(blocks: Iterable[bytes], charset: str | None, known: frozenset[str]) -> Fields:
    """The fields of IPTC ``blocks``. ``charset`` is that of texts which declare none and are not UTF-8; default is
    Windows' western code page. ``known`` are the keywords of the picture's XMP."""
    found = Fields()
    for block in blocks:
        values, damaged = _values(block)
        found.damaged |= damaged
        utf_8 = _UTF_8 in values.get(_CHARSET, ())
        for value in values.get(_KEYWORDS, ()):
            text = _decoded(value, utf_8, charset, known)
            found.keywords.append(text)
            if len(value) > _LIMIT - _LONGEST_SIGN:  # a program may leave the last character out whole
                found.cut.append(text)
        texts = {
            key: [_decoded(value, utf_8, charset, known) for value in values.get(key, ())]
            for key in (_TITLE, _CAPTION, _BY_LINE)
        }
        found.titles += texts[_TITLE]
        found.descriptions += texts[_CAPTION]
        found.artists.append("; ".join(texts[_BY_LINE]))
    return found


def _values(block: bytes) -> tuple[dict[tuple[int, int], list[bytes]], bool]:
    """The values of each field (record, number), and whether the rest of the block is no field."""
    values: dict[tuple[int, int], list[bytes]] = {}
    at = 0
    while at + 5 <= len(block) and block[at] == 0x1C and 0 < block[at + 1] < 10:
        field, size = (block[at + 1], block[at + 2]), int.from_bytes(block[at + 3 : at + 5])
        at += 5
        if size & 0x8000:  # the length of the length
            width = size & 0x7FFF
            if width > 4:
                return values, True
            size = int.from_bytes(block[at : at + width])
            at += width
        values.setdefault(field, []).append(block[at : at + size])
        at += size
    return values, bool(block[at:].strip(b"\0"))


def _decoded(value: bytes, utf_8: bool, charset: str | None, known: frozenset[str]) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        is_cut = error.end == len(value) and len(value) > _LIMIT - _LONGEST_SIGN and error.start > 0
        if utf_8 or (is_cut and value[: error.start].isascii() is False):
            return value.decode("utf-8", "ignore")
    first = charset or _WESTERN
    for name in (first, _WESTERN, *_OTHERS) if known else ():
        if clean(text := value.decode(name, "replace")) in known:
            return text
    return value.decode(first, "replace")


def decoded(value: bytes, charset: str | None = None) -> str:
    """A text that declares no encoding: UTF-8 if it is valid, else ``charset`` (default: Windows' western one)."""
    return _decoded(value, utf_8=False, charset=charset, known=frozenset())
