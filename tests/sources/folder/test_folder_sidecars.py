"""sources/folder/sidecars.py: tags from XMP sidecars."""

from pathlib import Path
from typing import Any

import pytest

from fixtures.folder import BOMB, picture, saved, xmp
from fixtures.sidecars import ENCODINGS, PROGRAMS
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read
from love_thy_neighbors.sources.folder.containers import MAX_BLOCK_BYTES


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "2019").mkdir(parents=True)
    (tmp_path / "photos" / "2019" / "a.jpg").write_bytes(
        saved(picture(seed=1), xmp=xmp(("inside",), title="Inside view", creator="Ann"))
    )
    (tmp_path / "photos" / "b.jpg").write_bytes(saved(picture(seed=2)))
    return tmp_path / "photos"


def rows(root: Path) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """The rows by id, and the counts with those of what was not taken."""
    release = read(Options(root=root, words="none"), Extraction(), root.parent / "partial")
    not_taken = {entry["not_taken"]: entry["count"] for entry in release.not_taken.listed()}
    return {row["id"]: row for row in release.table.to_pylist()}, dict(release.counts) | not_taken


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp", "a.XMP"])
@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_keywords_of_both_names_and_all_encodings(root: Path, name: str, encoding: str) -> None:
    content = PROGRAMS["lightroom"](["Küste"], ["places|beach"])
    (root / "2019" / name).write_bytes(ENCODINGS[encoding](content))
    found, counts = rows(root)
    assert found["2019/a.jpg"]["tags"] == ["Küste", "beach", "inside", "places"]
    assert found["2019/a.jpg"]["owner"] == "Ann"
    assert found["b.jpg"]["tags"] == []
    assert counts["xmp_sidecars"] == counts["xmp_sidecars_read"] == 1


def test_a_sidecar_without_its_picture_is_not_among_those_that_are_read(root: Path) -> None:
    (root / "2019" / "a.xmp").write_bytes(xmp(("sea",)))
    (root / "2019" / "gone.xmp").write_bytes(xmp(("sand",)))
    found, counts = rows(root)
    assert found["2019/a.jpg"]["tags"] == ["inside", "sea"]
    assert (counts["xmp_sidecars"], counts["xmp_sidecars_read"]) == (2, 1)


def test_a_sidecar_that_is_cut_off_is_read_in_part_and_named(root: Path) -> None:
    (root / "2019" / "a.xmp").write_bytes(xmp(("sea", "lost")).partition(b"lost")[0])
    found, counts = rows(root)
    assert found["2019/a.jpg"]["tags"] == ["inside", "sea"]
    assert counts["sidecar"] == 1


def test_the_sidecars_texts_come_first_and_both_sidecars_count(root: Path) -> None:
    (root / "2019" / "a.jpg.xmp").write_bytes(xmp(("one",), creator="Bob"))
    (root / "2019" / "a.xmp").write_bytes(xmp(("two",), creator="Cy"))
    found, _ = rows(root)
    assert found["2019/a.jpg"]["tags"] == ["inside", "one", "two"]
    assert found["2019/a.jpg"]["owner"] == "Bob"


def test_copies_share_their_sidecars_keywords(root: Path) -> None:
    (root / "copy.jpg").write_bytes((root / "2019" / "a.jpg").read_bytes())
    (root / "copy.jpg.xmp").write_bytes(xmp(("of the copy",)))
    (root / "2019" / "a.jpg.xmp").write_bytes(xmp(("of the first",)))
    found, _ = rows(root)
    assert found["2019/a.jpg"]["tags"] == ["inside", "of the copy", "of the first"]


@pytest.mark.parametrize("kind", ["broken", "bomb", "large", "link", "folder"])
def test_what_cannot_be_read_is_counted_and_the_picture_is_used(root: Path, kind: str) -> None:
    path = root / "2019" / "a.jpg.xmp"
    outside = root.parent / "outside.xmp"
    outside.write_bytes(xmp(("secret",)))
    if kind == "link":
        path.symlink_to(outside)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes({"broken": b"<x", "bomb": BOMB, "large": b" " * (MAX_BLOCK_BYTES + 1)}[kind])
    found, counts = rows(root)
    assert found["2019/a.jpg"]["tags"] == ["inside"]
    assert counts.get("sidecar", 0) == (kind != "folder")
