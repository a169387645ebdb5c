"""Reads pictures from unknown sources: checks the size before decoding, and converts every colour mode to RGB.

Raises `ImageError` with the reason for an image that cannot be used.
"""

import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError, features
from PIL.ExifTags import Base

from love_thy_neighbors.features import raw_previews
from love_thy_neighbors.features.kinds import what_it_is
from love_thy_neighbors.features.raw_previews import NoPreviewError, is_raw, raw_preview

# No EPS (it starts Ghostscript), no vector or scientific formats.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"),
    *(("AVIF",) if features.check("avif") else ()),
    *(("HEIF",) if find_spec("pillow_heif") else ()),  # pip install -e '.[heif]'
)
HEIF_SUFFIXES = frozenset({"heic", "heif", "hif"})

# `read_image` has its own limit, which it checks on the header.
Image.MAX_IMAGE_PIXELS = None
# A text or colour profile over 1 MiB, Pillow's limit for one, must not cost the picture; that for all stays at 64 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
# Damaged metadata does not matter here, and every worker process would print the warning again.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
Image.init()  # loads the decoders once, and not in several threads at the same time
if "HEIF" in FORMATS:
    from pillow_heif import register_heif_opener

    register_heif_opener(decode_threads=1)  # pictures are decoded side by side, one in a process

Used = TypeVar("Used")


def picture_suffixes() -> frozenset[str]:
    """The suffixes, in lower case, of files that are read as pictures here; RAW pictures need ExifTool."""
    known = {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"}
    known |= {"avif"} if "AVIF" in FORMATS else set()
    known |= HEIF_SUFFIXES if "HEIF" in FORMATS else set()
    return frozenset(known | (raw_previews.SUFFIXES if raw_previews.exiftool() else set()))


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
    """The picture in ``path`` as upright 8-bit RGB; transparent parts are white; of an animation, the first frame; of
    a RAW picture, its preview.

    Raises `ImageError` if it is missing, of an unknown format, truncated, or over ``max_pixels``, which is checked
    before decoding.
    """

    def decoded(image: Image.Image) -> Image.Image:
        width, height = image.size
        if width * height > max_pixels:
            raise ImageError(f"has {width} x {height} pixels, more than max_pixels={max_pixels}")
        _prepare_planes(image)
        image.load()
        return _as_rgb(_upright(image))

    return with_picture(path, decoded)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, read from the header; raises `ImageError` if this is no picture."""
    return with_picture(path, lambda image: image.size)


def with_picture(path: Path, use: Callable[[Image.Image], Used]) -> Used:
    """What ``use`` returns for the opened picture in ``path``, a RAW picture's preview if it is one.

    Raises `ImageError` if there is no such picture, or for any other exception inside ``use``, because Pillow's
    decoders raise many kinds on damaged files.
    """
    try:
        file: Any = path
        if is_raw(path):
            preview = raw_preview(path)
            file = io.BytesIO(preview.jpeg)
        with Image.open(file, formats=FORMATS) as image:
            if is_raw(path) and Base.Orientation not in image.getexif():
                image.getexif()[Base.Orientation] = preview.orientation
            return use(image)
    except ImageError:
        raise
    except Exception as error:
        raise _why(path, error) from None


def _why(path: Path, error: Exception) -> ImageError:
    """The reason in plain words, for any exception."""
    if isinstance(error, FileNotFoundError):
        return ImageError("does not exist")
    if isinstance(error, NoPreviewError):
        return ImageError(str(error))
    if isinstance(error, OSError) and error.errno is not None:
        return ImageError(f"cannot be opened ({error.strerror})")
    if "MAX_TEXT_" in str(error):
        return ImageError(f"has over {PngImagePlugin.MAX_TEXT_MEMORY >> 20} MiB of text or colour profile in it")
    kind = None
    if not is_raw(path):
        try:
            kind = what_it_is(path, FORMATS)
        except OSError as refused:
            return ImageError(f"cannot be opened ({refused.strerror})")
    if kind is not None:
        return ImageError(f"is {kind}")
    if isinstance(error, UnidentifiedImageError):
        return ImageError(f"is not in a format that is read ({', '.join(FORMATS)})")
    return ImageError(f"cannot be decoded ({error or type(error).__name__})")


def _prepare_planes(image: Image.Image) -> None:
    """Let libtiff decode a TIFF of 16 bits in separate planes that is not compressed.

    Pillow's own decoder, which reads files without compression, takes the two bytes of a value for two pixels there.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.use_load_libtiff:
        return
    tags = image.tag_v2
    bits, planes = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)), tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1)
    if planes != 2 or len(bits) == 1 or max(bits) <= 8:
        return
    extra = tags.get(TiffImagePlugin.EXTRASAMPLES, ())
    if (image.mode, len(bits), extra) not in (("RGB", 3, ()), ("RGBA", 4, (2,)), ("CMYK", 4, ())):
        raise ImageError("has 16 bits a colour in separate planes, of a kind that is not read; save it with 8 bits")
    image.use_load_libtiff = True
    image.tile = [ImageFile._Tile("libtiff", (0, 0, *image.size), 0, (f"{image.mode};16N", False, tags.offset))]


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
