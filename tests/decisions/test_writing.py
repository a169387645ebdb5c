"""decisions/writing.py, xmp_writing.py, sidecars.py and listing.py on folders of photos."""

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fixtures.decided import DATE, Decided, write_decided
from fixtures.sidecars import PROGRAMS
from love_thy_neighbors.decisions.listing import Listing
from love_thy_neighbors.decisions.sidecars import MAX_BYTES
from love_thy_neighbors.decisions.undo import undo
from love_thy_neighbors.decisions.writing import write_decisions
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import folder

EXIFTOOL = pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs ExifTool")
SOME = (
    (1, "sea", "yes"),
    (1, "places|beach", "yes"),
    (2, "snow, fresh", "yes"),
    (3, "<b>bold</b>", "yes"),
    (4, "sea", "no"),
    (4, "dog", "later"),
)


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    made = write_decided(tmp_path).decide(*SOME)
    made.put([2, 4], subject=("old", "sea"))
    return made


def write(decided: Decided, to: str = "xmp", dry_run: bool = False, **options: Any) -> Listing:
    return write_decisions(decided.folder, decided.table, to, dry_run=dry_run, **options)


def exiftool(*paths: Path) -> list[dict[str, Any]]:
    command = ["exiftool", "-json", "-struct", "-charset", "utf8", *(str(path) for path in paths)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_a_dry_run_changes_nothing_and_says_what_would_be(decided: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    before, files = decided.contents(), {*decided.folder.iterdir()}
    listing = write(decided, dry_run=True)
    assert decided.contents() == before
    assert {*decided.folder.iterdir()} - files == {decided.folder / "would-write.csv"}
    assert listing.counts == {"write": 4, "no, but there": 1}
    printed = capsys.readouterr().out
    assert str(decided.folder / "would-write.csv") in printed
    assert "+ places|beach" in printed
    with (decided.folder / "would-write.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["file"], row["what"], row["label"]) for row in rows} == {
        ("2001/photo 1.jpg.xmp", "write", "sea"),
        ("2001/photo 1.jpg.xmp", "write", "places|beach"),
        ("2002/photo 2.jpg.xmp", "write", "snow, fresh"),
        ("2003/photo 3.jpg.xmp", "write", "<b>bold</b>"),
        ("2000/photo 4.jpg.xmp", "no, but there", "sea"),
    }


def test_written_twice_is_written_once_and_pictures_are_not_touched(decided: Decided) -> None:
    before = decided.contents()
    assert write(decided).counts == {"write": 4, "no, but there": 1}
    written = decided.contents()
    assert {name for name in written if written[name] != before.get(name)} == {
        "2001/photo 1.jpg.xmp",
        "2002/photo 2.jpg.xmp",
        "2003/photo 3.jpg.xmp",
    }
    assert write(decided).counts == {"there": 4, "no, but there": 1}
    assert decided.contents() == written


@EXIFTOOL
def test_exiftool_reads_keywords_and_marks(decided: Decided) -> None:
    write(decided)
    one, two, three = exiftool(*(decided.sidecar(number) for number in (1, 2, 3)))
    assert one["Subject"] == ["sea", "beach"]
    assert one["HierarchicalSubject"] == ["sea", "places|beach"]
    assert one["Written"][1] | {"Date": None} == {
        "Label": "places|beach",
        "Keyword": "places|beach",
        "Model": "neighborhood",
        "Run": "mine-neighborhood-tags-m3-M6-pool-split-split0-seed0-12345678",
        "Date": None,
    }
    assert two["Subject"] == ["old", "sea", "snow, fresh"]
    assert two["HierarchicalSubject"] == ["old", "sea", "snow, fresh"]
    assert two["Rating"] == 3
    assert three["Subject"] in ("<b>bold</b>", ["<b>bold</b>"])


@EXIFTOOL
@pytest.mark.parametrize("program", sorted(PROGRAMS.keys() - {"one_line"}))  # ExifTool wants a prefix for rdf
def test_exiftool_reads_the_sidecars_of_all_programs(decided: Decided, program: str) -> None:
    decided.put([1, 2, 3], program)
    before = exiftool(*(decided.sidecar(number) for number in (1, 2, 3)))
    write(decided)
    for old, new in zip(before, exiftool(*(decided.sidecar(number) for number in (1, 2, 3))), strict=True):
        ours = (
            "Subject",
            "HierarchicalSubject",
            "Written",
            "FileSize",
            "FileModifyDate",
            "FileAccessDate",
            "FileInodeChangeDate",
        )
        assert {key: old[key] for key in old if key not in ours} == {key: new[key] for key in new if key not in ours}
        assert len(new["HierarchicalSubject"]) > 1
        assert new["Subject"][0] == "old"


def test_source_folder_reads_them_back(decided: Decided, tmp_path: Path) -> None:
    write(decided)
    release = folder.read(folder.Options(root=decided.photos, words="none"), Extraction(), tmp_path / "partial")
    tags = {row["file"]: set(row["tags"]) for row in release.table.to_pylist()}
    files = decided.files()
    assert tags[files[1]] == {"sea", "beach", "places"}
    assert tags[files[2]] == {"old", "sea", "snow, fresh"}
    assert tags[files[3]] == {"<b>bold</b>"}
    assert tags[files[0]] == set()
    assert "sidecar_blocks_not_readable" not in release.counts


def test_the_users_words(decided: Decided, tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("label,keyword\nsea,Natur|Meer\nplaces|beach,\n", encoding="utf-8")
    counts = write(decided, vocabulary=tmp_path / "words.csv").counts
    assert counts == {"write": 3, "left out": 1}
    text = decided.sidecar(1).read_text(encoding="utf-8")
    assert "<rdf:li>Meer</rdf:li>" in text
    assert "<rdf:li>Natur|Meer</rdf:li>" in text
    assert 'neighbors:label="sea"' in text
    assert "beach" not in text


def test_naming_replace(decided: Decided) -> None:
    """A raw file is the same exposure, another picture may not be."""
    one, two = (decided.photos / decided.files()[number] for number in (1, 2))
    one.with_suffix(".CR2").write_bytes(b"raw")
    one.with_suffix(".XMP").write_text(PROGRAMS["lightroom"](["old"], []), encoding="utf-8")
    two.with_suffix(".png").write_bytes(b"png")
    listing = write(decided, naming="replace")
    assert "<rdf:li>sea</rdf:li>" in one.with_suffix(".XMP").read_text(encoding="utf-8")
    assert not one.with_suffix(".xmp").exists()
    (skipped,) = [entry for entry in listing.entries if entry.what == "skip"]
    assert two.with_suffix(".png").name in skipped.reason
    assert not two.with_suffix(".xmp").exists()


def test_sidecars_of_the_other_naming_are_mentioned(decided: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    (decided.photos / decided.files()[1]).with_suffix(".xmp").write_text(PROGRAMS["lightroom"]([], []))
    write(decided, dry_run=True)
    assert "1 of the photos" in capsys.readouterr().out


def test_a_folder_that_cannot_be_read_is_skipped(decided: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    is_symlink = Path.is_symlink

    def refuse(path: Path) -> bool:
        if path.is_relative_to(decided.photos):
            raise PermissionError(13, "Permission denied")
        return is_symlink(path)

    monkeypatch.setattr(Path, "is_symlink", refuse)
    listing = write(decided)
    assert listing.counts == {"skip": 4}
    assert all("Permission denied" in entry.reason for entry in listing.entries)


def test_more_files_than_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decided = write_decided(tmp_path, 30).decide(*((number, "sea", "yes") for number in range(30)))
    write(decided, dry_run=True)
    printed = capsys.readouterr().out
    assert printed.count(": + sea") == 20
    assert "30 labels in 30 files" in printed
    assert (decided.folder / "would-write.csv").read_text().count(".xmp,write,sea,sea,") == 30


def test_permissions_stay(decided: Decided) -> None:
    decided.sidecar(2).chmod(0o640)
    write(decided)
    assert decided.sidecar(2).stat().st_mode & 0o777 == 0o640


def test_what_is_skipped_is_listed_with_a_reason(tmp_path: Path) -> None:
    """Each photo has another obstacle; the last one has none."""
    decided = write_decided(tmp_path).decide(*((number, "sea", "yes") for number in range(10)))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.xmp").write_text(PROGRAMS["lightroom"]([], []))
    (outside / "a.jpg").write_bytes(b"a")
    decided.put(range(6))
    decided.sidecar(0).write_text("<broken")
    decided.sidecar(1).chmod(0o444)
    decided.sidecar(2).unlink()
    decided.sidecar(2).symlink_to(outside / "a.xmp")
    (decided.photos / decided.files()[3]).unlink()
    with decided.sidecar(4).open("ab") as file:
        file.truncate(MAX_BYTES + 1)
    decided.sidecar(5).unlink()
    decided.sidecar(5).mkdir()
    (decided.photos / decided.files()[6]).unlink()
    (decided.photos / decided.files()[6]).symlink_to(outside / "a.jpg")
    decided.sidecar(7).symlink_to(decided.photos / "nothing.xmp")
    decided.sidecar(8).symlink_to(decided.sidecar(8))
    before = {path: path.read_bytes() for path in outside.iterdir()}
    for dry_run in (True, False):
        listing = write(decided, dry_run=dry_run)
        assert listing.counts == {"skip": 9, "write": 1}
        reasons = {Path(entry.file).name.removesuffix(".xmp"): entry.reason for entry in listing.entries}
        words = (
            "not valid XML",
            "read-only",
            "leads out",
            "missing",
            "16 MB",
            "not a file",
            "leads out",
            "link",
            "link",
        )
        for number, word in enumerate(words):
            assert word in reasons[f"photo {number}.jpg"], number
    assert {path: path.read_bytes() for path in outside.iterdir()} == before
    assert decided.sidecar(2).is_symlink()


def test_a_read_only_folder_is_skipped(decided: Decided) -> None:
    decided.sidecar(1).parent.chmod(0o555)
    try:
        listing = write(decided)
    finally:
        decided.sidecar(1).parent.chmod(0o755)
    assert listing.counts["skip"] == 2
    assert not decided.sidecar(1).exists()


def test_a_link_within_the_folder_is_followed_and_stays(decided: Decided) -> None:
    target = decided.photos / "kept.xmp"
    target.write_text(PROGRAMS["lightroom"](["old"], []), encoding="utf-8")
    before = target.read_bytes()
    decided.sidecar(1).symlink_to(target)
    write(decided)
    assert decided.sidecar(1).is_symlink()
    assert b"<rdf:li>sea</rdf:li>" in target.read_bytes()
    undo(decided.folder, dry_run=False)
    assert target.read_bytes() == before
    assert decided.sidecar(1).is_symlink()


def test_a_disk_that_fails_is_listed(decided: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    from love_thy_neighbors.decisions import sidecars

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    before = decided.contents()
    with monkeypatch.context() as patch:
        patch.setattr(sidecars, "written_whole", full)
        listing = write(decided)
    assert listing.counts == {"skip": 4, "no, but there": 1}
    assert decided.contents() == before
    assert undo(decided.folder, dry_run=False).counts == {}
    assert write(decided).counts["write"] == 4


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"to": "iptc"}, "to"),
        ({"naming": "both"}, "naming"),
        ({"photos": Path("/nowhere/at/all")}, "photos"),
        ({"to": "csv", "vocabulary": Path("words.csv")}, "vocabulary"),
        ({"to": "xmp", "out": Path("labels.csv")}, "out"),
    ],
)
def test_wrong_keys_are_named(decided: Decided, options: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=f"^{key}: "):
        write(decided, **options)


def test_the_marks_have_the_date_of_the_decision(decided: Decided) -> None:
    write(decided)
    assert f'neighbors:date="{DATE}"' in decided.sidecar(1).read_text(encoding="utf-8")
