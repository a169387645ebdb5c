"""Which files are ours: a law for any folder, and links, marks and remains."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.tree import tree
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import (
    MARK,
    hidden_name,
    known_names,
    make_marked,
    remove_marked,
    remove_own,
    remove_remains,
    remove_remains_within,
    require_own,
    strangers,
)

OWN = known_names(r"card\.json", "rows/", r"rows/\d+\.npy")
OURS = ("card.json", "rows/1.npy", "rows/23.npy")
NOT_OURS = ("notes.txt", "card.json.bak", "xcard.json", "rows/1.npy~", "rows/notes.txt", "rows/x/1.npy", "photos/1.npy")


def put(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@given(st.sets(st.sampled_from(OURS)), st.sets(st.sampled_from(NOT_OURS)))
def test_exactly_what_the_format_does_not_know_stays(ours: set[str], others: set[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = put(Path(name) / "f", *ours, *others) if ours | others else Path(name) / "f"
        found = set(strangers(folder, OWN)) if folder.exists() else set()
        assert {path.split("/")[0] for path in found} <= {path.split("/")[0] for path in others}
        assert bool(found) == bool(others)
        if others:
            with pytest.raises(UserError, match="notes.txt|card|rows/|photos/"):
                require_own(folder, OWN)
        else:
            require_own(folder, OWN)
        remove_own(folder, OWN)
        left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert left == others
        assert folder.exists() == bool(others)


def test_links_are_never_ours_and_never_followed(tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere", "1.npy", "card.json")
    before = tree(elsewhere)
    folder = put(tmp_path / "f", "rows/2.npy")
    (folder / "card.json").symlink_to(elsewhere / "card.json")
    (folder / "rows" / "1.npy").symlink_to(elsewhere / "1.npy")
    (folder / "rows" / "9.npy").symlink_to("nowhere")
    assert list(strangers(folder, OWN)) == ["card.json", "rows/1.npy", "rows/9.npy"]
    remove_own(folder, OWN)
    assert {*tree(folder)} == {"card.json", "rows", "rows/1.npy", "rows/9.npy"}
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "rows").symlink_to(elsewhere)
    for place in (tmp_path / "link", tmp_path / "only"):
        remove_own(place, OWN)
        with pytest.raises(UserError, match=str(place)):
            require_own(place, OWN)
    assert tree(elsewhere) == before


def test_a_file_in_the_place_of_a_folder_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^out: {put(tmp_path, 'f') / 'f'} "):
        require_own(tmp_path / "f", OWN, "out: ")
    (tmp_path / "g" / "card.json").mkdir(parents=True)
    assert list(strangers(tmp_path / "g", OWN)) == ["card.json/"]


def test_remains_of_a_killed_process_are_removed_and_names_that_are_alike_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    hidden_name(path, "tmp").write_text("half")
    put(hidden_name(path, "tmp"), "a/b")
    alike = (".results.json.tmp", ".results.json.abcdef.tmp", ".other.json.abcdef.ltn.tmp", "results.json")
    put(tmp_path, *alike)
    hidden_name(path, "tmp").symlink_to(tmp_path)
    links = [one for one in tmp_path.iterdir() if one.is_symlink()]
    remove_remains(path)
    assert {*tree(tmp_path)} == {*alike, links[0].name}


def test_a_marked_folder_is_taken_again_and_another_is_not(tmp_path: Path) -> None:
    ours = tmp_path / "f.partial"
    make_marked(ours)
    put(ours, "half.npy")
    make_marked(ours)
    assert {*tree(ours)} == {MARK, "half.npy"}
    (ours / "stored.npy").symlink_to(tmp_path / "precious.npy")
    with pytest.raises(UserError, match=f"^out: {ours} "):
        make_marked(ours)
    remove_marked(ours)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "empty", "file", "link", "marked link", "link as mark"])
def test_what_is_not_marked_is_not_taken(tmp_path: Path, kind: str) -> None:
    partial = tmp_path / "f.partial"
    if kind == "file":
        partial.write_text("mine")
    elif "link" in kind:
        put(tmp_path / "mine", *([MARK] if kind == "marked link" else ["notes.txt"]))
        if kind == "link as mark":
            partial.mkdir()
            (partial / MARK).symlink_to(tmp_path / "mine" / "notes.txt")
        else:
            partial.symlink_to(tmp_path / "mine")
    else:
        partial.mkdir()
        put(partial, *(["notes.txt"] if kind == "folder" else []))
    before = tree(tmp_path)
    with pytest.raises(UserError, match=f"^out: {partial} "):
        make_marked(partial)
    assert tree(tmp_path) == before


def test_a_removal_that_is_cut_off_can_be_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = tmp_path / "f.partial"
    make_marked(partial)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        remove_marked(partial)
    assert not partial.exists()
    assert list(tmp_path.iterdir())
    remove_remains(partial)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_anywhere_in_our_folder_is_deleted(tmp_path: Path) -> None:
    left = ["a/.page.0a1b2c.ltn.tmp/deep/b.js", ".card.json.0a1b2c.ltn.tmp", "a/b/.c.npy.ffffff.ltn.tmp"]
    kept = ["a/b/c.npy", "a/.page.tmp", ".c.ltn.tmp", "card.json.0a1b2c.ltn.tmp"]
    for name in [*left, *kept]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "elsewhere")
    remove_remains_within(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
