"""Checked files are remembered: they are read once, and again as soon as anything about them changes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from love_thy_neighbors.collection import table_files
from love_thy_neighbors.collection.checked_files import Memory, check_once
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError

LONG_AGO = 1_600_000_000_000_000_000


class Checks:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were made a moment ago count as settled."""
    monkeypatch.setattr("love_thy_neighbors.collection.checked_files._SETTLED", -(10**15))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.npy"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def read(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A copy of the collection, and a list of what is done with each of its files."""
    folder = Path(shutil.copytree(made_up, tmp_path / "collection"))
    done: list[str] = []
    for name in ("sha256", "refuse_non_finite"):
        real: Callable[..., object] = getattr(table_files, name)

        def spied(
            path: Path, *others: object, name: str = name, real: Callable[..., object] = real, **named: object
        ) -> object:
            done.append(f"{name} {path.name}")
            return real(path, *others, **named)

        monkeypatch.setattr(table_files, name, spied)
    return folder, done


EVERYTHING = ["refuse_non_finite made_up.npy", "sha256 images.parquet", "sha256 made_up.npy"]


def test_a_second_start_reads_no_file_to_check_it(read: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, done = read
    load_collection(folder, cache=tmp_path / "cache")
    assert sorted(done) == EVERYTHING
    done.clear()
    load_collection(folder, cache=tmp_path / "cache")
    assert done == []
    load_collection(folder)  # without a cache everything is checked
    assert sorted(done) == EVERYTHING


def test_a_changed_byte_is_noticed(read: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, _ = read
    load_collection(folder, cache=tmp_path / "cache")
    path = folder / "features" / "made_up.npy"
    table = np.lib.format.open_memmap(path, mode="r+")
    table[7, 3] += 1
    table.flush()
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    with pytest.raises(UserError, match=r"made_up\.npy.*features\.made_up\.sha256"):
        load_collection(folder, cache=tmp_path / "cache")
    table[7, 3] = np.nan
    table.flush()
    for _ in range(2):  # what has failed is not remembered
        with pytest.raises(UserError, match=r"made_up\.npy: row 7"):
            load_collection(folder, cache=tmp_path / "cache")


@pytest.mark.parametrize("change", ["time", "size", "inode", "same size and time", "declared", "path"])
def test_any_change_asks_again(file: Path, tmp_path: Path, change: str) -> None:
    check, declared = Checks(), "a"
    os.utime(file, ns=(LONG_AGO, LONG_AGO))
    for _ in range(2):
        check_once(file, declared, Memory(tmp_path / "cache"), check)
    assert check.calls == 1
    if change == "time":
        os.utime(file, ns=(LONG_AGO + 1, LONG_AGO + 1))
    elif change == "size":
        file.write_bytes(b"01234567890")
        os.utime(file, ns=(LONG_AGO, LONG_AGO))
    elif change == "inode":
        other = Path(shutil.copy2(file, tmp_path / "other"))
        os.utime(other, ns=(LONG_AGO, LONG_AGO))
        other.replace(file)
    elif change == "same size and time":  # the system's own time of change tells it
        file.write_bytes(b"0123456780")
        os.utime(file, ns=(LONG_AGO, LONG_AGO))
    elif change == "declared":
        declared = "b"
    else:
        file = file.rename(tmp_path / "moved.npy")
    check_once(file, declared, Memory(tmp_path / "cache"), check)
    assert check.calls == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b'{"format": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_memory_does_no_harm(file: Path, tmp_path: Path, content: bytes) -> None:
    check = Checks()
    check_once(file, None, Memory(tmp_path / "cache"), check)
    (memory,) = (tmp_path / "cache" / "checked").iterdir()
    whole = memory.read_bytes()
    memory.write_bytes(content)
    check_once(file, None, Memory(tmp_path / "cache"), check)
    assert check.calls == 2
    assert memory.read_bytes() == whole
    check_once(file, None, Memory(tmp_path / "cache"), check)
    assert check.calls == 2


def test_a_memory_that_cannot_be_written_is_left_out(file: Path, tmp_path: Path) -> None:
    check = Checks()
    (tmp_path / "cache").write_text("a file in place of the folder")
    for _ in range(2):
        check_once(file, None, Memory(tmp_path / "cache"), check)
    assert check.calls == 2


def test_a_file_that_was_just_changed_is_not_remembered(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock may give the next change the same time."""
    monkeypatch.undo()
    check = Checks()
    for _ in range(2):
        check_once(file, None, Memory(tmp_path / "cache"), check)
    assert check.calls == 2


def test_a_file_that_changes_while_it_is_checked_is_not_remembered(file: Path, tmp_path: Path) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        file.write_bytes(b"0" * (20 + calls))

    for _ in range(2):
        check_once(file, None, Memory(tmp_path / "cache"), check)
    assert calls == 2
    assert not (tmp_path / "cache").exists()
