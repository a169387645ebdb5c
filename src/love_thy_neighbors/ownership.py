"""Whose files these are: a folder is replaced or deleted only where all that is in it is ours.

A folder of unfinished work carries the file `MARK`. In a finished folder a file is ours if the folder's format knows
its name; each format has a pattern of these names (`known_names`). A link is never ours, because it may lead to
anybody's files.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from love_thy_neighbors.errors import UserError

MARK = ".love-thy-neighbors-unfinished"
_MARKED = "Unfinished work of Love Thy Neighbors. The same command continues it and deletes this folder at the end.\n"
_ANYTHING = re.compile(".*", re.DOTALL)
_SHOWN = 5  # names in a message
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{6}\.ltn\.tmp")


def known_names(*patterns: str) -> re.Pattern[str]:
    """The names that a format knows: regular expressions of whole paths below its folder, '/' at the end of a folder's.

    >>> bool(known_names(r"card\\.json", "features/").fullmatch("card.json"))
    True
    """
    return re.compile("|".join(patterns))


def hidden_name(path: Path, kind: str) -> Path:
    """A new name beside ``path``. kind: 'tmp' for what is being written, 'old' for what is being replaced."""
    return path.with_name(f".{path.name}.{secrets.token_hex(3)}.ltn.{kind}")


def hidden_names(path: Path, kind: str) -> list[Path]:
    """What a killed process has left beside ``path`` under a `hidden_name`."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{6}}\.ltn\.{kind}")
    if not path.parent.is_dir():
        return []
    return sorted(entry for entry in path.parent.iterdir() if name.fullmatch(entry.name) and not entry.is_symlink())


def remove_remains(path: Path) -> None:
    """Delete the unfinished files and folders that a killed process has left beside ``path``."""
    for entry in hidden_names(path, "tmp"):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def remove_remains_within(folder: Path) -> None:
    """Delete the unfinished files and folders anywhere below ``folder``, which must be ours."""
    for place, folders, files in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, folders):
            shutil.rmtree(Path(place, name))
        for name in filter(_TEMPORARY.fullmatch, files):
            Path(place, name).unlink()
        folders[:] = [name for name in folders if not _TEMPORARY.fullmatch(name)]


def strangers(folder: Path, own: re.Pattern[str], place: str = "") -> Iterator[str]:
    """The paths below ``folder`` that ``own`` does not match, '/' at the end of a folder's; and links.

    What `remove_remains` deletes is no stranger. place: the part of the folder to begin at.
    """
    with os.scandir(folder / place) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            is_folder = entry.is_dir(follow_symlinks=False)
            path = f"{place}{entry.name}{'/' * is_folder}"
            if entry.is_symlink() or not (own.fullmatch(path) or _TEMPORARY.fullmatch(entry.name)):
                yield path
            elif is_folder and own.fullmatch(path):
                yield from strangers(folder, own, path)


def require_own(folder: Path, own: re.Pattern[str], key: str = "") -> None:
    """Raise `UserError` unless ``folder`` is missing, or is a folder in which ``own`` matches all paths.

    key: what the message begins with, such as 'out: '.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        kind = "a link" if folder.is_symlink() else "not a folder"
        raise UserError(f"{key}{folder} is {kind}, so it is not replaced; move it away, or give another folder.")
    found = list(islice(strangers(folder, own), _SHOWN + 1))
    if found:
        listed = ", ".join(found[:_SHOWN]) + " and more" * (len(found) > _SHOWN)
        raise UserError(
            f"{key}{folder} holds {listed}, which this program has not written and which would be lost; move that "
            "away, or give another folder."
        )


def remove_own(folder: Path, own: re.Pattern[str], place: str = "") -> None:
    """Delete what is ours in ``folder``, and the folder too if nothing is left in it; a link is not followed."""
    if (folder / place).is_symlink() or not (folder / place).is_dir():
        return
    with os.scandir(folder / place) as entries:
        for entry in list(entries):
            if entry.is_symlink():
                continue
            if not entry.is_dir():
                path = f"{place}{entry.name}"
                if own.fullmatch(path) or _TEMPORARY.fullmatch(entry.name):
                    Path(entry).unlink()
            elif own.fullmatch(path := f"{place}{entry.name}/"):
                remove_own(folder, own, path)
            elif _TEMPORARY.fullmatch(entry.name):
                shutil.rmtree(entry)
    if not any((folder / place).iterdir()):
        (folder / place).rmdir()


def make_marked(folder: Path) -> None:
    """Make ``folder`` with our mark, unless it is there; raises `UserError` if it is not ours or has links in it."""
    if not os.path.lexists(folder):
        new = hidden_name(folder, "tmp")
        new.mkdir()
        (new / MARK).write_text(_MARKED, encoding="utf-8")
        new.rename(folder)
        return
    mark = folder / MARK
    if folder.is_symlink() or not mark.is_file() or next(strangers(folder, _ANYTHING), None) is not None:
        raise UserError(
            f"out: {folder} is needed for unfinished work, but it is not this program's, or has links in it; move it "
            "away, or give another folder."
        )


def remove_marked(folder: Path) -> None:
    """Delete a folder that `make_marked` made; if this is interrupted, `remove_remains` can end it."""
    if folder.is_dir():
        shutil.rmtree(folder.rename(hidden_name(folder, "tmp")), ignore_errors=True)
