"""Metadata of Flickr photos, one photo after the other, from any file that this project reads it from."""

from collections.abc import Callable, Iterator
from pathlib import Path

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.flickr.cache import is_cache, stream_cached
from love_thy_neighbors.sources.flickr.mcauley_xml import MEGABYTE, stream_photos
from love_thy_neighbors.sources.flickr.photo import Photo

__all__ = ["Photo", "megabytes", "read_photo_metadata"]


def megabytes(path: Path) -> int:
    """How often `read_photo_metadata` will call ``advance(1)``, near enough for a progress bar."""
    return max(1, sum(file.stat().st_size // MEGABYTE for file in _files(path)))


def read_photo_metadata(path: Path, advance: Callable[[int], None] = lambda count: None) -> Iterator[Photo]:
    """The photos that ``path`` describes, as a stream; ids may repeat, or be empty where the file gives none.

    ``path`` is an XML file of McAuley and Leskovec, a folder with one or more of them (photos*.xml, read in the order
    of their names), or the cache that source=flickr wrote. ``advance`` is told of megabytes as they are read.

    Raises `UserError` with file, line and cure, at once if ``path`` is none of these.
    """
    files = _files(path)

    def photos() -> Iterator[Photo]:
        for file in files:
            count = 0
            for photo in (stream_cached if is_cache(file) else stream_photos)(file, advance):
                count += 1
                yield photo
            if not count:
                raise UserError(f"{file}: holds no photo; give an XML file with <photo> elements, or another cache.")

    return photos()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give an XML file of photos, a folder of such files, or a cache.")
    files = sorted(file for file in path.glob("photos*.xml") if file.is_file())
    if not files:
        raise UserError(f"{path} holds no photos*.xml; give the folder with photosNUS.xml in it, or the file itself.")
    return files
