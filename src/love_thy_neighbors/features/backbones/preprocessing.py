"""Makes the square of pixels that a network gets from a picture, as the network's own library does it.

Does not import torch, so that the worker processes start quickly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

Fit = Literal["crop", "pad"]


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a square of ``size`` pixels.

    The shorter side is scaled to ``shorter`` pixels (with ``squash``, both sides), and then the centre is cut out.
    ``interpolation`` is one of Pillow's names in lower case. ``rounding`` is how the longer side becomes whole pixels:
    'down' in torchvision, timm and open_clip, 'nearest' elsewhere.
    """

    size: int = 224
    shorter: int = 256
    interpolation: str = "bicubic"
    squash: bool = False
    rounding: Literal["down", "nearest"] = "down"

    def at(self, size: int | None) -> "Preprocessing":
        """The same for a square of ``size`` pixels; None changes nothing."""
        if size is None:
            return self
        return replace(self, size=size, shorter=round(size * self.shorter / self.size))

    def text(self, fit: Fit) -> str:
        """A description of `to_square` for the card."""
        if fit == "pad":
            return f"longer side scaled to {self.size} pixels ({self.interpolation}), padded to a square with white"
        scaled = "both sides" if self.squash else "shorter side"
        return f"{scaled} scaled to {self.shorter} pixels ({self.interpolation}), centre {self.size} x {self.size}"


def to_square(image: Image.Image, how: Preprocessing, fit: Fit) -> np.ndarray:
    """RGB pixels uint8 [size, size, 3].

    ``fit="crop"``: the picture is scaled and the centre cut out, as in the training. ``fit="pad"``: the longer
    side is scaled to ``size`` and the rest is white, so that a drawing is seen completely.
    """
    resampling = Image.Resampling[how.interpolation.upper()]
    if fit == "pad":
        return _padded(image, how.size, resampling)
    if how.squash:
        return np.asarray(_centre(image.resize((how.shorter, how.shorter), resampling), how))
    ratio = how.shorter / min(image.size)
    if max(image.size) * ratio > 8 * how.size:
        # For example 1 x 100,000 pixels: without this cut the scaled picture would fill the memory.
        image = _middle(image, max(1, round(2 * how.size / ratio)))
        scaled = [max(how.size, round(side * ratio)) for side in image.size]
    elif how.rounding == "down":
        scaled = [how.shorter * side // min(image.size) for side in image.size]
    else:
        scaled = [round(side * ratio) for side in image.size]
    return np.asarray(_centre(image.resize((scaled[0], scaled[1]), resampling), how))


def _padded(image: Image.Image, size: int, resampling: Image.Resampling) -> np.ndarray:
    ratio = size / max(image.size)
    image = image.resize((max(1, round(image.width * ratio)), max(1, round(image.height * ratio))), resampling)
    canvas = Image.new("RGB", (size, size), "white")
    canvas.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return np.asarray(canvas)


def _middle(image: Image.Image, longest: int) -> Image.Image:
    """The middle of a strip, no side over ``longest`` pixels."""
    width, height = min(image.width, longest), min(image.height, longest)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _centre(image: Image.Image, how: Preprocessing) -> Image.Image:
    left, top = (
        round((side - how.size) / 2) if how.rounding == "down" else (side - how.size) // 2 for side in image.size
    )
    return image.crop((left, top, left + how.size, top + how.size))


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of red, green and blue, for pixels from 0 to 1."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Normalise pixels [B, 3, H, W] from 0 to 255."""
        mean, std = (pixels.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels / 255 - mean) / std

    def text(self) -> str:
        """A description for the card."""
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
        return f"(RGB / 255 - ({mean})) / ({std}), transparency on white"
