"""Space is reserved before it is needed, and an error of the disk names the file that the user knows."""

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from love_thy_neighbors.atomic import folder_written_whole, write_json, write_npy, written_whole
from love_thy_neighbors.disk import NoSpaceError, naming, new_table, reserve
from love_thy_neighbors.ownership import known_names

LIMIT = 100_000


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may be larger than LIMIT bytes, as if the disk were full there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_table_has_the_bytes_that_numpy_writes(tmp_path: Path) -> None:
    new_table(tmp_path / "a.npy", "float16", (7, 5))
    np.lib.format.open_memmap(tmp_path / "b.npy", mode="w+", dtype=np.float16, shape=(7, 5))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert new_table(tmp_path / "c.npy", np.int8, (0, 5)).shape == (0, 5)


def test_a_table_that_fits_is_all_zeros_and_all_on_the_disk(tmp_path: Path) -> None:
    table = new_table(tmp_path / "a.npy", np.float32, (1000, 30))
    assert not table.any()
    table[:] = 1
    table.flush()
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= table.nbytes
    assert np.load(tmp_path / "a.npy").sum() == 30_000


@pytest.mark.usefixtures("small_files")
def test_a_table_that_does_not_fit_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError) as found:
        new_table(tmp_path / "a.npy", np.float32, (1000, 30))
    assert (found.value.errno, found.value.needed) == (errno.EFBIG, 120_128)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_files")
def test_an_array_that_does_not_fit_is_known_before_it_is_written(tmp_path: Path) -> None:
    write_npy(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(NoSpaceError) as found:
        write_npy(tmp_path / "a.npy", np.zeros(LIMIT))
    assert found.value.needed == 8 * LIMIT
    assert found.value.filename == str(tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_the_bytes_that_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(NoSpaceError) as found:
        new_table(tmp_path / "a.npy", np.int8, (10, 100))
    assert (found.value.errno, found.value.needed) == (number, 1128)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    new_table(tmp_path / "a.npy", np.int8, (10, 100))[:] = 1
    monkeypatch.delattr(os, "posix_fallocate")  # a system without the call
    new_table(tmp_path / "b.npy", np.int8, (10, 100))[:] = 1
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_an_empty_file_needs_no_space(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    reserve(tmp_path / "a", 0)
    assert (tmp_path / "a").stat().st_size == 0


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        (None, "out"),
        (7, "out"),  # the number of an open file
        ("elsewhere/a", "elsewhere/a"),
        ("out/features/a.npy", "out/features/a.npy"),
        (".out.3f2a.tmp", "out"),
        (".out.3f2a.tmp/features/a.npy", "out/features/a.npy"),
        (b".out.3f2a.tmp/a", "out/a"),
        (".outside/a", ".outside/a"),
    ],
)
def test_the_file_that_an_error_names(tmp_path: Path, named: str | bytes | int | None, shown: str) -> None:
    if isinstance(named, str):
        named = str(tmp_path / named)
    elif isinstance(named, bytes):
        named = os.fsencode(tmp_path) + b"/" + named
    with pytest.raises(OSError, match=r"Errno") as found, naming(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "full", named)
    assert found.value.filename == str(tmp_path / shown)


def test_writing_names_the_final_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"Errno") as found, written_whole(tmp_path / "a.json") as temporary:
        temporary.open("xb")
    assert found.value.filename == str(tmp_path / "a.json")
    with pytest.raises(OSError, match=r"Errno") as found, folder_written_whole(tmp_path / "a", known_names()) as folder:
        (folder / "missing" / "b").touch()
    assert found.value.filename == str(tmp_path / "a" / "missing" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Errno") as found:
        write_json(tmp_path / "file" / "a.json", {})
    assert found.value.filename == str(tmp_path / "file")
