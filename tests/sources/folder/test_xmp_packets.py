"""sources/folder/xmp_packets.py: packets with any fault are read as far as possible, and nothing else is raised."""

from xml.etree.ElementTree import ParseError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.folder import BOMB
from fixtures.photo_folder_embedded import listed, packet
from fixtures.sidecars import ENCODINGS, PROGRAMS
from love_thy_neighbors.sources.folder.xmp import xmp_fields
from love_thy_neighbors.sources.folder.xmp_packets import elements

WORDS = ("sea", "Küste", "black & white", "東京")
SOUND = packet(listed("dc:subject", WORDS))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_program_in_every_encoding(program: str, encoding: str) -> None:
    found = xmp_fields(ENCODINGS[encoding](PROGRAMS[program](WORDS, ["Places|Rome"])))
    assert found.keywords == list(WORDS)
    assert found.paths[-1] == "Places|Rome"
    assert not found.damaged


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_bytes_around_a_packet_do_not_matter(before: bytes, after: bytes) -> None:
    # A byte order mark or "<" before it may begin another document.
    found = xmp_fields(b"junk " + before.replace(b"<", b"") + SOUND + after.replace(b"<", b""))
    assert found.keywords == list(WORDS)
    assert not found.damaged


@given(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=3))
def test_a_change_anywhere_is_read_or_refused(place: int, change: bytes) -> None:
    try:
        found = xmp_fields(SOUND[:place] + change + SOUND[place + len(change) :])
    except (ParseError, ValueError):
        return
    for text in found.keywords:
        text.encode("utf-8")


@given(st.integers(0, len(SOUND)))
def test_a_packet_that_is_cut_off_keeps_what_is_whole(end: int) -> None:
    whole = [word for word in WORDS if f"<rdf:li>{word.replace('&', '&amp;')}</rdf:li>".encode() in SOUND[:end]]
    try:
        found = xmp_fields(SOUND[:end])
    except (ParseError, ValueError):
        assert not whole
        return
    assert [word for word in found.keywords if word][: len(whole)] == whole
    assert found.damaged or found.keywords == list(WORDS)


@pytest.mark.parametrize("bomb", [BOMB, BOMB.replace(b"<x>", SOUND + b"<x>"), b"\n" + BOMB + SOUND])
def test_entities_are_refused(bomb: bytes) -> None:
    with pytest.raises((ParseError, ValueError)):
        elements(bomb)


@pytest.mark.parametrize("reference", ["&#0;", "&#x1F;", "&#xD800;", "&#xFFFFFF;", "&#9999999;"])
def test_references_to_characters_that_xml_forbids_are_dropped(reference: str) -> None:
    assert xmp_fields(packet(listed("dc:subject", ["se_a"])).replace(b"_", reference.encode())).keywords == ["sea"]


@pytest.mark.parametrize("text", ["a & b", "a &b; c", "&", "R&D", "&#;"])
def test_a_bare_ampersand_is_text(text: str) -> None:
    assert xmp_fields(packet(listed("dc:subject", ["_"])).replace(b"_", text.encode())).keywords == [text]


@pytest.mark.parametrize("tree", ["<Categories><Category", "<Categories>" + "<Category>" * 5000, "no tree"])
def test_broken_categories_take_nothing_from_the_rest(tree: str) -> None:
    escaped = tree.replace("<", "&lt;")
    content = packet(listed("dc:subject", ["sea"]) + f"<acdsee:categories>{escaped}</acdsee:categories>")
    found = xmp_fields(content)
    assert (found.keywords, found.paths) == (["sea"], [])
    assert found.damaged == tree.startswith("<")


def test_items_inside_items_are_read_in_one_pass() -> None:
    """Each item was searched with all that is inside it: the time grew with the square of the depth."""
    deep = "<dc:subject><rdf:Bag><rdf:li>" * 20_000 + "sea" + "</rdf:li></rdf:Bag></dc:subject>" * 20_000
    assert xmp_fields(packet(deep)).keywords[-1] == "sea"


@pytest.mark.parametrize(
    "form", ["<rdf:value>sea</rdf:value>", "<rdf:Description><rdf:value>sea</rdf:value></rdf:Description>"]
)
def test_a_value_with_qualifiers(form: str) -> None:
    found = xmp_fields(packet(f"<dc:subject><rdf:Bag><rdf:li>{form}</rdf:li></rdf:Bag></dc:subject>"))
    assert found.keywords == ["sea"]
