"""features/images.py and features/kinds.py: HEIC, AVIF, costly metadata, planes of 16 bits, and what is no picture."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, PngImagePlugin

from love_thy_neighbors.features import images
from love_thy_neighbors.features.images import ImageError, image_size, read_image

QUARTERS = np.zeros((32, 48, 3), dtype=np.uint8)  # red, green, blue, white
QUARTERS[:16, :24, 0] = QUARTERS[:16, 24:, 1] = QUARTERS[16:, :24, 2] = 255
QUARTERS[16:, 24:] = 255


def encoded(kind: str, pixels: np.ndarray = QUARTERS, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def put(folder: Path, content: bytes, name: str = "a.jpg") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])  # whatever its name
def test_heic_and_avif_are_read(kind: str, name: str, tmp_path: Path) -> None:
    path = put(tmp_path, encoded(kind, quality=95), name)
    assert image_size(path) == (48, 32)
    found = np.asarray(read_image(path, 10_000)).astype(int)
    assert np.abs(found - QUARTERS)[[8, 8, 24, 24], [8, 40, 8, 40]].max() < 12


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_a_phones_rotation_is_applied_once(kind: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    found = np.asarray(read_image(put(tmp_path, encoded(kind, quality=95, exif=exif.tobytes())), 10_000)).astype(int)
    assert np.abs(found - np.rot90(QUARTERS, -1))[[8, 8, 40, 40], [8, 24, 8, 24]].max() < 12


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_max_pixels_counts_before_they_are_decoded(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, encoded(kind))
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("the picture was decoded"))
    with pytest.raises(ImageError, match="has 48 x 32 pixels, more than max_pixels=1000"):
        read_image(path, 1000)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_half_of_a_file_is_an_image_error(kind: str, kept: float, tmp_path: Path) -> None:
    content = encoded(kind, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(ImageError):
        read_image(put(tmp_path, content[: round(len(content) * kept)]), 10_000)


@pytest.mark.parametrize("way", ["compressed text", "international text", "colour profile", "text after the pixels"])
def test_megabytes_of_metadata_do_not_cost_a_png(way: str, tmp_path: Path) -> None:
    large = bytes(np.random.default_rng(0).integers(97, 123, 3 << 20, dtype=np.uint8))
    text = PngImagePlugin.PngInfo()
    options: dict[str, object] = {"pnginfo": text}
    if way == "colour profile":
        options["icc_profile"] = large
    elif way == "international text":
        text.add_itxt("Comment", large.decode(), zip=True)
    else:
        text.add_text("Comment", large.decode(), zip=True)
    content = encoded("PNG", **options)
    if way == "text after the pixels":
        start, length = content.index(b"zTXt") - 4, int.from_bytes(content[content.index(b"zTXt") - 4 :][:4], "big")
        chunk, rest = content[start : start + length + 12], content[:start] + content[start + length + 12 :]
        content = rest[:-12] + chunk + rest[-12:]
    path = put(tmp_path, content, "a.png")
    assert image_size(path) == (48, 32)
    np.testing.assert_array_equal(np.asarray(read_image(path, 10_000)), QUARTERS)


def test_a_bomb_of_metadata_is_refused_in_plain_words(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a" * (65 << 20), zip=True)
    content = encoded("PNG", pnginfo=text)
    assert len(content) < 1 << 20
    with pytest.raises(ImageError, match="has over 64 MiB of text or colour profile in it"):
        read_image(put(tmp_path, content, "a.png"), 10_000)


def planar_tiff(values: np.ndarray, compressed: bool, colours: int, extra: int | None = None) -> bytes:
    """A TIFF with each channel of ``values`` uint8 or uint16 [C, H, W] in a plane of its own. colours: 2 RGB, 5 CMYK."""
    count, height, width = values.shape
    strips = [plane.astype(plane.dtype.newbyteorder("<")).tobytes() for plane in values]
    strips = [zlib.compress(strip) for strip in strips] if compressed else strips
    entries = {256: width, 257: height, 258: None, 259: 8 if compressed else 1, 262: colours, 273: None, 277: count}
    entries |= {278: height, 279: None, 284: 2} | ({} if extra is None else {338: extra})
    at = 8 + 2 + 12 * len(entries) + 4
    first = at + 10 * count
    offsets = [first + sum(map(len, strips[:number])) for number in range(count)]
    lists = {258: ("H", [8 * values.itemsize] * count), 273: ("I", offsets), 279: ("I", [len(one) for one in strips])}
    directory, tail = b"", b""
    for tag, value in entries.items():
        if tag in lists:
            kind, numbers = lists[tag]
            directory += struct.pack("<HHII", tag, 3 if kind == "H" else 4, count, at + len(tail))
            tail += struct.pack(f"<{count}{kind}", *numbers)
        else:
            directory += struct.pack("<HHII", tag, 4 if tag in (256, 257, 278) else 3, 1, value)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 0)
    return head + tail + b"".join(strips)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("compressed", [False, True])
def test_planes_of_8_and_16_bits_have_their_colours(depth: type, compressed: bool, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, np.iinfo(depth).max + 1, (3, 9, 7), dtype=depth)
    found = np.asarray(read_image(put(tmp_path, planar_tiff(values, compressed, 2), "a.tif"), 10_000))
    np.testing.assert_array_equal(found, np.moveaxis(values >> (8 * (values.itemsize - 1)), 0, 2))


def test_planes_with_transparency_and_of_printing_inks(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (4, 9, 7), dtype=np.uint16)
    bits8 = np.moveaxis(values >> 8, 0, 2).astype(np.uint8)
    clear = Image.fromarray(bits8, "RGBA")
    canvas = Image.new("RGB", clear.size, "white")
    canvas.paste(clear, mask=clear.getchannel("A"))
    path = put(tmp_path, planar_tiff(values, False, 2, extra=2), "a.tif")
    np.testing.assert_array_equal(np.asarray(read_image(path, 10_000)), np.asarray(canvas))
    inks = put(tmp_path, planar_tiff(values, False, 5), "b.tif")
    expected = np.asarray(Image.fromarray(bits8, "CMYK").convert("RGB"))
    np.testing.assert_array_equal(np.asarray(read_image(inks, 10_000)), expected)
    with pytest.raises(ImageError, match="16 bits a colour in separate planes"):
        read_image(put(tmp_path, planar_tiff(values, False, 2), "c.tif"), 10_000)


NO_PICTURES = {
    "empty": (b"", "is empty"),
    "zeros": (bytes(9000), "is filled with zero bytes"),
    "html": (b"\n<!DOCTYPE HTML><html><body>404</body></html>", "is a web page"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "is a drawing (SVG)"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0" + bytes(99), "is a video"),
    "pdf": (b"%PDF-1.7\n" + bytes(99), "is a PDF"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s1--0.jpg\n", "git annex get"),
    "photoshop": (b"8BPS\0\1" + bytes(99), "is a Photoshop document"),
    "start of a jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "is the first few bytes of a JPEG"),
    "text": (b"see the other folder\n", "is a text file"),
    "unknown": (b"\x01\x02\x03 nothing known", "is not in a format that is read"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_a_message_says_what_the_file_is(name: str, tmp_path: Path) -> None:
    content, reason = NO_PICTURES[name]
    for read in (image_size, lambda path: read_image(path, 10_000)):
        with pytest.raises(ImageError) as caught:
            read(put(tmp_path, content))
        assert reason in str(caught.value)


def test_a_heic_picture_without_the_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FORMATS", ("JPEG", "PNG"))
    for kind, expected in (("HEIF", r"is a HEIC picture; pip install -e '.\[heif\]'"), ("AVIF", "is an AVIF picture")):
        with pytest.raises(ImageError, match=expected):
            image_size(put(tmp_path, encoded(kind)))


def test_one_process_decodes_one_picture() -> None:
    assert pillow_heif.options.DECODE_THREADS == 1
