"""What the machine refuses is one sentence that names the file; a bug is not."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import ROOT
from love_thy_neighbors.disk import NoSpaceError
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs import machine
from love_thy_neighbors.programs.machine import refusal, require_address_space


def error(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number)) if name is None else OSError(number, os.strerror(number), name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE])
def test_errors_of_the_disk(tmp_path: Path, number: int) -> None:
    sentence = refusal(error(number, str(tmp_path / "a.npy")))
    assert sentence is not None
    assert str(tmp_path / "a.npy") in sentence
    assert "\n" not in sentence


def test_a_full_disk_tells_what_is_needed_and_free(tmp_path: Path) -> None:
    full = NoSpaceError(errno.ENOSPC, "full", str(tmp_path / "not" / "made" / "a.npy"))
    full.needed = 12_345
    sentence = refusal(full)
    assert sentence is not None
    assert "12,345 bytes" in sentence
    assert "free" in sentence
    assert refusal(error(errno.ENOSPC, str(tmp_path / "a.npy"))) is not None


def test_an_error_without_a_file_names_the_place(tmp_path: Path) -> None:
    assert str(tmp_path) in str(refusal(error(errno.ENOSPC), tmp_path))
    assert refusal(error(errno.ENOSPC)) is not None


def test_numpy_s_error_without_a_number(tmp_path: Path) -> None:
    found = OSError("1000 requested and 512 written")
    found.filename = str(tmp_path / "a.npy")
    assert str(tmp_path / "a.npy") in str(refusal(found))


def test_the_cause_of_an_error_counts() -> None:
    outer = ValueError("cannot configure the log")
    outer.__cause__ = error(errno.ENOSPC, "/a/b")
    assert "/a/b" in str(refusal(outer))


@pytest.mark.parametrize(
    ("mode", "of", "words"),
    [
        (0o000, "file", "may not be read"),
        (0o400, "file", "may not be written"),
        (0o000, "folder", "may not be entered"),
    ],
)
@pytest.mark.usefixtures("rights_count")
def test_which_right_is_missing(tmp_path: Path, mode: int, of: str, words: str) -> None:
    file = tmp_path / "folder" / "file"
    file.parent.mkdir()
    file.touch()
    changed = file if of == "file" else file.parent
    changed.chmod(mode)
    try:
        sentence = refusal(error(errno.EACCES, str(file)))
    finally:
        changed.chmod(0o700)
    assert sentence is not None
    assert words in sentence
    assert str(changed) in sentence


@pytest.mark.usefixtures("rights_count")
def test_a_file_that_cannot_be_made_names_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    sentence = refusal(error(errno.EACCES, str(tmp_path / "new" / "a.json")))
    tmp_path.chmod(0o700)
    assert f"{tmp_path} may not be written" in str(sentence)


@pytest.mark.parametrize(
    "found",
    [
        MemoryError(),
        MemoryError("Unable to allocate 1.25 GiB for an array with shape (9, 9) and data type float64"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried to allocate 40 bytes."
        ),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        error(errno.ENOMEM),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_a_lack_of_memory(found: Exception) -> None:
    sentence = refusal(found)
    assert sentence is not None
    assert "memory" in sentence


def test_the_size_that_was_asked_for_is_told() -> None:
    assert "1.25 GiB" in str(refusal(MemoryError("Unable to allocate 1.25 GiB for an array with shape (9, 9)")))


@pytest.mark.parametrize(
    "bug",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "/a"),
        OSError("cannot identify image file"),
        ValueError("can't allocate memory"),
        KeyError("a"),
        ImportError("no module named a"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    assert refusal(bug) is None


@pytest.mark.parametrize(
    ("gigabytes", "enough"), [(0.5, False), (1.5, False), (2.0, False), (4.95, True), (64, True), (None, True)]
)
def test_the_address_space_is_checked_before_the_libraries_abort(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float | None, enough: bool
) -> None:
    limit = resource.RLIM_INFINITY if gigabytes is None else int(gigabytes * 1e9)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, resource.RLIM_INFINITY))
    if enough:
        require_address_space()
        return
    with pytest.raises(UserError, match=f"{gigabytes} GB"):
        require_address_space()


@pytest.mark.parametrize(("library", "gigabytes"), [(True, "5.8"), (False, "3.1")])
def test_a_torch_without_gpus_needs_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: bool, gigabytes: str
) -> None:
    (tmp_path / "lib").mkdir()
    if library:
        (tmp_path / "lib" / "libtorch_cuda.so").touch()
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(machine, "find_spec", lambda _: found)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_000_000_000, resource.RLIM_INFINITY))
    with pytest.raises(UserError, match=f"{gigabytes} GB"):
        require_address_space()


@pytest.mark.parametrize("command", ["train.py logs=logs", "report.py out=report", "neighbors.py cache=cache"])
def test_a_process_with_little_memory_is_told(tmp_path: Path, command: str) -> None:
    limited = f"ulimit -v 2000000; exec {sys.executable} {ROOT}/{command}"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        ["bash", "-c", limited], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 1
    assert "ulimit -v" in done.stderr
    assert done.stderr.count("\n") == 1
