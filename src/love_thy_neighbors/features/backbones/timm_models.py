"""Networks of timm (PyTorch Image Models): DINOv2 and hundreds more."""

from math import floor
from pathlib import Path
from typing import Any

import torch

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.backbones.preprocessing import Normalisation, Preprocessing
from love_thy_neighbors.features.backbones.weights import Weights, at_url, fitting, given, on_hub, read_state_dict

_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm calls its weights on the Hub, best first


def load(table: str, name: str, device: torch.device, weights: Path | None) -> Backbone:
    """timm's network ``name`` on ``device``, pooled and without classifier, for the feature table ``table``.

    Raises `UserError` if timm has no such network or no weights for it, or if ``weights`` do not fit.
    """
    import timm

    config = _config(timm, name)
    preprocessing = _preprocessing(timm, name, config)
    found = given(weights) if weights else _published(name, config)
    read_state_dict(found.path)  # only for its error messages, which are better than timm's
    with fitting(name, found.path):
        # timm renames the keys of some checkpoints while it loads them. It reports missing keys only if the network
        # has its classifier, so the classifier is removed after loading.
        source = {"file": str(found.path), "custom_load": False}
        network: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=source)
    network.reset_classifier(0)
    network.eval().requires_grad_(False).to(device)
    normalised = Normalisation(config["mean"], config["std"])
    return Backbone(
        name=table,
        dim=_dim(name, network, preprocessing.size, device),
        sha256=found.sha256,
        forward=lambda pixels: network(normalised(pixels)),
        about={
            "network": f"{name} (timm)",
            "weights": found.origin,
            "input": normalised.text(),
            "output": "pooled features before the classifier",
        },
        preprocessing=preprocessing,
    )


def _config(timm: Any, name: str) -> dict[str, Any]:
    """timm's config of ``name``: where its weights are, and how its pictures were prepared."""
    try:
        return dict(timm.models.get_pretrained_cfg(name, allow_unregistered=False).to_dict())
    except RuntimeError:
        similar = timm.list_models(f"*{name.split('.')[0]}*", pretrained=True)[:3]
        cure = f"use timm/{' or timm/'.join(similar)}" if similar else "timm.list_models(pretrained=True) lists them"
        raise UserError(f"backbone: timm has no network '{name}'; {cure}.") from None


def _preprocessing(timm: Any, name: str, config: dict[str, Any]) -> Preprocessing:
    data = timm.data.resolve_data_config(pretrained_cfg=config)
    channels, height, width = data["input_size"]
    if channels != 3 or height != width or data["crop_mode"] not in ("center", "squash"):
        raise UserError(
            f"backbone: timm/{name} needs pictures that are not square RGB, which is not supported; use another."
        )
    return Preprocessing(
        size=height,
        shorter=floor(height / data["crop_pct"]),  # as timm.data.transforms_imagenet_eval rounds it
        interpolation=data["interpolation"],
        squash=data["crop_mode"] == "squash",
    )


def _published(name: str, config: dict[str, Any]) -> Weights:
    if config.get("hf_hub_id"):
        return on_hub(f"timm/{name}", config["hf_hub_id"], _FILES)
    if config.get("url"):
        return at_url(f"timm/{name}", config["url"])
    raise UserError(f"backbone: timm publishes no weights for '{name}'; give a checkpoint as weights=FILE.")


def _dim(name: str, network: torch.nn.Module, size: int, device: torch.device) -> int:
    with torch.inference_mode():
        features = network(torch.zeros(1, 3, size, size, device=device))
    if features.ndim != 2:
        raise UserError(f"backbone: timm/{name} returns {list(features.shape[1:])} and not a vector; use another.")
    return int(features.shape[1])
