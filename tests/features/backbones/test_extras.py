"""timm and open_clip: the same features as the library's own network and transform give."""

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import SHORT_NAMES, Backbone, load_backbone, timm_models, weights
from love_thy_neighbors.features.backbones.preprocessing import Preprocessing, to_square
from love_thy_neighbors.features.images import read_image

CPU = torch.device("cpu")


def china() -> Image.Image:
    """A photograph of 600 x 400, which scales to whole pixels for the sizes used here."""
    return read_image(Path(load_sample_images().filenames[0]), 10**6).crop((20, 14, 620, 414))


def features(backbone: Backbone, image: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(to_square(image, backbone.preprocessing, "crop").copy())
    with torch.inference_mode():
        return backbone.forward(pixels.permute(2, 0, 1)[None].float())[0]


@pytest.mark.parametrize("name", ["test_vit.r160_in1k", "test_resnet.r160_in1k", "test_convnext"])
def test_timm_gives_the_pooled_features(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model(name)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "random.pth")
    found = load_backbone(f"timm/{name}", CPU, tmp_path / "random.pth")
    network.reset_classifier(0)
    seen = timm.data.create_transform(**timm.data.resolve_model_data_config(network))(china())[None]
    with torch.inference_mode():
        expected = network.eval()(seen)[0]
    assert expected.std() > 0
    assert found.dim == len(expected)
    assert found.name == f"timm_{name}"
    torch.testing.assert_close(features(found, china()), expected, rtol=1e-4, atol=1e-5)


def test_timm_squashes_for_networks_that_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = timm.models.get_pretrained_cfg

    def squashed(name: str, **options: Any) -> Any:
        found = registered(name, **options)
        found.crop_mode, found.crop_pct = "squash", 1.0
        return found

    monkeypatch.setattr(timm.models, "get_pretrained_cfg", squashed)
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "random.pth")
    found = load_backbone("timm/test_resnet", CPU, tmp_path / "random.pth")
    assert found.preprocessing == Preprocessing(160, 160, "bilinear", squash=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_resnt", "backbone: timm has no network 'test_resnt'"),
        ("test_resnet.nix", "backbone: timm has no network 'test_resnet.nix'; use timm/test_resnet.r160_in1k."),
        ("coatnet_0_224", "backbone: timm publishes no weights for 'coatnet_0_224'"),
        ("vit_base_patch16_sapiens2.fb", "backbone: timm/vit_base_patch16_sapiens2.fb "),
    ],
)
def test_unknown_timm_networks(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_backbone(f"timm/{name}", CPU)
    assert str(caught.value).startswith(message)


def test_timm_with_an_incomplete_checkpoint(tmp_path: Path) -> None:
    state = timm.create_model("test_vit").state_dict()
    del state["blocks.0.norm1.weight"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError) as caught:
        load_backbone("timm/test_vit", CPU, tmp_path / "a.pth")
    expected = f"weights: {tmp_path}/a.pth does not fit test_vit (it lacks blocks.0.norm1.weight)"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize("content", [{"a": torch.zeros(1)}, {"patch_embed.proj.weight": torch.zeros(1)}])
def test_timm_with_a_checkpoint_of_another_network(content: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=rf"^weights: {tmp_path}/a.pth does not fit test_vit \("):
        load_backbone("timm/test_vit", CPU, tmp_path / "a.pth")


def test_timm_downloads_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "random.pth")
    asked: list[tuple[object, ...]] = []

    def fetched(*what: object) -> weights.Weights:
        asked.append(what)
        return weights.given(tmp_path / "random.pth")

    monkeypatch.setattr(timm_models, "on_hub", fetched)
    load_backbone("timm/test_vit", CPU)
    assert asked == [("timm/test_vit", "timm/test_vit.r160_in1k", ("model.safetensors", "pytorch_model.bin"))]


TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 40, "layers": 1, "width": 64, "patch_size": 20},
    "text_cfg": {"context_length": 7, "vocab_size": 11, "width": 64, "heads": 1, "layers": 1},
}
NOTES: dict[str, Any] = {
    "url": "",
    "hf_hub": "some/tiny/",
    "mean": (0.4, 0.5, 0.6),
    "std": (0.2, 0.3, 0.1),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
TAGS = {
    "plain": NOTES,
    "squashed": NOTES | {"interpolation": "bilinear", "resize_mode": "squash"},
    "quick": NOTES | {"quick_gelu": True},
    "long": NOTES | {"resize_mode": "longest"},
}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small model registered in open_clip, with four kinds of weights; returns a random checkpoint."""
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "tiny.json").write_text(json.dumps(TINY))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [folder])
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", {})
    monkeypatch.setattr(open_clip.pretrained, "_PRETRAINED", {"tiny": TAGS})
    open_clip.factory._rescan_model_configs()
    torch.manual_seed(0)
    torch.save(open_clip.create_model("tiny").state_dict(), tmp_path / "random.pt")
    return tmp_path / "random.pt"


@pytest.mark.parametrize(
    ("name", "tag"),
    [("tiny/plain", "plain"), ("tiny/squashed", "squashed"), ("tiny/quick", "quick"), ("tiny", "plain")],
)
def test_open_clip_gives_the_image_embedding(name: str, tag: str, tiny: Path) -> None:
    found = load_backbone(f"open_clip/{name}", CPU, tiny)
    network = open_clip.create_model("tiny", pretrained=str(tiny), force_quick_gelu=tag == "quick").eval()
    keys = ("mean", "std", "interpolation", "resize_mode")
    transform = open_clip.image_transform(40, is_train=False, **{key: TAGS[tag][key] for key in keys})
    with torch.inference_mode():
        expected = network.encode_image(transform(china())[None])[0]
    assert expected.std() > 0
    assert found.dim == len(expected) == 24
    assert found.name == f"open_clip_{name.replace('/', '_')}"
    torch.testing.assert_close(features(found, china()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nix", "backbone: open_clip has no model 'nix'"),
        ("tiny/nix", "backbone: open_clip has no weights 'nix' for tiny; use plain or squashed or quick or long."),
        ("tiny/long", "backbone: open_clip/tiny/long "),
    ],
)
def test_unknown_open_clip_models(name: str, message: str, tiny: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_backbone(f"open_clip/{name}", CPU, tiny)
    assert str(caught.value).startswith(message)


def test_open_clip_with_a_checkpoint_of_another_model(tiny: Path) -> None:
    state = torch.load(tiny, weights_only=True)
    del state["visual.proj"]
    torch.save(state, tiny)
    with pytest.raises(UserError) as caught:
        load_backbone("open_clip/tiny", CPU, tiny)
    assert str(caught.value).startswith(f"weights: {tiny} does not fit tiny (it lacks visual.proj)")


def test_the_libraries_have_the_short_names() -> None:
    for full in SHORT_NAMES.values():
        library, _, name = full.partition("/")
        if library == "timm":
            assert timm.models.get_pretrained_cfg(name).hf_hub_id
        else:
            model, _, tag = name.partition("/")
            assert tag in open_clip.list_pretrained_tags_by_model(model)
            assert open_clip.get_pretrained_cfg(model, tag)["hf_hub"]
