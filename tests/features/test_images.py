"""images.py: the size check before decoding, damaged files, and all colour modes against independent readers."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, TiffImagePlugin, WebPImagePlugin
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from love_thy_neighbors.features.images import ImageError, image_size, read_image, write_thumbnail

RED = (255, 0, 0)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def png_header(path: Path, width: int, height: int) -> Path:
    """A PNG with a size and no pixels: decoding it fails."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT")
    framed = (struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    return path


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def pixel(path: Path) -> tuple[int, ...]:
    image = read_image(path, 10_000)
    assert image.mode == "RGB"
    value = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(value, tuple)
    return value


def claimed(path: Path, kind: str) -> Path:
    """A small picture whose header claims 60,000 pixels a side (WebP: 16,000), where that kind has the size."""
    if kind == "PNG":
        return png_header(path, 60_000, 60_000)
    content = bytearray(saved(Image.new("RGB", (8, 8)), path, format=kind).read_bytes())
    if kind == "JPEG":
        place = content.index(b"\xff\xc0") + 5
        content[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
    elif kind == "GIF":
        place = content.index(b",") + 5
        content[6:10] = content[place : place + 4] = struct.pack("<HH", 60_000, 60_000)
    elif kind == "BMP":
        content[18:26] = struct.pack("<ii", 60_000, 60_000)
    elif kind == "WEBP":
        place = content.index(b"\x9d\x01\x2a") + 3
        content[place : place + 4] = struct.pack("<HH", 16_000, 16_000)
    else:
        for tag in (256, 257):  # ImageWidth, ImageLength: one number each, of two or four bytes
            place = next(i for i in range(len(content)) if struct.unpack_from("<HHII", content, i)[::2] == (tag, 1))
            content[place + 2 : place + 12] = struct.pack("<HII", 4, 1, 60_000)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_over_max_pixels_is_refused_before_anything_is_decoded(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = claimed(tmp_path / "bomb", kind)
    side = 16_000 if kind == "WEBP" else 60_000
    for plugin in (ImageFile.ImageFile, WebPImagePlugin.WebPImageFile, TiffImagePlugin.TiffImageFile):
        monkeypatch.setattr(plugin, "load", lambda image: pytest.fail("the picture was decoded"))
    with pytest.raises(ImageError, match=rf"^has {side} x {side} pixels, more than max_pixels=1000$"):
        read_image(path, 1000)
    assert image_size(path) == (side, side)


@pytest.mark.parametrize("kind", ["text", "empty", "missing", "eps", "folder", "svg"])
def test_files_that_are_no_pictures(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jpg"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"text": b"hello", "empty": b"", "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n", "svg": b"<svg/>"}[kind])
    with pytest.raises(ImageError):
        read_image(path, 10**6)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, kept: float) -> None:
    path = saved(Image.fromarray(noise(64, 64)), tmp_path / "a", format=kind)
    assert read_image(path, 10**6).size == (64, 64)
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * kept)])
    with pytest.raises(ImageError, match="cannot be decoded|is not in a format"):
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


def test_a_picture_with_damaged_exif_is_read(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (20, 10), "white"), tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01")
    assert read_image(path, 1000).size == (20, 10)


# What the eight values of EXIF's Orientation say: how the stored rows and columns become the upright picture.
UPRIGHT = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
def test_exif_rotation_is_applied_once(orientation: int, kind: str, tmp_path: Path) -> None:
    stored = noise(5, 9)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "webp" else {}
    path = saved(Image.fromarray(stored), tmp_path / f"a.{kind}", exif=exif, **options)
    np.testing.assert_array_equal(np.asarray(read_image(path, 1000)), UPRIGHT[orientation](stored))


def test_exif_rotation_of_a_jpeg(tmp_path: Path) -> None:
    image = Image.new("RGB", (24, 16), "white")
    image.paste(RED, (16, 0, 24, 8))  # top right; stored so, the picture is to be turned by 90 degrees clockwise
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = read_image(saved(image, tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0), 1000)
    assert upright.size == (16, 24)
    assert np.abs(np.subtract(upright.getpixel((12, 20)), RED)).max() < 10  # bottom right


def test_transparency_is_white(tmp_path: Path) -> None:
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


def test_an_animation_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 255, 0))]
    for kind in ("gif", "webp", "png"):
        path = saved(frames[0], tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:], lossless=True)
        assert pixel(path) == RED


def test_the_first_picture_of_a_phones_two_in_one_jpeg(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((128, 128, 128), (0, 0, 0))]
    path = saved(frames[0], tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])
    assert pixel(path) == (128, 128, 128)


def written_png(path: Path, pixels: np.ndarray, kind: int, *chunks: bytes) -> Path:
    """A PNG written byte by byte: ``pixels`` uint8 or uint16 [H, W, C], ``kind`` the colour type of the standard."""
    height, width, _ = pixels.shape
    big = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    rows = np.hstack([np.zeros((height, 1), np.uint8), big]).tobytes()  # filter 0
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, kind, 0, 0, 0)
    parts = (header, *chunks, b"IDAT" + zlib.compress(rows), b"IEND")
    framed = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    return path


GREY, COLOUR, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 4, 6
CHANNELS = {GREY: 1, COLOUR: 3, GREY_ALPHA: 2, COLOUR_ALPHA: 4}


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", CHANNELS)
def test_png_of_8_and_16_bits_with_and_without_alpha(kind: int, depth: type, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, np.iinfo(depth).max + 1, (6, 7, CHANNELS[kind]), dtype=depth)
    found = np.asarray(read_image(written_png(tmp_path / "a.png", values, kind), 1000)).astype(int)
    bits8 = values.astype(int) >> (8 * (values.itemsize - 1))
    colour = bits8[..., :1].repeat(3, 2) if kind in (GREY, GREY_ALPHA) else bits8[..., :3]
    if kind in (GREY_ALPHA, COLOUR_ALPHA):
        alpha = bits8[..., -1:] / 255
        colour = colour * alpha + 255 * (1 - alpha)
    assert np.abs(found - colour).max() <= 1


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", [GREY, COLOUR])
def test_a_transparent_colour_is_white(kind: int, depth: type, tmp_path: Path) -> None:
    values = np.full((4, 4, CHANNELS[kind]), 7 * np.iinfo(depth).max // 255, dtype=depth)
    values[:2] = 50 * np.iinfo(depth).max // 255
    clear = b"tRNS" + b"".join(struct.pack(">H", int(value)) for value in values[3, 3])
    image = read_image(written_png(tmp_path / "a.png", values, kind, clear), 1000)
    assert image.getpixel((0, 3)) == (255, 255, 255)
    assert image.getpixel((0, 0)) == (50, 50, 50)


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    deep = Image.fromarray(np.full((8, 8), 0x80FF, dtype=np.uint16))
    assert pixel(saved(deep, tmp_path / "a.png")) == (0x80, 0x80, 0x80)
    assert pixel(saved(deep, tmp_path / "a.tif")) == (0x80, 0x80, 0x80)


def test_bilevel(tmp_path: Path) -> None:
    for value in (0, 1):
        assert pixel(saved(Image.new("1", (8, 8), value), tmp_path / "a.png")) == (255 * value,) * 3
        assert pixel(saved(Image.new("1", (8, 8), value), tmp_path / "a.tif")) == (255 * value,) * 3


INKS = (10, 200, 100, 20)  # cyan, magenta, yellow, black
LIGHT = tuple((255 - ink) * (255 - INKS[3]) / 255 for ink in INKS[:3])  # what such inks leave of white


def cmyk_jpeg(path: Path, kind: str) -> Path:
    """A JPEG of `INKS`: as Adobe's programs write it (inverted, marked), without the mark, or as YCCK."""
    if kind == "ycck":
        # The first three are taken for a colour and stored as YCbCr; only the mark says so.
        colour = Image.new("RGB", (16, 16), INKS[:3]).convert("YCbCr")
        flat = Image.merge(
            "CMYK",
            [*(Image.eval(band, lambda v: 255 - v) for band in colour.split()), Image.new("L", (16, 16), INKS[3])],
        )
    else:
        flat = Image.new("CMYK", (16, 16), INKS)
    content = saved(flat, path, quality=100, subsampling=0).read_bytes()
    mark = content.index(b"\xff\xee\x00\x0eAdobe")
    if kind == "unmarked":
        content = content[:mark] + content[mark + 16 :]
    elif kind == "ycck":
        content = content[: mark + 15] + b"\x02" + content[mark + 16 :]
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["adobe", "unmarked", "ycck"])
def test_cmyk_jpegs_are_inverted_ones(kind: str, tmp_path: Path) -> None:
    path = cmyk_jpeg(tmp_path / "a.jpg", kind)
    assert np.abs(np.subtract(pixel(path), LIGHT)).max() < 4
    other = decode_jpeg(read_file(str(path)), mode=ImageReadMode.RGB)[:, 8, 8].tolist()  # another decoder says so too
    assert np.abs(np.subtract(pixel(path), other)).max() < 4


def test_cmyk_tiff(tmp_path: Path) -> None:
    path = saved(Image.new("CMYK", (8, 8), INKS), tmp_path / "a.tif")
    assert np.abs(np.subtract(pixel(path), LIGHT)).max() < 2


def test_a_grey_jpeg(tmp_path: Path) -> None:
    assert pixel(saved(Image.new("L", (8, 8), 77), tmp_path / "a.jpg", quality=100)) == (77, 77, 77)


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((4, 4), dtype=np.float32))
    with pytest.raises(ImageError, match="floating-point"):
        read_image(saved(image, tmp_path / "a.tif"), 100)


@pytest.mark.parametrize(("size", "expected"), [((400, 200), (100, 50)), ((10, 20), (10, 20)), ((1, 500), (1, 100))])
def test_thumbnails(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    write_thumbnail(Image.new("RGB", size, RED), tmp_path / "a.webp", 100)
    with Image.open(tmp_path / "a.webp") as small:
        assert small.format == "WEBP"
        assert small.size == expected
