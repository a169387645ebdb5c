"""Writes files atomically: even if the process is killed, a file is complete or does not exist."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.disk import naming, reserve
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import hidden_name, hidden_names, remove_own, require_own


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is renamed to ``path``, otherwise it is removed.

    The rename is atomic within one file system, so a reader sees the old file, the new file, or none. A new file's
    permissions follow the umask; a file that is replaced keeps its own.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = hidden_name(path, "tmp")
        temporary.open("xb").close()  # not tempfile, whose files are private
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            if path.is_file() and not path.is_symlink():
                shutil.copymode(path, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(folder: Path, own: re.Pattern[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; on success it replaces ``folder``, as `replace_folder` does it."""
    folder = folder.absolute()
    require_own(folder, own)
    with naming(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = hidden_name(folder, "tmp")
        temporary.mkdir()
        try:
            yield temporary
            replace_folder(temporary, folder, own)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(finished: Path, folder: Path, own: re.Pattern[str]) -> None:
    """Rename ``finished`` to ``folder``, beside it; an old folder of that name is removed, and gives its permissions.

    own: the names that the folder's format knows. Raises `UserError`, and changes nothing, if the old folder is a link
    or has anything else in it.
    """
    require_own(folder, own)
    if not folder.exists():
        finished.rename(folder)
        return
    # A folder cannot be replaced in one rename. Between the two, both folders exist under other names.
    shutil.copymode(folder, finished)
    retired = folder.rename(hidden_name(folder, "old"))
    try:
        finished.rename(folder)
    except BaseException:
        retired.rename(folder)
        raise
    remove_own(retired, own)
    if retired.exists():
        raise UserError(f"{folder} is replaced; files that somebody has added to it meanwhile are in {retired}.")


def end_replacing(folder: Path, own: re.Pattern[str]) -> None:
    """Put ``folder`` back, or delete what it replaced, if `replace_folder` was killed before it could do so."""
    for retired in hidden_names(folder, "old"):
        if not os.path.lexists(folder):
            retired.rename(folder)
        else:
            remove_own(retired, own)


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
