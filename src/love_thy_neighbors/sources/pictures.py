"""A picture that a source names: where it is, and whether its header shows that it can be used."""

import os
from functools import lru_cache
from pathlib import Path, PurePosixPath

from love_thy_neighbors.features.images import ImageError, image_size, picture_suffixes
from love_thy_neighbors.sources.file_names import FileNames
from love_thy_neighbors.sources.rejects import RowError


def checked_picture(images: Path, file: str, max_pixels: int, key: str = "images") -> Path:
    """The path of the picture ``file`` below ``images``; ``key`` is the setting that gives this folder.

    Raises `RowError` if the path leaves the folder, if the file is missing or is not a picture, or if its header says
    that it is larger than ``max_pixels``.
    """
    name = name_below(images, file, key)
    try:
        target = (images / name).resolve()
        if not target.is_relative_to(images.resolve()):
            raise RowError(f"has the file {file!r}, a link that leads out of {key}=")
        width, height = image_size(target)
    except ImageError as error:
        raise RowError(f"has the file {file!r}, which {error}") from None
    except (OSError, RuntimeError) as error:  # a loop of links
        raise RowError(f"has the file {file!r}, which cannot be opened ({error})") from None
    if width * height > max_pixels:
        raise RowError(f"has the file {file!r}, which has {width} x {height} pixels, more than max_pixels={max_pixels}")
    return target


def name_below(images: Path, file: str, key: str = "images") -> str:
    """The path of the existing ``file`` below ``images``, found by the rule of `file_names`; raises `RowError`."""
    path = PurePosixPath(file)
    plain = not path.is_absolute() and ".." not in path.parts and "\0" not in file
    try:
        if plain and (images / path).is_file():
            return str(path)
        changed = images.stat().st_mtime_ns
    except (OSError, ValueError) as error:  # a name that is too long
        raise RowError(f"has the file {file!r}, which cannot be opened ({error})") from None
    names = _pictures_below(images, changed)
    found = names.find(file)
    if found is not None and (images / found.path).is_file():
        return found.path
    if not plain:
        raise RowError(f"has the file {file!r}, which is not a plain path below {key}=")
    raise RowError(f"has the file {file!r}, which does not exist below {key}={names.hint(file)}")


@lru_cache(maxsize=1)
def _pictures_below(images: Path, changed: int) -> FileNames:
    """The names of all pictures below ``images``; links to folders are not followed. changed: the folder's own time of
    change, so that it is read again after one."""
    suffixes = picture_suffixes()
    paths = [
        PurePosixPath(Path(folder).relative_to(images).as_posix(), name).as_posix()
        for folder, _, names in os.walk(images)
        for name in names
        if name.rpartition(".")[2].lower() in suffixes
    ]
    return FileNames(images, sorted(paths))
