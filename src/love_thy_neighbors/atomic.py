"""Writes files atomically: even if the process is killed, a file is complete or does not exist."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.disk import naming, reserve


@contextmanager
def written_whole(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is renamed to ``path``, otherwise it is removed.

    The rename is atomic within one file system, so a reader sees the old file, the new file, or none. ``mode`` are the
    permissions of the file.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(mode)  # mkstemp sets 0600, but colleagues may read results
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; on success it replaces ``folder``."""
    folder = folder.absolute()
    with naming(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
        try:
            yield temporary
            temporary.chmod(0o755)
            replace_folder(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(finished: Path, folder: Path) -> None:
    """Rename ``finished`` to ``folder``, beside it; an old folder of that name is removed."""
    if not folder.exists():
        finished.rename(folder)
        return
    # A folder cannot be replaced in one rename. Between the two, both folders exist under other names.
    place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".old"))
    retired = folder.rename(place / folder.name)
    try:
        finished.rename(folder)
    except BaseException:
        retired.rename(folder)
        place.rmdir()
        raise
    shutil.rmtree(place)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` atomically as indented UTF-8 JSON with a final newline."""
    text = as_json(value)
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def as_json(value: Any) -> str:
    """The text that `write_json` writes."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write ``array`` atomically as ``.npy`` without pickle."""
    with written_whole(path) as temporary:
        reserve(temporary, array.nbytes)
        with temporary.open("r+b") as file:
            np.save(file, array, allow_pickle=False)
