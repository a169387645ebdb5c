"""Reading pictures that somebody else made: size checked before decoding, every colour mode turned
into RGB right.

An image that cannot be used raises `ImageError` with the reason; nothing is repaired by guessing.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Fit = Literal["crop", "pad"]
# No EPS (it starts Ghostscript), no vector or scientific formats.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
WHITE = (255, 255, 255)

# Pillow's own guard warns at one size and raises at another; `read_image` has one limit, checked on
# the header.
Image.MAX_IMAGE_PIXELS = None
Image.init()  # loads the decoders here, once, and not in several threads at the same time


class ImageError(Exception):
    """Why an image cannot be used; the message completes the sentence "the image ..."."""


def read_image(path: Path, max_pixels: int) -> Image.Image:
    """The picture in ``path`` as upright 8-bit RGB; transparency shows white, of an animation the
    first frame.

    Raises `ImageError` if it is missing, of an unknown format, truncated, or over ``max_pixels``
    (which is read from the header: nothing has been decoded by then).
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
    """Width and height in pixels, from the header alone; raises `ImageError` if there is none."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception as error:
        raise _why(error) from None


def _why(error: Exception) -> ImageError:
    """The reason for any exception: what Pillow's decoders raise on damaged files has no common class."""
    if isinstance(error, FileNotFoundError):
        return ImageError("does not exist")
    if isinstance(error, UnidentifiedImageError):
        return ImageError(f"is not in a format that is read ({', '.join(FORMATS)})")
    return ImageError(f"cannot be decoded ({error or type(error).__name__})")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block says nothing of the orientation, and the pixels are sound
        return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ImageError("has floating-point pixels, whose range is not known")
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
        grey = np.clip(np.asarray(image, dtype=np.int64), 0, 65535) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, WHITE)
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image.convert("RGB")


def resized(size: int) -> int:
    """What the shorter side is scaled to before the centre is cut out: 256 for 224."""
    return round(size * 8 / 7)


def to_square(image: Image.Image, size: int, fit: Fit) -> np.ndarray:
    """RGB pixels uint8 [size, size, 3].

    ``fit="crop"``: the shorter side is scaled to `resized` and the centre cut out, as ImageNet
    models expect of photographs. ``fit="pad"``: the longer side is scaled to ``size`` and the rest
    is white, so that nothing of a drawing is lost.
    """
    width, height = image.size
    ratio = size / max(width, height) if fit == "pad" else resized(size) / min(width, height)
    scaled = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    if fit == "crop" and max(scaled) > 8 * size:
        # A strip 1 x 100,000: cut the middle out first, or scaling it would need the memory of a
        # bomb.
        keep = max(1, round(2 * size / ratio))
        image = _centre(image, min(width, keep), min(height, keep))
        scaled = tuple(max(size, round(side * ratio)) for side in image.size)  # type: ignore[assignment]
    image = image.resize(scaled, Image.Resampling.BICUBIC)
    if fit == "crop":
        return np.asarray(_centre(image, size, size))
    canvas = Image.new("RGB", (size, size), WHITE)
    canvas.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return np.asarray(canvas)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def write_thumbnail(image: Image.Image, path: Path, side: int) -> None:
    """Write ``image`` as WebP with its longer side at most ``side`` pixels; small ones are not
    enlarged."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    small.save(path, "WEBP", quality=60, method=4)
