"""images.py: sizes before pixels, colour modes, damaged files, and the squares that the backbone sees."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from love_thy_neighbors.images import ImageError, image_size, read_image, to_square, write_thumbnail

RED = (255, 0, 0)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def png_header(path: Path, width: int, height: int) -> Path:
    """A PNG that claims a size and holds no pixels: whoever decodes it fails."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT")
    framed = (struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    return path


def pixel(path: Path) -> tuple[int, ...]:
    image = read_image(path, 10_000)
    assert image.mode == "RGB"
    value = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(value, tuple)
    return value


def test_over_max_pixels_is_refused_from_the_header(tmp_path: Path) -> None:
    path = png_header(tmp_path / "bomb.png", 60_000, 60_000)
    with pytest.raises(ImageError, match=r"^has 60000 x 60000 pixels, more than max_pixels=1000$"):
        read_image(path, 1000)
    assert image_size(path) == (60_000, 60_000)


@pytest.mark.parametrize("kind", ["truncated", "text", "empty", "missing", "eps", "folder"])
def test_damaged_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jpg"
    if kind == "truncated":
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        saved(Image.fromarray(noise), path)
        path.write_bytes(path.read_bytes()[:1500])
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"text": b"hello", "empty": b"", "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n"}[kind])
    with pytest.raises(ImageError):
        read_image(path, 10**6)


@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]),
    damage=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(1, 4000),
)
@settings(max_examples=150, deadline=None)
def test_damage_gives_an_image_or_an_image_error(
    kind: str, damage: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for place, value in damage:
        content[place % len(content)] = value
    path = tmp_path_factory.mktemp("damaged") / "image"
    path.write_bytes(content[:cut])
    try:
        image = read_image(path, 10_000)
    except ImageError:
        return
    assert image.mode == "RGB"
    assert image.width * image.height <= 10_000


def test_damaged_exif_does_not_cost_the_picture(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (20, 10), "white"), tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01")
    assert read_image(path, 1000).size == (20, 10)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), "white")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    assert read_image(saved(image, tmp_path / "a.jpg", exif=exif), 1000).size == (10, 20)


def test_transparency_shows_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert pixel(saved(clear, tmp_path / "a.png")) == (255, 255, 255)
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert pixel(saved(half, tmp_path / "b.png")) == (255, 127, 127)
    grey = Image.new("LA", (8, 8), (0, 0))
    assert pixel(saved(grey, tmp_path / "c.png")) == (255, 255, 255)


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    red = Image.new("RGB", (8, 8), RED).quantize(4)
    assert pixel(saved(red, tmp_path / "a.png")) == RED
    index = red.getpixel((0, 0))
    assert pixel(saved(red, tmp_path / "b.png", transparency=index)) == (255, 255, 255)
    assert pixel(saved(red, tmp_path / "c.gif")) == RED


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    deep = Image.fromarray(np.full((8, 8), 0x80FF, dtype=np.uint16))
    assert pixel(saved(deep, tmp_path / "a.png")) == (0x80, 0x80, 0x80)
    assert pixel(saved(deep, tmp_path / "a.tif")) == (0x80, 0x80, 0x80)


def test_cmyk_and_bilevel(tmp_path: Path) -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    value = pixel(saved(red, tmp_path / "a.jpg", quality=100))
    assert value[0] > 240
    assert value[1] < 20
    assert pixel(saved(Image.new("1", (8, 8), 1), tmp_path / "b.png")) == (255, 255, 255)


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((4, 4), dtype=np.float32))
    with pytest.raises(ImageError, match="floating-point"):
        read_image(saved(image, tmp_path / "a.tif"), 100)


def test_pad_keeps_the_whole_picture_on_white() -> None:
    square = to_square(Image.new("RGB", (40, 20), RED), 16, "pad")
    assert (square[8] == RED).all()
    assert (square[:4] == 255).all()
    assert (square[12:] == 255).all()


def test_crop_keeps_the_centre() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste(RED, (100, 0, 200, 100))
    square = to_square(image, 56, "crop")
    assert (square == RED).all()


@given(
    width=st.integers(1, 3000), height=st.integers(1, 60), turned=st.booleans(), fit=st.sampled_from(["crop", "pad"])
)
@settings(max_examples=40, deadline=None)
def test_any_shape_becomes_a_square(width: int, height: int, turned: bool, fit: str) -> None:
    size = (height, width) if turned else (width, height)
    square = to_square(Image.new("RGB", size, RED), 28, fit)  # type: ignore[arg-type]
    assert square.shape == (28, 28, 3)
    assert square.dtype == np.uint8
    assert (square == RED).all(axis=2).any() or (square[14, 13:15, 1] < 255).any()


@pytest.mark.parametrize(("size", "expected"), [((400, 200), (100, 50)), ((10, 20), (10, 20)), ((1, 500), (1, 100))])
def test_thumbnails(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    write_thumbnail(Image.new("RGB", size, RED), tmp_path / "a.webp", 100)
    with Image.open(tmp_path / "a.webp") as small:
        assert small.format == "WEBP"
        assert small.size == expected
