"""A picture that a source names: where it is, and whether its header shows that it can be used."""

from pathlib import Path, PurePosixPath

from love_thy_neighbors.features.images import ImageError, image_size
from love_thy_neighbors.sources.rejects import RowError


def checked_picture(images: Path, file: str, max_pixels: int, key: str = "images") -> Path:
    """The path of the picture ``file`` below ``images``; ``key`` is the setting that gives this folder.

    Raises `RowError` if the path leaves the folder, if the file is missing or is not a picture, or if its header says
    that it is larger than ``max_pixels``.
    """
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or "\0" in file:
        raise RowError(f"has the file {file!r}, which is not a plain path below {key}=")
    try:
        target = (images / path).resolve()
        if not target.is_relative_to(images.resolve()):
            raise RowError(f"has the file {file!r}, a link that leads out of {key}=")
        if not target.is_file():
            raise RowError(f"has the file {file!r}, which does not exist below {key}=")
        width, height = image_size(target)
    except ImageError as error:
        raise RowError(f"has the file {file!r}, which {error}") from None
    except (OSError, RuntimeError) as error:  # a name that is too long, a loop of links
        raise RowError(f"has the file {file!r}, which cannot be opened ({error})") from None
    if width * height > max_pixels:
        raise RowError(f"has the file {file!r}, which has {width} x {height} pixels, more than max_pixels={max_pixels}")
    return target
