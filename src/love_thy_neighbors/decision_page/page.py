"""Writes the page of an annotation folder: index.html, and page/ with its scripts, data and thumbnails."""

import os
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.annotation.files import Annotation, read_annotation
from love_thy_neighbors.annotation.own_files import PAGE_NAMES
from love_thy_neighbors.atomic import end_replacing, folder_written_whole, written_whole
from love_thy_neighbors.decision_page.candidates import (
    Candidates,
    columns_of_photos,
    columns_of_rows,
    sorted_candidates,
)
from love_thy_neighbors.decision_page.data_scripts import write_script
from love_thy_neighbors.decision_page.details import PER_PIECE, pieces
from love_thy_neighbors.decision_page.search_data import names_of, values_of
from love_thy_neighbors.decision_page.thumbnails import PER_FOLDER, copy_thumbnails, rows_shown, thumbnail_folders
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import remove_remains
from love_thy_neighbors.progress import progress_bar

INDEX = "index.html"
PAGE = "page"


def write_page(folder: Path) -> None:
    """Write or replace the page of the annotation in ``folder``.

    The page opens from disk. It loads page/data/index.js first, then what is needed: names.js and values.js to search,
    piece-<number>.js for each photo that is opened, and page/thumbnails/<collection>/<row // 1000>/<row>.webp.
    An old page stays as it is until the new one is complete. Raises `UserError` for a folder that is not an annotation.
    """
    annotation = read_annotation(folder)
    candidates = sorted_candidates(annotation)
    for name in (PAGE, INDEX):
        remove_remains(folder / name)
    end_replacing(folder / PAGE, PAGE_NAMES)
    if not (folder / PAGE).is_dir() and os.path.lexists(folder / INDEX):
        raise UserError(f"{folder / INDEX} is not the page of this annotation, and would be replaced; move it away.")
    with folder_written_whole(folder / PAGE, PAGE_NAMES) as temporary:
        _copy_site(temporary)
        thumbnails = _write_thumbnails(annotation, temporary / "thumbnails")
        _write_data(annotation, candidates, thumbnails, temporary / "data")
    with written_whole(folder / INDEX) as path, as_file(_site() / INDEX) as source:
        shutil.copyfile(source, path)


def _site() -> Any:
    return files("love_thy_neighbors.decision_page") / "site"


def _copy_site(target: Path) -> None:
    for source in _site().iterdir():
        if source.name.endswith((".js", ".css")):
            (target / source.name).write_bytes(source.read_bytes())


def _write_thumbnails(annotation: Annotation, target: Path) -> list[np.ndarray]:
    """Truths for each of ``About.collections``, see `copy_thumbnails`."""
    shown = rows_shown(annotation)
    sources = thumbnail_folders(annotation)
    with progress_bar("Thumbnails", sum(rows.size for rows in shown)) as advance:
        return [
            copy_thumbnails(source, rows, target / str(place), advance)
            for place, (source, rows) in enumerate(zip(sources, shown, strict=True))
        ]


def _write_data(annotation: Annotation, candidates: Candidates, thumbnails: list[np.ndarray], target: Path) -> None:
    target.mkdir()
    about, photos = annotation.about, annotation.photos
    index = {
        "about": _about(annotation),
        **columns_of_rows(candidates, photos.num_rows),
        **columns_of_photos(photos, _with_thumbnail(annotation, thumbnails)),
    }
    write_script(target, "index", index)
    write_script(target, "names", names_of(photos))
    write_script(target, "values", values_of(photos, about.types))
    with progress_bar("Page", photos.num_rows) as advance:
        for number, piece in enumerate(pieces(about, photos, candidates, thumbnails)):
            write_script(target, f"piece-{number}", piece)
            advance(len(piece))


def _about(annotation: Annotation) -> dict[str, Any]:
    """What the page says about the annotation. Names of users are values here, never keys."""
    about = annotation.about
    folder = None if about.photos_folder is None else (annotation.folder.absolute() / about.photos_folder).as_uri()
    names = ("model", "run", "collection", "created", "precision", "labels", "metadata", "kinds", "types", "notes")
    return {name: getattr(about, name) for name in names} | {
        "counts": [[name, count] for name, count in about.counts.items()],
        "collections": list(about.collections),
        "photosFolder": folder,
        "perPiece": PER_PIECE,
        "perFolder": PER_FOLDER,
    }


def _with_thumbnail(annotation: Annotation, thumbnails: list[np.ndarray]) -> np.ndarray:
    """Truths [photos]: whether the photo has a thumbnail, in the collection 'new'."""
    rows = annotation.photos["row"].fill_null(-1).to_numpy()
    if "new" not in annotation.about.collections:
        return np.zeros(rows.size, bool)
    there = thumbnails[list(annotation.about.collections).index("new")]
    inside = (rows >= 0) & (rows < there.size)
    return inside & np.append(there, False)[np.where(inside, rows, -1)]
