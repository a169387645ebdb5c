"""The one place that asks what services and programs write beside pictures: Google Photos, Flickr, Picasa."""

from collections.abc import Sequence
from pathlib import Path

from love_thy_neighbors.sources.folder.beside import Beside
from love_thy_neighbors.sources.folder.edited import edited_copies
from love_thy_neighbors.sources.folder.flickr_export import read_flickr_export
from love_thy_neighbors.sources.folder.picasa import read_picasa
from love_thy_neighbors.sources.folder.takeout import read_takeout
from love_thy_neighbors.sources.not_taken import NotTaken


def read_services(root: Path, pictures: Sequence[str], files: Sequence[str], not_taken: NotTaken) -> Beside:
    """What the ``files`` say of the ``pictures``; both are paths below ``root``. What cannot be used is noted."""
    beside = Beside(root, pictures, files, not_taken)
    read_flickr_export(beside)  # first, because its files are known by their names
    read_takeout(beside)
    read_picasa(beside)
    beside.edits = edited_copies(pictures, beside.dates)
    beside.counts["json_files_left_out"] = sum(path not in beside.used for path in files)
    beside.counts["pictures_in_the_trash_of_google_photos_left_out"] = len(beside.trashed)
    return beside
