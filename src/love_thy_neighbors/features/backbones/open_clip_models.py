"""Image towers of open_clip: CLIP, SigLIP and others."""

from pathlib import Path
from typing import Any

import torch

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.backbones.preprocessing import Normalisation, Preprocessing
from love_thy_neighbors.features.backbones.weights import Weights, at_url, fitting, given, on_hub, read_state_dict

_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # open_clip's names on the Hub, best first


def load(table: str, name: str, device: torch.device, weights: Path | None) -> Backbone:
    """The image tower of ``MODEL`` or ``MODEL/PRETRAINED`` on ``device``, for the feature table ``table``.

    Without PRETRAINED, takes the first weights that open_clip lists. Raises `UserError` if open_clip has no such model
    or weights, or if ``weights`` do not fit.
    """
    import open_clip

    model, tag = _model_and_tag(open_clip, name)
    notes = open_clip.get_pretrained_cfg(model, tag) if tag else {}
    found = given(weights) if weights else _published(name, notes)
    read_state_dict(found.path)  # only for its error messages, which are better than open_clip's
    with fitting(name, found.path):
        network = open_clip.create_model(
            model,
            pretrained=str(found.path.absolute()),
            force_quick_gelu=notes.get("quick_gelu", False),  # OpenAI's weights for ViT-B-32 need it
            weights_only=True,
        )
    network.eval().requires_grad_(False).to(device)
    seen = open_clip.get_model_preprocess_cfg(network) | notes
    preprocessing = _preprocessing(name, seen)
    normalised = Normalisation(seen["mean"], seen["std"])
    with torch.inference_mode():
        size = preprocessing.size
        dim = network.encode_image(torch.zeros(1, 3, size, size, device=device)).shape[1]
    return Backbone(
        name=table,
        dim=int(dim),
        sha256=found.sha256,
        forward=lambda pixels: network.encode_image(normalised(pixels)),
        about={
            "network": f"{name} (open_clip), image tower",
            "weights": found.origin,
            "input": normalised.text(),
            "output": "image embedding, not normalised",
        },
        preprocessing=preprocessing,
    )


def _model_and_tag(open_clip: Any, name: str) -> tuple[str, str | None]:
    model, _, tag = name.partition("/")
    if model not in open_clip.list_models():
        raise UserError(f"backbone: open_clip has no model '{model}'; open_clip.list_pretrained() lists them.")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag and tag not in tags:
        known = f"use {' or '.join(tags[:5])}" if tags else f"give open_clip/{model} and weights=FILE"
        raise UserError(f"backbone: open_clip has no weights '{tag}' for {model}; {known}.")
    return model, tag or (tags[0] if tags else None)


def _published(name: str, notes: dict[str, Any]) -> Weights:
    repository = notes.get("hf_hub", "").rstrip("/")
    if repository.count("/") == 1:
        return on_hub(f"open_clip/{name}", repository, _FILES)
    if repository:  # organisation/model/file
        repository, _, file = repository.rpartition("/")
        return on_hub(f"open_clip/{name}", repository, (str(Path(file).with_suffix(".safetensors")), file))
    if notes.get("url"):
        return at_url(f"open_clip/{name}", notes["url"])
    raise UserError(f"backbone: open_clip publishes no weights for '{name}'; give a checkpoint as weights=FILE.")


def _preprocessing(name: str, seen: dict[str, Any]) -> Preprocessing:
    sides = {seen["size"]} if isinstance(seen["size"], int) else set(seen["size"])
    if len(sides) != 1 or seen["resize_mode"] not in ("shortest", "squash"):
        raise UserError(
            f"backbone: open_clip/{name} needs pictures that are not square, which is not supported; use another."
        )
    size = sides.pop()
    return Preprocessing(size, size, seen["interpolation"], squash=seen["resize_mode"] == "squash")
