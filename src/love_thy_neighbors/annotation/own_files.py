"""The names of what annotate.py writes into an annotation folder and can write again; all else is not deleted.

What people have decided (journal.jsonl, labels.csv, labels.jsonl, decisions.csv) is not among them.
"""

import re
from importlib.resources import files
from pathlib import Path

from love_thy_neighbors.annotation.files import ABOUT, PHOTOS, SCORES, SUGGESTIONS, SUGGESTIONS_CSV
from love_thy_neighbors.collection import writing as collection
from love_thy_neighbors.ownership import MARK, known_names

_SITE = [path.name for path in (files("love_thy_neighbors") / "decision_page" / "site").iterdir()]
_PAGE = (
    *map(re.escape, _SITE),
    *("data/", r"data/(index|names|values|piece-\d+)\.js"),
    *("thumbnails/", r"thumbnails/\d+/", r"thumbnails/\d+/\d+/", r"thumbnails/\d+/\d+/\d+\.webp"),
)
PAGE_NAMES = known_names(*_PAGE)  # in the folder page/
BLOCK_FILES = (  # of unfinished work, in the folder blocks/: see `joining.block_file`; and lists, also half searched
    r"\d+\.(photos|suggestions|unfinished)\.parquet",
    *(r"neighbours-\d+\.npy", r"neighbours-\d+\.blocks/", r"neighbours-\d+\.blocks/\d+-\d+\.npy"),
)
_FILES = (
    *map(re.escape, (ABOUT, PHOTOS, SUGGESTIONS, SUGGESTIONS_CSV, SCORES, MARK, "photos.json", "index.html")),
    *("page/", *(f"page/{name}" for name in _PAGE), "collection/"),
    *(r"label_studio\.(json|xml)", r"fiftyone\.json"),
    *(r"(would-write|written|would-undo|undone)\.csv", r"\.journal\.lock"),
    # Only between the end of the work and that of the program.
    *(r"(progress|key)\.json", "blocks/", *(f"blocks/{name}" for name in BLOCK_FILES)),
)
NAMES = known_names(*_FILES, f"collection/({collection.NAMES.pattern})")


def own_names(folder: Path) -> re.Pattern[str]:
    """The names of the annotation in ``folder`` (`ownership`); raises `UserError` for a foreign collection in it."""
    return known_names(*_FILES, f"collection/({collection.own_names(folder / 'collection').pattern})")
