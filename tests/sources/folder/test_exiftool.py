"""sources/folder/exiftool.py: what our reader leaves, and an ExifTool that is old, hangs or says nonsense."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from fixtures.folder import iptc, picture, saved, with_iptc, xmp
from fixtures.photo_folder_embedded import listed, packet, said
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, exiftool, read
from love_thy_neighbors.sources.folder.exiftool import ExifTool
from love_thy_neighbors.sources.release import Release

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="apt-get install libimage-exiftool-perl")
# Starts with the property that expat stops at; ExifTool goes on behind it.
BROKEN = packet("<dc:title>a <b</dc:title>" + listed("dc:subject", ["sea", "2019", "Küste"]))


def read_from(root: Path, **options: object) -> Release:
    return read(Options(root=root, **options), Extraction(), root.with_name("mine.partial"))  # type: ignore[arg-type]


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str, answer: str) -> None:
    """An ``exiftool`` on PATH that says its version, and then runs ``answer`` for each picture."""
    program = folder / "bin" / "exiftool"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys, time\nlines = []\nfor line in sys.stdin:\n    lines.append(line.strip())\n"
        "    if lines[-1] == '-execute':\n"
        f"        if '-ver' in lines:\n            print({version!r}, flush=True)\n        else:\n            {answer}\n"
        "        print('{ready}', flush=True)\n        lines = []\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@needs_exiftool
def test_a_block_that_our_reader_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(said(BROKEN))
    (tmp_path / "sound.jpg").write_bytes(saved(picture(seed=1), xmp=xmp(("wind",))))
    without, release = read_from(tmp_path, exiftool=False), read_from(tmp_path)
    tags = {row["id"]: row["tags"] for row in release.table.to_pylist()}
    assert tags == {"broken.jpg": ["2019", "Küste", "sea"], "sound.jpg": ["wind"]}
    assert release.counts["metadata_read_by_exiftool"] == 1
    assert not release.not_taken.listed()
    assert [entry["first"] for entry in without.not_taken.listed()] == ["broken.jpg"]


@needs_exiftool
@pytest.mark.parametrize(
    "name", ["plain.jpg", "-ver.jpg", "two\nlines.jpg", " space .jpg", "back\\slash.jpg", "#é.jpg"]
)
def test_all_fields_whatever_the_name(name: str, tmp_path: Path) -> None:
    fields = iptc((2, 25, b"K\xfcste"), (2, 25, b"Meer"), (2, 5, b"old"), (2, 80, b"Bob"))
    trees = listed("digiKam:TagsList", ["Places/Rome"]) + listed("lr:hierarchicalSubject", ["Animals|Cat"])
    content = xmp(
        ("sea", "a; b"),
        "A title",
        "Ann",
        more=trees.replace("<digiKam:TagsList", "<digiKam:TagsList xmlns:digiKam='http://www.digikam.org/ns/1.0/'"),
    )
    (tmp_path / name).write_bytes(with_iptc(saved(picture(), xmp=content), fields))
    with ExifTool() as tool:
        blocks = tool.read(tmp_path / name)
    assert blocks["xmp"].keywords == ["sea", "a; b"]
    assert blocks["xmp"].paths == ["Animals|Cat", "Places|Rome"]
    assert (blocks["xmp"].titles, blocks["xmp"].artists) == (["A title"], ["Ann"])
    assert blocks["iptc"].keywords == ["Küste", "Meer"]
    assert (blocks["iptc"].titles, blocks["iptc"].artists) == (["old"], ["Bob"])


@needs_exiftool
def test_the_charset_is_used_there_too(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(with_iptc(saved(picture()), iptc((2, 25, "море".encode("cp1251")))))
    with ExifTool(charset="cp1251") as tool:
        assert tool.read(tmp_path / "a.jpg")["iptc"].keywords == ["море"]


@needs_exiftool
def test_a_file_that_is_nothing_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with ExifTool() as tool:
        assert tool.read(tmp_path / "a.jpg") == {}
        assert tool.read(tmp_path / "b.jpg") == {}


def test_an_old_exiftool_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(tmp_path, monkeypatch, "12.23", 'print(\'[{"XMP-dc:Subject": "never"}]\')')
    with ExifTool() as tool:
        assert tool.read(tmp_path / "a.jpg") == {}
        assert tool.read(tmp_path / "a.jpg") == {}
    assert capsys.readouterr().err.count("ExifTool 12.23") == 1


ANSWERS = {
    "no JSON": "print('Error: something')",
    "another JSON": "print('[1]')",
    "an empty list": "print('[]')",
    "it ends": "sys.exit(1)",
    "it never ends": "time.sleep(1000)",
    "a flood": "[print('x' * 1000) for _ in range(100)]",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_exiftool_that_fails_takes_nothing_away(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exiftool, "SECONDS", 1)
    monkeypatch.setattr(exiftool, "_MOST_BYTES", 10_000)
    fake(tmp_path, monkeypatch, "12.57", ANSWERS[name])
    (tmp_path / "photos").mkdir()
    fields = iptc((2, 25, b"kept"))
    (tmp_path / "photos/a.jpg").write_bytes(with_iptc(said(BROKEN), fields))
    release = read_from(tmp_path / "photos")
    assert [row["tags"] for row in release.table.to_pylist()] == [["kept"]]
    assert [entry["not_taken"] for entry in release.not_taken.listed()] == ["xmp block"]
    assert "metadata_read_by_exiftool" not in release.counts


def test_it_is_not_started_for_sound_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, monkeypatch, "12.57", 'print(\'[{"XMP-dc:Subject": "never"}]\')')
    (tmp_path / "a.jpg").write_bytes(said(xmp(("sea",))))
    started: list[object] = []
    monkeypatch.setattr(exiftool.subprocess, "Popen", lambda *options, **more: started.append(options))
    assert [row["tags"] for row in read_from(tmp_path).table.to_pylist()] == [["sea"]]
    assert not started


def test_exiftool_must_be_true_or_false(tmp_path: Path) -> None:
    from love_thy_neighbors.errors import UserError

    with pytest.raises(UserError, match="exiftool: "):
        Options(root=tmp_path, exiftool="no")  # type: ignore[arg-type]


def test_an_exiftool_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(tmp_path, monkeypatch, "12.57", "sys.exit(1)")
    with ExifTool() as tool:
        for _ in range(exiftool.MOST_FAILURES + 2):
            assert tool.read(tmp_path / "a.jpg") == {}
        assert tool.program is None
    assert capsys.readouterr().err.count("not asked again") == 1
