"""Networks of torchvision, trained on ImageNet, without their last layer."""

from dataclasses import dataclass
from pathlib import Path

import torch

from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.backbones.preprocessing import Normalisation, Preprocessing
from love_thy_neighbors.features.backbones.weights import at_url, given, load_into


@dataclass(frozen=True)
class _Network:
    """``head`` is the last layer, which is removed; ``dim`` and ``output`` describe the output without it."""

    title: str
    head: str
    dim: int
    output: str


_NETWORKS = {
    "alexnet": _Network("AlexNet", "classifier.6", 4096, "fc7 after ReLU"),  # nearest to the paper's CaffeNet
    "vgg16": _Network("VGG-16", "classifier.6", 4096, "fc7 after ReLU"),
    "resnet50": _Network("ResNet-50", "fc", 2048, "mean over positions of the last block"),
    "vit_b_16": _Network("ViT-B/16", "heads.head", 768, "class token after the last layer norm"),
    "convnext_tiny": _Network("ConvNeXt-T", "classifier.2", 768, "mean over positions, after the layer norm"),
}
# The first published weights of each. Newer weights of ResNet-50, trained with label smoothing and mixing, classify
# ImageNet better but are worse as features for other data (Kornblith et al., NeurIPS 2021).
_WEIGHTS = "IMAGENET1K_V1"


def load(table: str, name: str, device: torch.device, weights: Path | None) -> Backbone:
    """The network ``name`` on ``device``; raises `UserError` if its weights are missing or do not fit."""
    from torchvision.models import get_model, get_model_weights

    kind = _NETWORKS[name]
    published = get_model_weights(name)[_WEIGHTS]
    found = given(weights) if weights else at_url(name, published.url)
    network = get_model(name, weights=None)
    load_into(network, name, found.path, kind.head)
    network.eval().requires_grad_(False).to(device)
    transform = published.transforms()
    normalised = Normalisation(transform.mean, transform.std)
    return Backbone(
        name=table,
        dim=kind.dim,
        sha256=found.sha256,
        forward=lambda pixels: network(normalised(pixels)),
        about={
            "network": f"{kind.title}, trained on ImageNet (torchvision)",
            "weights": found.origin,
            "input": normalised.text(),
            "output": kind.output,
        },
        preprocessing=Preprocessing(
            size=transform.crop_size[0], shorter=transform.resize_size[0], interpolation=transform.interpolation.value
        ),
    )
