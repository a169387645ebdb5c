"""Reads pictures from unknown sources: checks the size before decoding, and converts every colour mode to RGB.

Raises `ImageError` with the reason for an image that cannot be used.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# No EPS (it starts Ghostscript), no vector or scientific formats.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

# `read_image` has its own limit, which it checks on the header.
Image.MAX_IMAGE_PIXELS = None
# Damaged metadata does not matter here, and every worker process would print the warning again.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
Image.init()  # loads the decoders once, and not in several threads at the same time


class ImageError(Exception):
    """Why an image cannot be used; the message continues the sentence "the image ..."."""


def file_stamp(file: Path) -> bytes:
    """A line with the file's path, size and time of change, for a hash that shows whether a file has changed."""
    try:
        found = file.stat()
        line = f"{file}\0{found.st_size}\0{found.st_mtime_ns}\n"
    except OSError:
        line = f"{file}\0missing\n"
    return line.encode("utf-8", "surrogateescape")


def read_image(path: Path, max_pixels: int) -> Image.Image:
    """The picture in ``path`` as upright 8-bit RGB; transparent parts are white; of an animation, the first frame.

    Raises `ImageError` if it is missing, of an unknown format, truncated, or over ``max_pixels``, which is checked
    before decoding.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(f"has {width} x {height} pixels, more than max_pixels={max_pixels}")
            image.load()
            return _as_rgb(_upright(image))
    except ImageError:
        raise
    except Exception as error:
        raise _why(error) from None


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, read from the header; raises `ImageError` if this is no picture."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception as error:
        raise _why(error) from None


def _why(error: Exception) -> ImageError:
    """The reason for any exception, because Pillow's decoders raise many kinds on damaged files."""
    if isinstance(error, FileNotFoundError):
        return ImageError("does not exist")
    if isinstance(error, UnidentifiedImageError):
        return ImageError(f"is not in a format that is read ({', '.join(FORMATS)})")
    return ImageError(f"cannot be decoded ({error or type(error).__name__})")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the EXIF block is damaged, but the pixels are usable
        return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ImageError("has floating-point pixels, which are not supported")
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
        values = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        grey = (values >> 8).astype(np.uint8)
        if isinstance(clear := image.info.get("transparency"), int):
            grey[values == clear] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image.convert("RGB")


def write_thumbnail(image: Image.Image, path: Path, side: int) -> None:
    """Write ``image`` as WebP, its longer side at most ``side`` pixels; small images are not enlarged."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    small.save(path, "WEBP", quality=60, method=4)
