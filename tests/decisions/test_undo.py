"""decisions/undo.py, journal.py and recovery.py on folders of photos."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fixtures.decided import Decided, write_decided
from fixtures.sidecars import PROGRAMS
from love_thy_neighbors.decisions.encodings import to_utf8
from love_thy_neighbors.decisions.journal import JOURNAL, opened_journal
from love_thy_neighbors.decisions.keywords import Found, found_in
from love_thy_neighbors.decisions.listing import Listing
from love_thy_neighbors.decisions.packet import read_packet
from love_thy_neighbors.decisions.undo import undo
from love_thy_neighbors.decisions.writing import write_decisions
from love_thy_neighbors.errors import UserError

SPRING = ((1, "sea", "yes"), (1, "places|beach", "yes"), (2, "snow, fresh", "yes"), (3, "sea", "yes"))
SUMMER = (*SPRING, (1, "dog", "yes"), (2, "dog", "yes"), (5, "dog", "yes"))


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    made = write_decided(tmp_path)
    made.put([2], "exiftool", ("old",))
    made.put([3], "darktable", ("old",))
    return made


def write(decided: Decided, *rows: tuple[int, str, str]) -> Listing:
    return write_decisions(decided.decide(*rows).folder, decided.table, "xmp", dry_run=False)


def take_back(decided: Decided) -> Listing:
    return undo(decided.folder, dry_run=False)


def found(path: Path) -> Found:
    return found_in(read_packet(to_utf8(path.read_bytes())[0]))


def test_several_writes_are_undone_together_and_can_be_written_again(decided: Decided) -> None:
    before = decided.contents()
    write(decided, *SPRING)
    write(decided, *SUMMER)
    written = decided.contents()
    assert undo(decided.folder).counts == {"undo": 7}  # the default is a dry run
    assert decided.contents() == written
    assert take_back(decided).counts == {"undo": 7}
    assert decided.contents() == before
    assert take_back(decided).counts == {}
    assert decided.contents() == before
    write(decided, *SUMMER)
    assert decided.contents() != before
    take_back(decided)
    assert decided.contents() == before


def test_an_edit_between_and_after_the_writes_stays(decided: Decided) -> None:
    before = decided.contents()
    write(decided, *SPRING)
    text = decided.sidecar(3).read_text(encoding="utf-8")
    decided.sidecar(3).write_text(
        text.replace("<rdf:li>old</rdf:li>", "<rdf:li>old</rdf:li><rdf:li>theirs</rdf:li>", 1)
    )
    write(decided, *SUMMER, (3, "dog", "yes"))
    text = decided.sidecar(2).read_text(encoding="utf-8")
    decided.sidecar(2).write_text(text.replace("<xmp:Rating>3", "<xmp:Rating>5"))
    take_back(decided)
    after = decided.contents()
    assert found(decided.sidecar(3)) == Found(["old", "theirs"], ["old"], [])
    two = decided.files()[2] + ".xmp"
    assert after[two] == before[two].replace(b"<xmp:Rating>3", b"<xmp:Rating>5")
    assert {name for name in after if after[name] != before.get(name)} == {two, decided.files()[3] + ".xmp"}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs ExifTool")
@pytest.mark.parametrize("program", sorted(PROGRAMS.keys() - {"one_line"}))
def test_a_sidecar_that_exiftool_has_written_anew(decided: Decided, program: str) -> None:
    decided.put([1, 2, 3], program, ("old",))
    write(decided, *SPRING)
    paths = [str(decided.sidecar(number)) for number in (1, 2, 3)]
    edit = ["-xmp-dc:subject+=theirs", "-xmp-lr:hierarchicalSubject+=theirs", "-xmp:rating=5"]
    subprocess.run(["exiftool", "-q", "-overwrite_original", *edit, *paths], check=True)
    assert take_back(decided).counts == {"undo": 4}
    for number in (1, 2, 3):
        assert found(decided.sidecar(number)) == Found(["old", "theirs"], ["old", "theirs"], [])
        assert "5" in decided.sidecar(number).read_text(encoding="utf-8")


def test_a_sidecar_that_exiv2_has_written_anew(decided: Decided) -> None:
    """digiKam, darktable and Gwenview write with exiv2."""
    exiv2 = pytest.importorskip("exiv2")
    write(decided, *SPRING)
    for number in (1, 2, 3):
        image = exiv2.ImageFactory.open(str(decided.sidecar(number)))
        image.readMetadata()
        image.xmpData()["Xmp.xmp.Label"] = "theirs"
        image.writeMetadata()
    assert take_back(decided).counts == {"undo": 4}
    for number in (1, 2, 3):
        old = ["old"] if number > 1 else []
        assert found(decided.sidecar(number)) == Found(old, old, [])
        assert "theirs" in decided.sidecar(number).read_text(encoding="utf-8")


def test_what_cannot_be_undone_now_can_be_later(decided: Decided) -> None:
    before = decided.contents()
    write(decided, *SPRING)
    written = decided.contents()
    decided.sidecar(1).unlink()
    decided.sidecar(2).write_text("<broken")
    decided.sidecar(3).chmod(0o444)
    listing = take_back(decided)
    assert listing.counts == {"skip": 4}
    words = {"photo 1": "not there", "photo 2": "not valid XML", "photo 3": "read-only"}
    for entry in listing.entries:
        assert words[Path(entry.file).name.split(".")[0]] in entry.reason
    for number in (1, 2):
        decided.sidecar(number).write_bytes(written[decided.files()[number] + ".xmp"])
    decided.sidecar(3).chmod(0o644)
    assert take_back(decided).counts == {"undo": 4}
    assert decided.contents() == before


def test_a_sidecar_that_was_deleted_and_written_again(decided: Decided) -> None:
    before = decided.contents()
    write(decided, *SPRING)
    decided.sidecar(1).unlink()
    write(decided, *SPRING)
    assert take_back(decided).counts == {"undo": 6}
    assert decided.contents() == before


def test_photos_that_were_moved(decided: Decided, tmp_path: Path) -> None:
    before = decided.contents()
    write(decided, *SPRING)
    decided.photos.rename(tmp_path / "moved")
    with pytest.raises(UserError, match="photos="):
        take_back(decided)
    write_decisions(decided.decide(*SUMMER).folder, decided.table, "xmp", dry_run=False, photos=tmp_path / "moved")
    assert undo(decided.folder, dry_run=False, photos=tmp_path / "moved").counts == {"undo": 7}
    (tmp_path / "moved").rename(decided.photos)
    assert decided.contents() == before


@pytest.mark.parametrize("made", [True, False])
def test_a_line_of_a_killed_process(decided: Decided, made: bool) -> None:
    """The journal says that a change was begun; the sidecar says whether it was made. A last line may be cut off."""
    before = decided.contents()
    write(decided, *SPRING)
    path = decided.folder / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1]) == {"number": 3, "state": "done"}
    path.write_bytes(b"".join(lines[:-1]) + b'{"numb')
    name = decided.files()[3] + ".xmp"
    remains = decided.sidecar(3).with_name(f".{decided.sidecar(3).name}.abc123.ltn.tmp")
    remains.write_bytes(b"half")
    if not made:
        decided.sidecar(3).write_bytes(before[name])
    assert undo(decided.folder).counts["undo"] == 3  # a dry run writes nothing, so it settles nothing
    take_back(decided)
    assert decided.contents() == before
    states = [json.loads(line).get("state") for line in path.read_bytes().splitlines()]
    assert states.count("void") == (not made)


def test_a_killed_change_and_an_edit_after_it(decided: Decided) -> None:
    before = decided.contents()
    write(decided, *SPRING)
    path = decided.folder / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    decided.sidecar(3).write_bytes(decided.sidecar(3).read_bytes() + b"<!-- edited -->")
    take_back(decided)
    name = decided.files()[3] + ".xmp"
    assert decided.contents() == before | {name: before[name] + b"<!-- edited -->"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        '{"number": 9, "state": "done"}',
        '{"number": 1}',
        "[1]",
        '{"number": 1, "change": "write", "root": "/", "file": "a", "before": null, "after": null, "inverse": [1]}',
    ],
)
def test_a_damaged_journal_is_named(decided: Decided, line: str) -> None:
    (decided.folder / JOURNAL).write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"journal\.jsonl, line 1"):
        undo(decided.folder)


def test_a_journal_that_names_a_file_elsewhere_changes_nothing(decided: Decided, tmp_path: Path) -> None:
    write(decided, *SPRING)
    elsewhere = tmp_path / "elsewhere.xmp"
    shutil.copy(decided.sidecar(1), elsewhere)
    path = decided.folder / JOURNAL
    path.write_text(path.read_text().replace(decided.files()[1] + ".xmp", "../elsewhere.xmp"))
    assert take_back(decided).counts["skip"] == 2
    assert elsewhere.is_file()


def test_a_change_that_is_not_known_to_be_made_is_listed(decided: Decided, tmp_path: Path) -> None:
    """Its sidecar is broken now. When it is whole again, and in another place, the change is undone."""
    before = decided.contents()
    write(decided, *SPRING)
    path = decided.folder / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    written = decided.sidecar(3).read_bytes()
    decided.sidecar(3).write_bytes(b"<broken")
    assert take_back(decided).counts == {"undo": 3, "skip": 1}
    decided.sidecar(3).write_bytes(written)
    decided.photos.rename(tmp_path / "moved")
    assert undo(decided.folder, dry_run=False, photos=tmp_path / "moved").counts == {"undo": 1}
    (tmp_path / "moved").rename(decided.photos)
    assert decided.contents() == before


def test_one_process_at_a_time(decided: Decided) -> None:
    with opened_journal(decided.folder), pytest.raises(UserError, match="another process"):
        write(decided, *SPRING)
