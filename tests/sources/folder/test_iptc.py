"""sources/folder/iptc.py: Photoshop's resources and IPTC fields, however they are cut."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.folder import UTF_8, iptc, picture, saved, with_iptc
from fixtures.photo_folder_embedded import resource
from love_thy_neighbors.sources.folder.embedded import read_embedded
from love_thy_neighbors.sources.folder.iptc import iptc_fields, iptc_of_resources

TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30), max_size=5)


def keywords(*blocks: bytes, charset: str | None = None, known: frozenset[str] = frozenset()) -> list[str]:
    return iptc_fields(blocks, charset, known).keywords


@given(TEXTS, st.lists(st.integers(0, 0xFFFF).filter(lambda number: number != 0x0404), max_size=3), st.booleans())
def test_fields_come_back_from_resources(texts: list[str], others: list[int], is_padded: bool) -> None:
    fields = iptc(UTF_8, *((2, 25, text.encode()) for text in texts))
    block = b"".join(resource(b"abc", number) for number in others)
    block += resource(fields) if is_padded else resource(fields).removesuffix(b"\0" * (len(fields) % 2))
    found = iptc_of_resources(block + resource(b"z", 0x0425))
    assert found == [fields]
    assert keywords(*found) == texts


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    iptc_of_resources(content)
    iptc_of_resources(b"8BIM" + content)
    found = iptc_fields([content, b"\x1c\x02\x19" + content], None, frozenset())
    for text in found.keywords:
        text.encode("utf-8")


@given(TEXTS, st.binary(min_size=1, max_size=9).filter(lambda rest: rest[0] not in b"\x1c\0"))
def test_what_follows_the_fields_takes_nothing_away(texts: list[str], rest: bytes) -> None:
    found = iptc_fields([iptc(*((2, 25, text.encode()) for text in texts)) + rest], None, frozenset())
    assert (found.keywords, found.damaged) == (texts, True)


def test_zeros_behind_the_fields_are_no_damage() -> None:
    assert not iptc_fields([iptc((2, 25, b"sea")) + b"\0\0\0"], None, frozenset()).damaged


def test_the_length_of_a_length() -> None:
    assert keywords(b"\x1c\x02\x19\x80\x04\0\0\0\x03sea" + iptc((2, 25, b"wind"))) == ["sea", "wind"]
    assert iptc_fields([b"\x1c\x02\x19\x80\x05\0\0\0\0\x03sea"], None, frozenset()).damaged


@pytest.mark.parametrize("size", [61, 62, 63, 64])
def test_keywords_that_fill_the_field_may_be_cut(size: int) -> None:
    assert iptc_fields([iptc((2, 25, b"x" * size), (2, 25, b"y" * 60))], None, frozenset()).cut == ["x" * size]


def test_a_full_field_of_signs_that_divide_says_nothing(tmp_path: Path) -> None:
    for sign in (b"|", b";", b",", b" ", b"/"):
        (tmp_path / "a.jpg").write_bytes(with_iptc(saved(picture()), iptc((2, 25, sign * 64), (2, 25, b"sea"))))
        found = read_embedded(tmp_path / "a.jpg")
        assert "sea" in found.keywords
        assert not found.unread


def test_half_a_character_at_the_end_of_a_full_field_is_dropped() -> None:
    value = ("ä" * 31).encode() + b"x\xc3"
    assert keywords(iptc((2, 25, value))) == ["ä" * 31 + "x"]


@pytest.mark.parametrize("charset", ["mac_roman", "cp1250", "iso8859_2", "cp1251", "koi8_r", "shift_jis"])
def test_a_keyword_that_xmp_has_too_shows_its_charset(charset: str) -> None:
    word = {"mac_roman": "Köln", "cp1250": "Łódź", "iso8859_2": "Žižkov", "shift_jis": "東京"}.get(charset, "море")
    assert keywords(iptc((2, 25, word.encode(charset))), known=frozenset({word, "other"})) == [word]
