"""The output of a source: the folder that is written, and the counts that are printed."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.table import Table

from love_thy_neighbors.atomic import end_replacing
from love_thy_neighbors.collection.writing import own_names
from love_thy_neighbors.disk import naming, pass_on_refusal
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import (
    MARK,
    make_marked,
    remove_marked,
    remove_remains,
    remove_remains_within,
    require_own,
)
from love_thy_neighbors.sources.release import PublishedCounts
from love_thy_neighbors.terminal import terminal

_COUNTED = ("values", "images per value", "values per image")


def check_out(out: Path, overwrite: bool, *inputs: Path) -> None:
    """Raise `UserError` if ``out`` exists and may not be replaced, or if it contains one of the ``inputs``.

    Only with ``overwrite`` a collection is replaced, and only if nothing else is in its folder.
    """
    for path in inputs:
        if path.resolve().is_relative_to(out.resolve()):
            raise UserError(f"out: {path} is an input and lies inside {out}; give a folder elsewhere.")
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise UserError(f"out: {out} is {'a link' if out.is_symlink() else 'a file'}; give a new folder.")
    if not overwrite:
        raise UserError(
            f"out: {out} exists; give a new folder, update=true to bring a collection up to date, or overwrite=true to "
            "replace it."
        )
    require_own(out, own_names(out, ["README.md"]), "out: ")  # whether it is ours, `make` knows after reading


@contextmanager
def partial_folder(out: Path, own: re.Pattern[str]) -> Iterator[Path]:
    """Yield ``<out>.partial``, the folder for unfinished work; it is removed on success.

    After an error it stays if the next run can continue from it. own: the names that ``out`` may have.
    Raises `UserError` if another process is writing the same ``out``, or if that folder is not ours.
    """
    if out.name in ("", ".."):
        raise UserError(f"out: {out} names no folder that can be replaced; give the folder's own name, or a new one.")
    partial = out.with_name(f"{out.name}.partial")
    lock = FileLock(partial / MARK)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        make_marked(partial)
        lock.acquire(timeout=0)
        if not (partial / MARK).exists():  # the process that held the lock has just finished
            raise Timeout(lock.lock_file)
        for path in (out, partial):
            remove_remains(path)
        remove_remains_within(partial)
        end_replacing(out, own)
    except Timeout:
        raise UserError(f"out: another process is preparing {out}; wait until it ends.") from None
    except OSError as error:
        pass_on_refusal(out, error)
        raise UserError(f"out: {out} cannot be made ({error}); give another folder.") from None
    try:
        with naming(partial):
            yield partial
        remove_marked(partial)
    except BaseException:
        if not (partial / "progress.json").is_file():  # no image is finished
            remove_marked(partial)
        raise
    finally:
        lock.release()


def kept_thumbnails(thumbnails: Path, rows: list[int], partial: Path) -> Path:
    """A new folder with the thumbnails of ``rows``, renumbered from 0; hard links, so the old files stay."""
    kept = partial / "kept_thumbnails"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for new, old in enumerate(rows):
        link_or_copy(thumbnails / f"{old}.webp", kept / f"{new}.webp")
    return kept


def link_or_copy(source: Path, target: Path) -> None:
    """Give the file ``source`` the second name ``target``; a copy on a file system without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def show(out: Path, images: int, statistics: dict[str, dict[str, Any]]) -> None:
    """Print the collection's path and its statistics as in the paper's Table 1."""
    shown = _table(f"{images:,} images in {out}", *_COUNTED, "images with any")
    for name, numbers in statistics.items():
        shown.add_row(name, *_counts(numbers), f"{numbers['images_with_any']:,}")
    terminal().print(shown)
    terminal().print("per value and per image: mean / median", style="dim")


def show_published(statistics: dict[str, dict[str, Any]], published: Mapping[str, PublishedCounts], title: str) -> None:
    """Print the collection's counts beside published ones, one count a line."""
    shown = _table(title, "", "here", "published")
    for name, (values, *spreads) in published.items():
        theirs = ["-" if values is None else f"{values:,}"]
        theirs += ["-" if spread is None else f"{spread[0]:g} / {spread[1]:g}" for spread in spreads]
        ours = _counts(statistics[name]) if name in statistics else ["-"] * len(_COUNTED)
        for place, cells in enumerate(zip(_COUNTED, ours, theirs, strict=True)):
            shown.add_row("" if place else name, *cells)
    terminal().print(shown)


def _table(title: str, *headings: str) -> Table:
    table = Table("", title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _counts(numbers: dict[str, Any]) -> list[str]:
    spreads = (numbers[key] for key in ("images_per_value", "values_per_image"))
    return [f"{numbers['values']:,}", *(f"{x['mean'] or 0:.6g} / {x['median'] or 0:g}" for x in spreads)]
