"""The settings of feature extraction, apart from the code that needs torch, so that mistakes are told at once."""

from dataclasses import dataclass

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.images import Fit, resized


@dataclass(frozen=True)
class Extraction:
    """How images become features; raises `UserError` for values of the wrong type or range.

    ``workers`` and ``device`` change the speed; everything else is part of the key.
    """

    backbone: str = "efficientnet_lite0"
    fit: Fit = "crop"
    size: int = 224  # pixels
    max_pixels: int = 100_000_000
    thumbnail: int = 104  # longer side in pixels; 0 writes none
    batch_size: int = 32
    workers: int = 4  # decoding threads; Pillow releases the interpreter lock
    device: str = "auto"

    def __post_init__(self) -> None:
        for key in ("size", "max_pixels", "thumbnail", "batch_size", "workers"):
            value, least = getattr(self, key), 0 if key == "thumbnail" else 1
            if type(value) is not int or value < least:
                raise UserError(f"{key}: must be a whole number of {least} or more, not {value}.")
        if self.fit not in ("crop", "pad"):
            raise UserError(f"fit: '{self.fit}' is not known; use crop or pad.")

    @property
    def preprocessing(self) -> str:
        """What `to_square` does, for the card."""
        if self.fit == "pad":
            return f"longer side scaled to {self.size} pixels (bicubic), padded to a square with white"
        return f"shorter side scaled to {resized(self.size)} pixels (bicubic), centre {self.size} x {self.size}"
