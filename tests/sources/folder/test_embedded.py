"""sources/embedded_metadata.py: what pictures say about themselves, whichever program wrote it, and damaged blocks."""

import random
from pathlib import Path
from typing import Any

import pytest
from PIL import PngImagePlugin, TiffImagePlugin

from fixtures.folder import BOMB, RDF, UTF_8, exif, iptc, picture, saved, with_iptc, xmp
from love_thy_neighbors.features.images import ImageError
from love_thy_neighbors.sources.folder.containers import MAX_BLOCK_BYTES
from love_thy_neighbors.sources.folder.embedded import Embedded, read_embedded


def said(content: bytes, folder: Path) -> Embedded:
    path = folder / "picture"
    path.write_bytes(content)
    return read_embedded(path)


def jpeg(*fields: tuple[int, int, bytes], **options: Any) -> bytes:
    plain = saved(picture(), **options)
    return with_iptc(plain, iptc(*fields)) if fields else plain


def png(packet: bytes) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet.decode())
    return saved(picture(), "PNG", pnginfo=text)


def png_with_late_xmp(packet: bytes) -> bytes:
    """A PNG whose XMP stands behind the pixels, where some programs write it."""
    content, plain = png(packet), saved(picture(), "PNG")
    start = content.index(b"iTXt") - 4
    length = len(content) - len(plain)
    return plain[:-12] + content[start : start + length] + plain[-12:]


def tiff(packet: bytes, fields: bytes = b"") -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[700], tags[270], tags[0x9C9E] = packet, "a tiff", "x;y\0".encode("utf-16-le")
    if fields:
        tags[33723] = fields
        tags.tagtype[33723] = 7  # "undefined"
    return saved(picture(), "TIFF", tiffinfo=tags)


ATTRIBUTES = (
    f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="short form" '
    'dc:creator="Ann"/><rdf:Description/><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject>one'
    "</dc:subject></rdf:Description></rdf:RDF>"
).encode()
QUALIFIED = (
    '<dc:subject><rdf:Bag><rdf:li rdf:parseType="Resource"><rdf:value>sea</rdf:value><dc:type>x</dc:type></rdf:li>'
    "</rdf:Bag></dc:subject>"
)
LANGUAGES = (
    '<dc:title><rdf:Alt><rdf:li xml:lang="de">Meer</rdf:li><rdf:li xml:lang="x-default">Sea</rdf:li></rdf:Alt></dc:title>'
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default"/></rdf:Alt></dc:description>'
    "<lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|Italy|Rome</rdf:li></rdf:Bag></lr:hierarchicalSubject>"
)
CASES: dict[str, tuple[bytes, Embedded]] = {
    "nothing": (jpeg(), Embedded()),
    "gif": (saved(picture(), "GIF"), Embedded()),
    "xmp": (
        jpeg(xmp=xmp(("sea", "Küste", "a & b"), "A title", "Ann Lee", "Words.")),
        Embedded(("sea", "Küste", "a & b"), "A title", "Words.", "Ann Lee"),
    ),
    "png": (png(xmp(("sea", "Küste"))), Embedded(("sea", "Küste"))),
    "png, late": (png_with_late_xmp(xmp(("sea", "Küste"), "t")), Embedded(("sea", "Küste"), "t")),
    "webp": (
        saved(picture(), "WEBP", xmp=xmp(("sea",)), exif=exif(artist=b"Ann")),
        Embedded(("sea",), artist="Ann"),
    ),
    "tiff": (
        tiff(xmp(("sea",)), iptc((2, 25, b"old"), (2, 5, b"t"))),
        Embedded(("sea", "old", "x", "y"), "t", "a tiff"),
    ),
    "xmp, in attributes and without wrapper": (jpeg(xmp=ATTRIBUTES), Embedded(("one",), "short form", artist="Ann")),
    "xmp, languages and hierarchies": (
        jpeg(xmp=xmp(more=LANGUAGES)),
        Embedded(("Places", "Italy", "Rome"), "Sea", paths=("Places|Italy|Rome",)),
    ),
    "xmp, empty": (jpeg(xmp=b"<xmpmeta/>"), Embedded()),
    "xmp, empty inside": (jpeg(xmp=b"<x><RDF/><RDF>text</RDF><RDF><Description/></RDF></x>"), Embedded()),
    "xmp, empty without wrapper": (jpeg(xmp=f'<r:RDF xmlns:r="{RDF}"/>'.encode()), Embedded()),
    "xmp, a value with a qualifier": (jpeg(xmp=xmp(more=QUALIFIED)), Embedded(("sea",))),
    "xmp, only white space": (jpeg(xmp=xmp((" ",), " ", " ")), Embedded()),
    "iptc": (
        jpeg((2, 25, b"sea"), (2, 25, b"wind"), (2, 5, b"t"), (2, 120, b"d"), (2, 80, b"Ann"), (2, 80, b"Bob")),
        Embedded(("sea", "wind"), "t", "d", "Ann; Bob"),
    ),
    "iptc, latin-1": (jpeg((2, 25, b"K\xfcste"), (2, 5, b"\x80")), Embedded(("Küste",), "€")),
    "iptc, UTF-8 declared": (jpeg(UTF_8, (2, 25, "Küste".encode())), Embedded(("Küste",))),
    "iptc, UTF-8 not declared": (jpeg((2, 25, "Küste".encode())), Embedded(("Küste",))),
    "iptc, UTF-8 cut off at 64 bytes": (jpeg(UTF_8, (2, 5, b"x" * 63 + b"\xc3")), Embedded(title="x" * 63)),
    "iptc, one keyword": (jpeg((2, 25, b"sea")), Embedded(("sea",))),
    "iptc, all keywords in one": (jpeg((2, 25, b"sea, New York,wind ,")), Embedded(("sea", "New York", "wind"))),
    "iptc, a comma within a keyword": (
        jpeg((2, 25, b"Paris, France"), (2, 25, b"b")),
        Embedded(("Paris, France", "b")),
    ),
    "iptc, semicolons": (jpeg((2, 25, b"a;b, c"), (2, 25, b"d")), Embedded(("a", "b, c", "d"))),
    "iptc, empty fields": (jpeg((2, 25, b""), (2, 25, b"a"), (2, 25, b" "), (2, 5, b"")), Embedded(("a",))),
    "exif, UTF-8": (
        jpeg(exif=exif(description="Grüße".encode(), artist=b"Ann\0 Lee")),
        Embedded(description="Grüße", artist="Ann"),
    ),
    "exif, latin-1": (jpeg(exif=exif(description=b"Gr\xfc\xdfe")), Embedded(description="Grüße")),
    "exif, Windows": (
        jpeg(exif=exif(keywords="sea; Küste;東京;", title="t 😀", comment="c", author="Ann")),
        Embedded(("sea", "Küste", "東京"), "t 😀", "c", "Ann"),
    ),
    "exif, rotated": (jpeg(exif=exif(orientation=6, subject="s")), Embedded(description="s")),
    "all, xmp first": (
        jpeg(
            (2, 25, b"from iptc"),
            (2, 25, b"twice"),
            (2, 5, b"iptc"),
            (2, 80, b"iptc"),
            xmp=xmp(("from xmp", "twice"), "xmp"),
            exif=exif(keywords="from exif", title="exif", artist=b"exif", description=b"exif"),
        ),
        Embedded(("from xmp", "twice", "from iptc", "from exif"), "xmp", "exif", "iptc"),
    ),
    "white space, control characters, accents apart": (
        jpeg(xmp=xmp((" sea\n  wind ", "Ku\u0308ste"), "a\tb\x85")),
        Embedded(("sea wind", "Küste"), "a b"),
    ),
    "cmyk": (saved(picture(mode="CMYK"), xmp=xmp(("sea",))), Embedded(("sea",))),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_picture_says(name: str, tmp_path: Path) -> None:
    content, expected = CASES[name]
    assert said(content, tmp_path) == expected


IFD = b"Exif\0\0MM\0*\0\0\0\x08"
DAMAGED: dict[str, tuple[bytes, Embedded]] = {
    "xmp, cut off": (jpeg((2, 25, b"kept"), xmp=xmp(("lost",))[:300]), Embedded(("kept",), unread=("xmp",))),
    "xmp, not XML": (jpeg(xmp=b"\xff\xfe\0"), Embedded(unread=("xmp",))),
    "xmp, entities": (jpeg(xmp=BOMB), Embedded(unread=("xmp",))),
    "xmp, a file": (
        jpeg(xmp=b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>'),
        Embedded(unread=("xmp",)),
    ),
    "xmp, too large": (
        saved(picture(), "WEBP", xmp=xmp(("x" * MAX_BLOCK_BYTES,)), exif=exif(title="kept")),
        Embedded(title="kept", unread=("xmp",)),
    ),
    "xmp, deep": (saved(picture(), "WEBP", xmp=b"<a>" * 50_000 + b"</a>" * 50_000), Embedded()),
    "iptc, garbage": (
        with_iptc(saved(picture(), xmp=xmp(("kept",))), iptc((2, 25, b"too")) + b"garbage"),
        Embedded(("kept", "too"), unread=("iptc",)),
    ),
    "iptc, a length beyond the block": (with_iptc(saved(picture()), b"\x1c\x02\x19\x7f\xffsea"), Embedded(("sea",))),
    "exif, no IFD": (jpeg(exif=b"Exif\0\0nonsense", xmp=xmp(("kept",))), Embedded(("kept",), unread=("exif",))),
    "exif, cut off": (jpeg(exif=IFD + b"\0\x09\x01\x0e", xmp=xmp(("kept",))), Embedded(("kept",), unread=("exif",))),
    "exif, one field bad and one good": (
        jpeg(exif=IFD + b"\0\2" + b"\x01\x0e\0\2\0\0\0\xff\0\0\xff\0" + b"\x01\x3b\0\2\0\0\0\4Ann\0" + b"\0" * 4),
        Embedded(artist="Ann", unread=("exif",)),
    ),
    "exif, too large": (
        saved(picture(), "WEBP", exif=b"Exif\0\0" + b"x" * MAX_BLOCK_BYTES, xmp=xmp(("kept",))),
        Embedded(("kept",), unread=("exif",)),
    ),
    "exif, numbers where text should be": (
        jpeg(exif=IFD + b"\0\1" + b"\x01\x0e\0\4\0\0\0\1\0\0\0\7" + b"\0" * 4),
        Embedded(),
    ),
    "png, cut off": (saved(picture(), "PNG")[:-400], Embedded()),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_block_is_named_and_the_others_are_read(
    name: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    content, expected = DAMAGED[name]
    assert said(content, tmp_path) == expected
    assert not list(recwarn)


def test_what_is_not_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        said(b"not a picture", tmp_path)


def test_mutated_bytes_are_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(0)
    everything = jpeg(
        UTF_8,
        (2, 25, b"sea"),
        xmp=xmp(("sea", "wind"), "t"),
        exif=exif(keywords="a;b", title="t", description=b"d", artist=b"a"),
    )
    outcomes = set()
    for content in (everything, png(xmp(("sea",))), tiff(xmp(("sea",)), iptc((2, 25, b"a")))) * 70:
        mutated = bytearray(content)
        for _ in range(rng.choice((1, 5, 30))):
            mutated[rng.randrange(min(len(mutated), 1500))] = rng.randrange(256)
        try:
            found = said(bytes(mutated), tmp_path)
        except ImageError:
            outcomes.add("refused")
        else:
            outcomes.add(found.unread)
            for text in (*found.keywords, found.title, found.description, found.artist):
                text.encode("utf-8")  # no half surrogate pairs: Parquet would refuse them
    assert {(), ("xmp",), "refused"} <= outcomes
