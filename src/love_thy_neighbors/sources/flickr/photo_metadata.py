"""Metadata of Flickr photos as a stream, from any of the supported files."""

from collections.abc import Callable, Iterator
from pathlib import Path

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.flickr.cache import is_cache, stream_cached
from love_thy_neighbors.sources.flickr.mcauley_xml import MEGABYTE, stream_photos
from love_thy_neighbors.sources.flickr.photo_tables import Photo


def megabytes(path: Path) -> int:
    """The size of the files in megabytes, for a progress bar."""
    return max(1, sum(file.stat().st_size // MEGABYTE for file in _files(path)))


def read_photo_metadata(path: Path, advance: Callable[[int], None] = lambda count: None) -> Iterator[Photo]:
    """The photos in ``path``, as a stream; ids may repeat, and are empty if the file has none.

    ``path`` is an XML file of McAuley and Leskovec, a folder of such files (photos*.xml, read in the order of their
    names), or the cache of source=flickr. ``advance`` is called with the megabytes read.

    Raises `UserError` with file and line; at once if ``path`` is none of these.
    """
    return (photo for file in _files(path) for photo in _photos(file, advance))


def _photos(file: Path, advance: Callable[[int], None]) -> Iterator[Photo]:
    photo = None
    for photo in (stream_cached if is_cache(file) else stream_photos)(file, advance):
        yield photo
    if photo is None:
        raise UserError(f"{file}: has no photo; give an XML file with <photo> elements, or another cache.")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give an XML file of photos, a folder of such files, or a cache.")
    files = sorted(file for file in path.glob("photos*.xml") if file.is_file())
    if not files:
        raise UserError(f"{path} holds no photos*.xml; give the folder with photosNUS.xml in it, or the file itself.")
    return files
