"""sources/folder: keywords in every place where programs write them, and those that programs make up."""

import json
from pathlib import Path

import pytest

from fixtures.folder import iptc, picture, saved, with_iptc, xmp
from fixtures.photo_folder_embedded import FILES, IGNORED, TAGS, extended, packet, said, write
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.release import Release

HOW = Extraction(size=32, batch_size=16, workers=0, device="cpu", thumbnail=0, max_pixels=10_000)


def read_from(root: Path, **options: object) -> Release:
    return read(Options(root=root, exiftool=False, **options), HOW, root.with_name("mine.partial"))  # type: ignore[arg-type]


def tags_in(release: Release) -> dict[str, list[str]]:
    return {row["id"]: row.get("tags") or [] for row in release.table.to_pylist()}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    root = tmp_path_factory.mktemp("embedded") / "photos"
    write(root)
    return read_from(root)


def test_every_picture_has_a_value_here() -> None:
    pictures = {path for path in FILES if not path.endswith(".xmp")}
    assert pictures == TAGS.keys()


@pytest.mark.parametrize("path", TAGS)
def test_the_tags_of_a_picture(path: str, release: Release) -> None:
    assert tags_in(release)[path] == TAGS[path]


def test_what_is_seen_and_not_taken_is_listed_with_the_first_file(release: Release) -> None:
    assert {entry["not_taken"]: entry["first"] for entry in release.not_taken.listed()} == IGNORED
    assert all(entry["reason"] and entry["count"] == 1 for entry in release.not_taken.listed())
    assert release.counts["xmp_blocks_with_faults_mended"] == 6
    assert release.counts["metadata_read_by_pillow"] == len(TAGS) - 2  # two have a sidecar only


def test_card_and_list_of_rejects_carry_it(
    mean_colour: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"photos/{name}.jpg").write_bytes(said(xmp(("Geotagged", f"sea {name}"))))
    make(read, Options(root=tmp_path / "photos"), tmp_path / "mine", False, HOW)
    expected = {"not_taken": "Geotagged", "count": 2, "first": "a.jpg"}
    (of_card,) = json.loads((tmp_path / "mine/card.json").read_text())["clean_up"]["metadata_not_taken"]
    (of_list,) = map(json.loads, (tmp_path / "mine/rejected.jsonl").read_text().splitlines())
    assert of_card == of_list == expected | {"reason": of_card["reason"]}
    assert "'Geotagged'" in capsys.readouterr().out


CHARSETS = {"mac_roman": "Küste", "cp1251": "море", "iso8859_2": "Łódź", "koi8_r": "берег"}


@pytest.mark.parametrize("charset", CHARSETS)
def test_the_charset_of_old_programs(charset: str, tmp_path: Path) -> None:
    word = CHARSETS[charset]
    fields = iptc((2, 25, word.encode(charset)), (2, 25, "Straße".encode()), (2, 80, word.encode(charset)))
    (tmp_path / "a.jpg").write_bytes(with_iptc(saved(picture()), fields))
    (row,) = read_from(tmp_path, iptc_charset=charset).table.to_pylist()
    assert row["tags"] == sorted([word, "Straße"])  # what is valid UTF-8 is read as such
    assert row["owner"] == word


@pytest.mark.parametrize("charset", ["klingon", "hex", "utf-16"])
def test_a_charset_that_is_not_known_is_refused(charset: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"iptc_charset: '{charset}'"):
        Options(root=tmp_path, iptc_charset=charset)


def test_large_depth_maps_of_phones_are_no_damage(tmp_path: Path) -> None:
    depth = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" GDepth="' + b"A" * (5 << 20) + b'"/>'
    (tmp_path / "a.jpg").write_bytes(extended(saved(picture(), xmp=xmp(("sea",))), depth))
    release = read_from(tmp_path)
    assert tags_in(release) == {"a.jpg": ["sea"]}
    assert not release.not_taken.listed()


def test_a_damaged_extended_packet_takes_nothing_from_the_main_one(tmp_path: Path) -> None:
    broken = b"<x:xmpmeta><dc:subject " + b"<" * 70_000
    (tmp_path / "a.jpg").write_bytes(extended(saved(picture(), xmp=xmp(("sea",))), broken))
    release = read_from(tmp_path)
    assert tags_in(release) == {"a.jpg": ["sea"]}
    assert [entry["first"] for entry in release.not_taken.listed()] == ["a.jpg"]


def test_a_list_of_ignored_tags(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    words = xmp(("sea", "Nikon", "TEST shot", "#sunset", "Client|Ann"))
    (tmp_path / "photos/a.jpg").write_bytes(said(words))
    ignored = tmp_path / "ignored.txt"
    ignored.write_text("\ufeff# a comment\n\n!nikon\ntest*\tonly for trying\n#sunset\nclient|*\n", encoding="utf-8")
    release = read_from(tmp_path / "photos", ignore_tags=ignored)
    assert tags_in(release) == {"a.jpg": ["Nikon", "sea"]}
    reasons = {entry["not_taken"]: entry["reason"] for entry in release.not_taken.listed()}
    assert reasons.keys() == {"#sunset", "TEST shot", "Client", "Ann"}
    assert reasons["TEST shot"] == "only for trying"


def test_a_level_that_the_user_has_in_a_tree_of_his_own_is_kept(tmp_path: Path) -> None:
    trees = "<lr:hierarchicalSubject><rdf:Bag>{}</rdf:Bag></lr:hierarchicalSubject>"
    items = "".join(f"<rdf:li>{path}</rdf:li>" for path in ("darktable|style|Autumn", "Seasons|Autumn"))
    (tmp_path / "a.jpg").write_bytes(said(xmp(("Autumn",), more=trees.format(items))))
    assert tags_in(read_from(tmp_path)) == {"a.jpg": ["Autumn", "Seasons"]}


@pytest.mark.parametrize("content", [None, b"sea\n\xff\n", b"x" * ((1 << 20) + 1)], ids=["none", "not UTF-8", "large"])
def test_a_bad_list_of_ignored_tags_is_refused_first(content: bytes | None, tmp_path: Path) -> None:
    ignored = tmp_path / "ignored.txt"
    if content is not None:
        ignored.write_bytes(content)
    with pytest.raises(UserError, match=r"ignore_tags: .*ignored\.txt") as caught:
        Options(root=tmp_path, ignore_tags=ignored)
    assert ("line 2" in str(caught.value)) == (content is not None and len(content) < 100)


def test_entities_are_refused_even_in_a_packet_that_needs_mending(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha">]>' + packet("<dc:subject>&a;</dc:subject>") + b"junk"
    (tmp_path / "a.jpg").write_bytes(said(bomb))
    release = read_from(tmp_path)
    assert tags_in(release) == {"a.jpg": []}
    assert release.not_taken.listed()[0]["first"] == "a.jpg"
