"""Backbones: frozen networks that turn pictures into features, chosen by name.

This module imports neither torch nor the libraries of the networks, so that a wrong name is reported at once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch

BUNDLED = "efficientnet_lite0"
TORCHVISION = ("alexnet", "vgg16", "resnet50", "vit_b_16", "convnext_tiny")
# OpenAI trained CLIP with QuickGELU, for which open_clip has a separate model.
SHORT_NAMES = {
    "dinov2": "timm/vit_base_patch14_dinov2.lvd142m",
    "clip": "open_clip/ViT-B-32-quickgelu/openai",
    "siglip": "open_clip/ViT-B-16-SigLIP/webli",
}
_EXTRAS = {"timm": "timm", "open_clip": "open_clip_torch"}  # module: package
_LONG_NAME = re.compile(r"timm/[\w.-]+|open_clip/[\w.-]+(/[\w.-]+)?", re.ASCII)


@dataclass(frozen=True)
class Backbone:
    """A frozen network: ``forward`` maps RGB pixels float32 [B, 3, size, size] from 0 to 255 to features [B, dim].

    ``name`` is a plain file name, ``sha256`` the hash of the weights' file, ``about`` describes network, weights,
    input and output for the card.
    """

    name: str
    dim: int
    sha256: str
    forward: "Callable[[torch.Tensor], torch.Tensor]"
    about: dict[str, str] = field(default_factory=dict)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)


def check_name(name: str) -> None:
    """Raise `UserError` unless ``name`` is a backbone and its package is installed."""
    full = SHORT_NAMES.get(name, name)
    if full == BUNDLED or full in TORCHVISION:
        return
    if not _LONG_NAME.fullmatch(full):
        known = ", ".join((BUNDLED, *TORCHVISION, *SHORT_NAMES))
        raise UserError(f"backbone: '{name}' is not known; use {known}, timm/NAME or open_clip/MODEL/PRETRAINED.")
    module = full.split("/")[0]
    if find_spec(module) is None:
        package = _EXTRAS[module]
        raise UserError(f"backbone: '{name}' needs the package {package}; install it with pip install {package}.")


def table_name(name: str) -> str:
    """The name of a backbone's feature table, a plain file name: ``timm_resnet18`` for ``timm/resnet18``."""
    return name.replace("/", "_")


def load_backbone(name: str, device: "torch.device", weights: Path | None = None) -> Backbone:
    """The backbone ``name`` on ``device``, with the weights in the file ``weights``, or with the published weights.

    Raises `UserError` for an unknown name, and for weights that are missing, damaged or of another network.
    """
    check_name(name)
    family, _, network = SHORT_NAMES.get(name, name).partition("/")
    module = {BUNDLED: "efficientnet_lite0", "timm": "timm_models", "open_clip": "open_clip_models"}.get(family)
    loader = import_module(f"{__name__}.{module or 'torchvision_models'}")  # late, because they import torch
    backbone: Backbone = loader.load(table_name(name), network or name, device, weights)
    return backbone
