"""Replaced folders, and permissions of what is written."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.tree import tree
from love_thy_neighbors.atomic import end_replacing, folder_written_whole, replace_folder, write_json, written_whole
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import known_names

OWN = known_names(r"card\.json")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(folder: Path, text: str = "new") -> None:
    with folder_written_whole(folder, OWN) as temporary:
        (temporary / "card.json").write_text(text)


@pytest.mark.parametrize(
    ("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o002, 0o664, 0o775), (0o022, 0o644, 0o755)]
)
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, file: int, folder: int) -> None:
    with umask(mask):
        write_json(tmp_path / "new" / "a.json", 1)
        write(tmp_path / "f")
    assert mode(tmp_path / "new" / "a.json") == mode(tmp_path / "f" / "card.json") == file
    assert mode(tmp_path / "new") == mode(tmp_path / "f") == folder


def test_what_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    (tmp_path / "a.json").chmod(0o640)
    write_json(tmp_path / "a.json", 2)
    assert mode(tmp_path / "a.json") == 0o640
    write(tmp_path / "f")
    (tmp_path / "f").chmod(0o700)
    write(tmp_path / "f")
    assert mode(tmp_path / "f") == 0o700


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "a.json").symlink_to(tmp_path / "precious")
    write_json(tmp_path / "a.json", 1)
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("what", ["file", "folder", "link", "itself a link", "itself a file"])
def test_a_folder_with_anything_else_is_not_replaced(tmp_path: Path, what: str) -> None:
    write(tmp_path / "f", "old")
    if what == "file":
        (tmp_path / "f" / "notes.txt").write_text("mine")
    elif what == "folder":
        (tmp_path / "f" / "photos").mkdir()
    elif what == "link":
        (tmp_path / "f" / "x").symlink_to(tmp_path)
    else:
        (tmp_path / "f").rename(tmp_path / "g")
        if what == "itself a link":
            (tmp_path / "f").symlink_to(tmp_path / "g")
        else:
            (tmp_path / "f").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=str(tmp_path / "f")):
        write(tmp_path / "f")
    assert tree(tmp_path) == before


def test_what_comes_while_the_new_folder_is_written_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "f", "old")
    with pytest.raises(UserError, match=r"notes\.txt"), folder_written_whole(tmp_path / "f", OWN):
        (tmp_path / "f" / "notes.txt").write_text("mine")
    assert tree(tmp_path) == {"f": "folder", "f/card.json": b"old", "f/notes.txt": b"mine"}


def test_what_comes_between_the_two_renames_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "f", "old")
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        if self == tmp_path / "f":
            (self / "notes.txt").write_text("mine")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(UserError) as caught:
        write(tmp_path / "f")
    (kept,) = tmp_path.rglob("notes.txt")
    assert str(kept.parent) in str(caught.value)
    assert (tmp_path / "f" / "card.json").read_text() == "new"


@pytest.mark.parametrize("renames", [1, 2])
def test_a_kill_between_the_renames_can_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    write(tmp_path / "f", "old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "card.json").write_text("new")
    rename, done = Path.rename, 0

    def killed(self: Path, target: Path) -> Path:
        nonlocal done
        if done == renames:
            raise SystemExit
        done += 1
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        patched.setattr("love_thy_neighbors.atomic.remove_own", lambda *_: exit())
        with pytest.raises(SystemExit):
            replace_folder(tmp_path / "new", tmp_path / "f", OWN)
    end_replacing(tmp_path / "f", OWN)
    left = {path.name: path for path in tmp_path.iterdir()}
    assert left.keys() == ({"f", "new"} if renames == 1 else {"f"})
    assert (left["f"] / "card.json").read_text() == ("old" if renames == 1 else "new")


def test_a_name_that_is_taken_is_nobodys_to_delete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    monkeypatch.setattr("love_thy_neighbors.atomic.hidden_name", lambda *_: taken)
    with pytest.raises(FileExistsError), written_whole(tmp_path / "a"):
        pass
    assert taken.read_text() == "mine"
