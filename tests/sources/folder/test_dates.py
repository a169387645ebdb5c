"""The date on which a photo was taken."""

import io
from pathlib import Path

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from fixtures.folder import saved, xmp
from love_thy_neighbors.collection.dates import microseconds
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read
from love_thy_neighbors.sources.folder.dates import local_time
from love_thy_neighbors.sources.folder.embedded import embedded_metadata
from love_thy_neighbors.sources.folder.sidecars import with_sidecars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019:05:03 14:30:00", "2019-05-03T14:30:00"),
        ("2019-05-03T14:30:00+02:00", "2019-05-03T14:30:00"),
        ("2019-05-03T14:30:00.250", "2019-05-03T14:30:00"),
        ("2019-05-03", "2019-05-03T00:00:00"),
        ("0000:00:00 00:00:00", ""),
        ("    :  :     :  :  ", ""),
        ("2019:13:40 14:30:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_dates_of_cameras_become_iso_dates(text: str, expected: str) -> None:
    assert local_time(text) == expected
    if expected:
        microseconds(expected)


def picture(**options: object) -> Image.Image:
    return Image.open(io.BytesIO(saved(Image.new("RGB", (8, 8)), **options)))


def dated(**tags: str) -> Image.Exif:
    block = Image.Exif()
    for name, value in tags.items():
        block.get_ifd(IFD.Exif)[Base[name]] = value
    block[Base.DateTime] = "2024:01:01 00:00:00"  # when a program changed the picture
    return block


def test_the_date_is_the_one_of_the_exposure() -> None:
    both = dated(DateTimeOriginal="2019:05:03 14:30:00", DateTimeDigitized="2020:01:01 00:00:00")
    assert embedded_metadata(picture(exif=both)).taken == "2019-05-03T14:30:00"
    assert (
        embedded_metadata(picture(exif=dated(DateTimeDigitized="2020:01:01 00:00:00"))).taken == "2020-01-01T00:00:00"
    )
    unset = dated(DateTimeOriginal="0000:00:00 00:00:00", DateTimeDigitized="2020:01:01 00:00:00")
    assert embedded_metadata(picture(exif=unset)).taken == "2020-01-01T00:00:00"
    assert embedded_metadata(picture(exif=dated())).taken == ""


def test_a_sidecar_has_a_date_too(tmp_path: Path) -> None:
    more = (
        '<exif:DateTimeOriginal xmlns:exif="http://ns.adobe.com/exif/1.0/">1987-06-05T12:00:00</exif:DateTimeOriginal>'
    )
    (tmp_path / "a.xmp").write_bytes(xmp(more=more))
    assert with_sidecars(tmp_path, "a.jpg", embedded_metadata(picture())).taken == "1987-06-05T12:00:00"


def test_photos_of_a_folder_have_their_dates(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for name, block in {"a": dated(DateTimeOriginal="2019:05:03 14:30:00"), "b": Image.Exif()}.items():
        (root / f"{name}.jpg").write_bytes(
            saved(Image.new("RGB", (8, 8), "red" if name == "a" else "blue"), exif=block)
        )
    release = read(Options(root=root), Extraction(), tmp_path / "out.partial")
    assert release.table["taken"].to_pylist() == ["2019-05-03T14:30:00", None]
    assert release.counts["pictures_with_date"] == 1
