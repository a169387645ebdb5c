"""backbones/preprocessing.py: squares of any picture, the same as torchvision's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.models import get_model_weights
from torchvision.transforms import functional

from love_thy_neighbors.features.backbones.preprocessing import Fit, Normalisation, Preprocessing, to_square
from love_thy_neighbors.features.images import read_image

RED = (255, 0, 0)


def like(size: int, squash: bool = False) -> Preprocessing:
    return Preprocessing(squash=squash).at(size)


def china(box: tuple[int, int, int, int]) -> Image.Image:
    return read_image(Path(load_sample_images().filenames[0]), 10**6).crop(box)


def test_pad_keeps_the_whole_picture_on_white() -> None:
    square = to_square(Image.new("RGB", (40, 20), RED), like(16), "pad")
    assert (square[8] == RED).all()
    assert (square[:4] == 255).all()
    assert (square[12:] == 255).all()


def test_crop_keeps_the_centre() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste(RED, (100, 0, 200, 100))
    square = to_square(image, like(56), "crop")
    assert (square == RED).all()


def test_squash_keeps_all_but_the_rim() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste(RED, (0, 0, 150, 100))
    square = to_square(image, Preprocessing(56, 56, squash=True), "crop")
    assert (square[:, :26] == RED).all()
    assert (square[:, 30:] == 255).all()


@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 60),
    turned=st.booleans(),
    fit=st.sampled_from(["crop", "pad"]),
    squash=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_shape_becomes_a_square(width: int, height: int, turned: bool, fit: Fit, squash: bool) -> None:
    size = (height, width) if turned else (width, height)
    square = to_square(Image.new("RGB", size, RED), like(28, squash), fit)
    assert square.shape == (28, 28, 3)
    assert square.dtype == np.uint8
    assert (square == RED).all(axis=2).any() or (square[14, 13:15, 1] < 255).any()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize("box", [(20, 14, 620, 414), (0, 0, 640, 427), (100, 0, 300, 401), (0, 0, 90, 91)])
@pytest.mark.parametrize(("shorter", "size"), [(256, 224), (237, 224), (224, 224)])
def test_squares_are_torchvisions(
    box: tuple[int, int, int, int], shorter: int, size: int, interpolation: str, squash: bool
) -> None:
    image = china(box)
    mode = functional.InterpolationMode(interpolation)
    scaled = functional.resize(image, [shorter, shorter] if squash else [shorter], mode)
    theirs = np.asarray(functional.center_crop(scaled, [size, size]))
    np.testing.assert_array_equal(to_square(image, Preprocessing(size, shorter, interpolation, squash), "crop"), theirs)


def test_rounding_to_the_nearest_pixel_moves_the_picture_by_half_a_pixel() -> None:
    image = china((0, 0, 640, 427))  # 383.7 pixels wide at a height of 256
    down, nearest = (to_square(image, Preprocessing(rounding=rounding), "crop") for rounding in ("down", "nearest"))
    scaled = np.asarray(image.resize((384, 256), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(nearest, scaled[16:240, 80:304])
    assert 0 < np.abs(down.astype(int) - nearest).mean() < 10


def test_normalisation_is_torchvisions() -> None:
    transform = get_model_weights("resnet50")["IMAGENET1K_V1"].transforms()
    image = china((0, 0, 224, 224))
    ours = Normalisation(transform.mean, transform.std)(functional.pil_to_tensor(image)[None].float())
    theirs = functional.normalize(functional.to_tensor(image), transform.mean, transform.std)
    torch.testing.assert_close(ours[0], theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "fit", "text"),
    [
        (Preprocessing(), "crop", "shorter side scaled to 256 pixels (bicubic), centre 224 x 224"),
        (Preprocessing(), "pad", "longer side scaled to 224 pixels (bicubic), padded to a square with white"),
        (
            Preprocessing(224, 236, "bilinear"),
            "crop",
            "shorter side scaled to 236 pixels (bilinear), centre 224 x 224",
        ),
        (Preprocessing(squash=True), "crop", "both sides scaled to 256 pixels (bicubic), centre 224 x 224"),
        (Preprocessing().at(56), "crop", "shorter side scaled to 64 pixels (bicubic), centre 56 x 56"),
    ],
)
def test_what_the_card_says(how: Preprocessing, fit: Fit, text: str) -> None:
    assert how.text(fit) == text
