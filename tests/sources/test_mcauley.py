"""sources/mcauley, photo_tables, pictures_by_id: from a miniature of the XML release to a trained model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import train_on
from fixtures import mcauley
from fixtures.messages import names_the_same
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.flickr.pictures_by_id import pictures_by_id
from love_thy_neighbors.sources.mcauley import Options, read
from love_thy_neighbors.sources.prepare import make

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=32, batch_size=16, workers=0, device="cpu", thumbnail=0, max_pixels=10_000)


def prepare(folder: Path, **options: Any) -> Path:
    make(
        read, Options(**{"xml": folder / "photosNUS.xml", "label_source": "NUS", **options}), folder / "out", True, HOW
    )
    return folder / "out"


def error(folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        prepare(folder, **options)
    assert not (folder / "out").exists()
    return str(caught.value).replace(f"{folder}/", "")


def table(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(folder / "images.parquet").to_pylist()


def test_from_the_release_to_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mcauley.write(tmp_path)
    out = prepare(tmp_path, images=mcauley.write_pictures(tmp_path / "photos"))
    clean_up = load_collection(out).card["clean_up"]
    assert clean_up == {
        "photos": 92,
        "photos_with_a_repeated_id": 1,
        "sets_and_groups_without_id": 1,
        "photos_without_picture": 6,
        "photos_with_several_pictures": 1,
        "photos_rejected": 0,
        "reasons": {},
    }
    printed = " ".join(capsys.readouterr().out.split())
    assert "photos without picture: 6" in printed
    assert "422,364" in printed
    assert "244,762 photos" in printed
    rows = table(out)
    assert len(rows) == 85
    assert rows[4] == {
        "id": mcauley.photo_id(4),
        "file": f"part0/0001_{mcauley.photo_id(4)}.jpg",
        "owner": "4@N00",
        "labels": ["water"],
        "tags": ["watertag0", "watertag4", "fish & chips"],
        "sets": ["7216"],
        "groups": ["1@N00", "10@N00"],
    }
    results = train_on(out, tmp_path, "m=2", "M=4", "metadata=tags", "epochs=6", "lr=0.01")
    assert results["test"]["mAP_L"] > 90


def test_rows_without_pictures_or_features(tmp_path: Path) -> None:
    mcauley.write(tmp_path, photos=12)
    out = prepare(tmp_path)
    rows = table(out)
    assert [row["id"] for row in rows] == [*map(mcauley.photo_id, range(12)), "77"]
    assert rows[-1] == {"id": "77", "owner": None, "labels": [], "tags": [], "sets": [], "groups": []}
    assert json.loads((out / "card.json").read_text())["features"] == {}


def test_given_features_stay_with_their_photos(tmp_path: Path) -> None:
    mcauley.write(tmp_path, photos=12)
    np.save(tmp_path / "f.npy", np.arange(14, dtype=np.float32).reshape(14, 1))  # the repeated photo has a row too
    out = prepare(tmp_path, features=tmp_path / "f.npy")
    assert load_collection(out).features.table[:, 0].tolist() == [*range(12), 13]


LABELS: list[tuple[str, str | None, list[list[str]] | str]] = [
    ("the only one", None, [["a", "b"], []]),
    ("the one asked for", "MIR", [["a", "b"], []]),
    (
        "one that is not there",
        "NUS",
        "label_source: photosNUS.xml has labels from 'MIR', none from 'NUS'; choose another.",
    ),
]


@pytest.mark.parametrize(("wanted", "expected"), [case[1:] for case in LABELS], ids=[case[0] for case in LABELS])
def test_labels_of_one_source(tmp_path: Path, wanted: str | None, expected: list[list[str]] | str) -> None:
    labels = '<label source="MIR">a</label><label source="MIR">b</label><label source="MIR">a</label>'
    photos = f'<photo id="1"><labels>{labels}</labels></photo><photo id="2"/>'
    (tmp_path / "photosNUS.xml").write_text(mcauley.document(photos))
    if isinstance(expected, str):
        assert names_the_same(error(tmp_path, label_source=wanted), expected)
    else:
        assert [row["labels"] for row in table(prepare(tmp_path, label_source=wanted))] == expected


def test_several_sources_must_be_chosen_from(tmp_path: Path) -> None:
    mcauley.write(tmp_path)
    assert names_the_same(
        error(tmp_path, label_source=None),
        ("label_source: photosNUS.xml has labels from 'MIR', 'NUS'; choose one of them (label_source=NUS)."),
    )
    rows = table(prepare(tmp_path, label_source="MIR"))
    assert [row["labels"] for row in rows[:6]] == [["structures"], [], [], [], [], ["structures"]]


def test_a_file_without_labels_makes_a_collection_without(tmp_path: Path) -> None:
    (tmp_path / "photosNUS.xml").write_text(mcauley.document('<photo id="1"><tags><tag>a</tag></tags></photo>'))
    out = prepare(tmp_path, label_source=None)
    assert table(out) == [{"id": "1", "labels": [], "tags": ["a"]}]  # no owner, set or group: no such column
    assert "photosNUS.xml has labels from nobody" in error(tmp_path / "x", xml=tmp_path / "photosNUS.xml")


def test_a_photo_without_id(tmp_path: Path) -> None:
    (tmp_path / "photosNUS.xml").write_text(mcauley.document(mcauley.photo(0), "<photo/>", mcauley.photo(1)))
    assert names_the_same(
        error(tmp_path), ("photosNUS.xml, photo 2: has no id; correct it, or leave bad photos out with on_error=skip.")
    )
    out = prepare(tmp_path, on_error="skip")
    assert len(table(out)) == 2
    assert json.loads((out / "rejected.jsonl").read_text()) == {"photo": 2, "reason": "has no id"}


def linked_out(folder: Path) -> None:
    Image.new("RGB", (9, 9)).save(folder.parent / "secret.png")
    (folder / f"{mcauley.photo_id(0)}.png").symlink_to(folder.parent / "secret.png")


BAD_PICTURES: list[tuple[str, Callable[[Path], None], str]] = [
    ("no picture", lambda folder: None, "images: photos holds no picture of a photo in photosNUS.xml; a picture's name must be the photo's id, or begin or end with it (ID.jpg, ID_secret.jpg, 0001_ID.jpg)."),
    ("not a picture", lambda folder: (folder / f"{mcauley.photo_id(0)}.jpg").write_text("x") and None, f"photosNUS.xml, photo 1: has the file '{mcauley.photo_id(0)}.jpg', which is not in a format that is read (JPEG, PNG, WEBP, GIF, BMP, TIFF); correct it, or leave bad photos out with on_error=skip."),
    ("a link out", linked_out, f"photosNUS.xml, photo 1: has the file '{mcauley.photo_id(0)}.png', a link that leads out of images=; correct it, or leave bad photos out with on_error=skip."),
    ("too large", lambda folder: Image.new("RGB", (200, 100)).save(folder / f"{mcauley.photo_id(0)}.png"), f"photosNUS.xml, photo 1: has the file '{mcauley.photo_id(0)}.png', which has 200 x 100 pixels, more than max_pixels=10000; correct it, or leave bad photos out with on_error=skip."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make_it", "expected"), [case[1:] for case in BAD_PICTURES], ids=[case[0] for case in BAD_PICTURES]
)
def test_pictures_that_cannot_be_used(tmp_path: Path, make_it: Callable[[Path], None], expected: str) -> None:
    mcauley.write(tmp_path, photos=3)
    (tmp_path / "photos").mkdir()
    make_it(tmp_path / "photos")
    assert names_the_same(error(tmp_path, images=tmp_path / "photos"), expected)


PICTURES: list[tuple[list[str], dict[str, str], int]] = [
    (["12.jpg"], {"12": "12.jpg"}, 0),
    (["a/b/12.JPEG"], {"12": "a/b/12.JPEG"}, 0),
    (["0001_12.jpg"], {"12": "0001_12.jpg"}, 0),
    (["12_abc_b.jpg"], {"12": "12_abc_b.jpg"}, 0),
    (["12_abc.jpg", "x_12.jpg", "b/12.png"], {"12": "b/12.png"}, 1),
    (["12_abc.jpg", "x_12.jpg"], {"12": "x_12.jpg"}, 1),
    (["b/12.jpg", "a/12.jpg"], {"12": "a/12.jpg"}, 1),
    (["12.jpg", "34.jpg", "34.png"], {"12": "12.jpg", "34": "34.jpg"}, 1),
    (["34_12.jpg"], {"12": "34_12.jpg"}, 0),
    (["112.jpg", "12", "12.txt", "x12.jpg", "12x.jpg", "a_12_b.jpg", "12-1.jpg", "12.d/a.jpg", "12\n.jpg"], {}, 0),
]


@pytest.mark.parametrize(("files", "expected", "several"), PICTURES, ids=[",".join(case[0])[:30] for case in PICTURES])
def test_a_picture_is_found_by_its_id(tmp_path: Path, files: list[str], expected: dict[str, str], several: int) -> None:
    for file in files:
        place = tmp_path / file
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_bytes(b"")
    assert pictures_by_id(tmp_path, {"12", "34"}) == (expected, several)


def test_linked_folders_are_not_walked(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "12.jpg").write_bytes(b"")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "link").symlink_to(tmp_path / "real")
    assert pictures_by_id(tmp_path / "images", {"12"}) == ({}, 0)


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"xml": None}, "xml: give one of McAuley's files (xml=photosNUS.xml)."),
    ({"xml": Path("none.xml")}, "xml: none.xml does not exist; give one of McAuley's files (photosNUS.xml)."),
    ({"on_error": "ignore"}, "on_error: 'ignore' is not known; use stop or skip."),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS, ids=[text[:30] for _, text in OPTIONS])
def test_options_are_checked_first(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    mcauley.write(tmp_path, photos=3)
    assert names_the_same(error(tmp_path, **options), expected)
