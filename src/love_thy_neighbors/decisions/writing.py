"""Decisions written: ``python annotate.py write=annotations/spring decisions=decisions.csv to=xmp``.

A dry run, which is the default, shows what would be written and writes only the list of it.
"""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from love_thy_neighbors.annotation.files import Annotation, read_annotation
from love_thy_neighbors.decisions.journal import opened_journal
from love_thy_neighbors.decisions.label_tables import FORMATS, labels_after, write_labels
from love_thy_neighbors.decisions.listing import Listing
from love_thy_neighbors.decisions.reading import read_decisions
from love_thy_neighbors.decisions.recovery import settle
from love_thy_neighbors.decisions.sidecars import Sidecars
from love_thy_neighbors.decisions.vocabulary import read_vocabulary
from love_thy_neighbors.decisions.xmp_writing import XmpWriter
from love_thy_neighbors.errors import UserError

TARGETS = ("xmp", *FORMATS)
LISTS = {True: "would-write.csv", False: "written.csv"}


def write_decisions(
    folder: Path,
    decisions_csv: Path,
    to: str,
    *,
    dry_run: bool = True,
    photos: Path | None = None,
    naming: str = "append",
    vocabulary: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
) -> Listing:
    """Write what people decided about the annotation in ``folder``; prints what.

    to: 'xmp' writes the labels of a yes into sidecars below ``photos`` (default: the folder that the annotation names),
    which `undo` takes back; 'csv' and 'jsonl' write a table for the next training to ``out`` (default: labels.csv,
    labels.jsonl in ``folder``). overwrite: replace that file. naming: see sidecars.py; vocabulary: see
    vocabulary.py; both are of 'xmp'.

    Raises `UserError` for wrong keys and files; a sidecar that cannot be changed is skipped and listed.
    """
    _check_keys(to, {"out": out} if to == "xmp" else {"vocabulary": vocabulary, "photos": photos})
    table = None if to == "xmp" else out or folder / f"labels.{to}"
    if table is not None and (table.is_dir() or (os.path.lexists(table) and not overwrite)):
        cure = "give the name of a file" if table.is_dir() else "give a new file, or overwrite=true to replace it"
        raise UserError(f"out: {table} exists; {cure}.")
    annotation = read_annotation(folder)
    decisions = read_decisions(decisions_csv, annotation)
    listing = Listing(folder / LISTS[dry_run], dry_run)
    listing.check_place()
    if table is None:
        words = {} if vocabulary is None else read_vocabulary(vocabulary, annotation.about.labels)
        sidecars = Sidecars(_photos_folder(annotation, photos), naming)
        with nullcontext() if dry_run else opened_journal(folder) as journal:
            if journal is not None:
                settle(journal)
            XmpWriter(annotation, sidecars, words, listing, journal).write(decisions)
    else:
        labels = labels_after(annotation, decisions, listing)
        if not dry_run:
            write_labels(annotation, labels, table, to)
        listing.notes.append(f"{sum(map(bool, labels)):,} photos with labels: {table}")
    listing.finish("write")
    return listing


def _check_keys(to: str, unused: Mapping[str, object]) -> None:
    if to not in TARGETS:
        raise UserError(f"to: '{to}' is not known; use {', '.join(TARGETS)}.")
    for key, value in unused.items():
        if value is not None:
            raise UserError(f"{key}: is not used with to={to}; leave it out.")


def _photos_folder(annotation: Annotation, photos: Path | None) -> Path:
    """The folder of the pictures, absolute: undo may be started from another one."""
    if photos is None and annotation.about.photos_folder is None:
        raise UserError("photos: the annotation does not say where the photos are; give photos=FOLDER.")
    return Path(photos or annotation.folder / str(annotation.about.photos_folder)).absolute()
