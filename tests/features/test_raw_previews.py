"""features/raw_previews.py: the JPEG inside a RAW picture, upright, in limits of size and time."""

import base64
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixtures.folder import saved
from fixtures.photo_folder_junk import raw
from love_thy_neighbors.features import raw_previews
from love_thy_neighbors.features.images import ImageError, image_size, read_image
from love_thy_neighbors.features.raw_previews import exiftool, raw_preview

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="apt-get install libimage-exiftool-perl")
RED_TOP = Image.new("RGB", (48, 32), "blue")
RED_TOP.paste("red", (0, 0, 48, 16))


@pytest.fixture(autouse=True)
def nothing_is_kept() -> None:
    raw_previews._preview.cache_clear()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replaces exiftool by a shell script."""

    def put(script: str) -> None:
        path = tmp_path / "exiftool"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(raw_previews, "exiftool", lambda: str(path))

    return put


@needs_exiftool
@pytest.mark.parametrize("name", ["a.NEF", "-a.nef", "a b$(x)|.nef"])
def test_the_preview_is_the_picture(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(raw(saved(RED_TOP, quality=100)))
    assert image_size(tmp_path / name) == (48, 32)
    image = read_image(tmp_path / name, 10_000)
    assert np.abs(np.subtract(image.getpixel((24, 4)), (255, 0, 0))).max() < 10


@needs_exiftool
@pytest.mark.parametrize("own", [None, 1])
def test_the_cameras_orientation_counts_unless_the_preview_has_its_own(own: int | None, tmp_path: Path) -> None:
    exif = Image.Exif()
    if own:
        exif[0x0112] = own
    (tmp_path / "a.nef").write_bytes(raw(saved(RED_TOP, exif=exif), orientation=6))
    image = read_image(tmp_path / "a.nef", 10_000)
    assert image.size == ((48, 32) if own else (32, 48))
    if not own:
        red, _, blue = image.getpixel((28, 24))  # right: what was on top
        assert red > 200 > 60 > blue


@needs_exiftool
def test_max_pixels_counts_for_the_preview(tmp_path: Path) -> None:
    (tmp_path / "a.nef").write_bytes(raw(saved(RED_TOP)))
    with pytest.raises(ImageError, match="has 48 x 32 pixels, more than max_pixels=1000"):
        read_image(tmp_path / "a.nef", 1000)


@needs_exiftool
@pytest.mark.parametrize("content", [raw(b""), raw(b"no JPEG at all"), b"", b"text", raw(saved(RED_TOP))[:90]])
def test_a_raw_picture_without_a_preview(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.nef").write_bytes(content)
    with pytest.raises(ImageError, match="is a RAW picture without a preview|cannot be decoded"):
        read_image(tmp_path / "a.nef", 10_000)


def test_without_exiftool_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_previews, "exiftool", lambda: None)
    (tmp_path / "a.nef").write_bytes(raw(saved(RED_TOP)))
    with pytest.raises(ImageError, match="needs exiftool 12.24 or newer"):
        image_size(tmp_path / "a.nef")


@pytest.mark.parametrize(
    ("version", "used"), [("12.24", True), ("13.10", True), ("12.23", False), ("9.9", False), ("", False), ("x", False)]
)
def test_an_unsafe_version_is_not_used(
    version: str, used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exiftool").write_text(f"#!/bin/sh\necho {version}\n")
    (tmp_path / "exiftool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert exiftool() == (str(tmp_path / "exiftool") if used else None)


def test_a_program_that_never_ends_or_never_stops_writing(
    tmp_path: Path, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.nef").write_bytes(b"raw")
    monkeypatch.setattr(raw_previews, "TIMEOUT", 0.2)
    program("exec sleep 60")
    with pytest.raises(ImageError, match=r"could not read within 0\.2 seconds"):
        image_size(tmp_path / "a.nef")
    monkeypatch.setattr(raw_previews, "TIMEOUT", 60)
    monkeypatch.setattr(raw_previews, "MAX_BYTES", 1 << 20)
    program("exec yes")
    with pytest.raises(ImageError, match="previews of over 1 MiB"):
        image_size(tmp_path / "a.nef")


ANSWERS = ["", "[]", "[{}]", "nonsense", '{"a": 1}', '[{"PreviewImage": "base64:###"}]', '[{"PreviewImage": 7}]']


@pytest.mark.parametrize("answer", ANSWERS)
def test_any_other_answer_is_no_preview(answer: str, tmp_path: Path, program: Callable[[str], None]) -> None:
    (tmp_path / "a.nef").write_bytes(b"raw")
    program(f"cat <<'END'\n{answer}\nEND")
    with pytest.raises(ImageError, match="without a preview"):
        image_size(tmp_path / "a.nef")


def test_the_largest_preview_is_taken(tmp_path: Path, program: Callable[[str], None]) -> None:
    (tmp_path / "a.nef").write_bytes(b"raw")
    small, large = (base64.b64encode(saved(RED_TOP.resize(size))).decode() for size in ((16, 16), (64, 64)))
    program(f'echo \'[{{"JpgFromRaw": "base64:{small}", "PreviewImage": "base64:{large}", "Orientation": "x"}}]\'')
    found = raw_preview(tmp_path / "a.nef")
    assert Image.open(io.BytesIO(found.jpeg)).size == (64, 64)
    assert found.orientation == 1
