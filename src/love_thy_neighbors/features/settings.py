"""The settings of feature extraction. Without torch, so that a wrong setting is reported at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from love_thy_neighbors.cluster.engine import LOCAL, Engine
from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.features.backbones import BUNDLED, check_name
from love_thy_neighbors.features.backbones.preprocessing import Fit

Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Extraction:
    """How images become features; raises `UserError` for values of the wrong type or range.

    ``workers``, ``device`` and ``engine`` change only the speed; the features depend on everything else.
    """

    backbone: str = BUNDLED
    weights: Path | None = None  # a checkpoint; None takes the published weights
    fit: Fit = "crop"
    size: int | None = None  # pixels; None is the backbone's own
    max_pixels: int = 100_000_000
    thumbnail: int = 104  # longer side in pixels; 0 writes none
    batch_size: int = 32
    workers: int = 4  # processes that decode; 0 decodes in this one
    device: str = "auto"
    precision: Precision = "auto"
    engine: Engine = LOCAL

    def __post_init__(self) -> None:
        for key, least in {"max_pixels": 1, "thumbnail": 0, "batch_size": 1, "workers": 0}.items():
            require_whole(key, getattr(self, key), least)
        if self.size is not None:
            require_whole("size", self.size, 1)
        if self.fit not in ("crop", "pad"):
            raise UserError(f"fit: '{self.fit}' is not known; use crop or pad.")
        if self.precision not in ("auto", "float32", "bfloat16", "float16"):
            raise UserError(f"precision: '{self.precision}' is not known; use auto, float32, bfloat16 or float16.")
        check_name(self.backbone)
        if self.weights is not None and not self.weights.is_file():
            raise UserError(f"weights: {self.weights} is not a file; give a checkpoint (.pth, .pt or .safetensors).")
