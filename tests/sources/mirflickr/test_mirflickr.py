"""sources/mirflickr: both releases, and what they must contain."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import train_on
from fixtures.mirflickr import IMAGES, Photos, made_up, write, write_pictures
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.mirflickr import Options, read
from love_thy_neighbors.sources.mirflickr import files as mirflickr_files
from love_thy_neighbors.sources.prepare import make

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=32, batch_size=16, workers=1, device="cpu", thumbnail=0, max_pixels=10_000)


class Release:
    """A miniature release below ``root``, pictures beside it, and the command on it."""

    def __init__(self, folder: Path, photos: Photos) -> None:
        self.folder, self.photos, self.out = folder, photos, folder / "out"
        self.root, self.images = folder / "root", folder / "pictures"
        np.save(folder / "feats.npy", np.arange(IMAGES * 2, dtype=np.float32).reshape(IMAGES, 2))

    def prepare(self, **options: Any) -> Collection:
        given = {} if "images" in options else {"features": self.folder / "feats.npy"}
        make(read, Options(**{"root": self.root, **given, **options}), self.out, False, HOW)
        return load_collection(self.out)

    def error(self, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            self.prepare(**options)
        assert not self.out.exists()
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(f"{self.folder}/", "")


@pytest.fixture
def photos() -> Photos:
    return made_up()


@pytest.fixture
def small(tmp_path: Path, photos: Photos) -> Release:
    release = Release(tmp_path, photos)
    write(release.root, photos)
    return release


@pytest.fixture
def large(tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> Release:
    monkeypatch.setattr(mirflickr_files, "FOLDER", 40)
    release = Release(tmp_path, photos)
    write(release.root, photos, million=True, folder=40)
    return release


def lists(collection: Collection, kind: str) -> list[list[str]]:
    names = collection.label_names if kind == "labels" else collection.values[kind]
    matrix = collection.labels if kind == "labels" else collection.metadata[kind]
    return [sorted(names[code] for code in row.indices) for row in matrix]


def as_sets(rows: list[list[str]]) -> list[list[str]]:
    return [sorted(set(row)) for row in rows]


def test_every_image_has_its_tags_and_labels(small: Release) -> None:
    collection = small.prepare()
    assert collection.ids.to_pylist() == [f"im{number}" for number in range(1, IMAGES + 1)]
    assert collection.files.to_pylist()[:2] == ["im1.jpg", "im2.jpg"]
    assert lists(collection, "tags") == as_sets(small.photos.tags)
    assert lists(collection, "labels") == as_sets(small.photos.labels)
    assert collection.features.table[:, 0].tolist() == [2 * row for row in range(IMAGES)]
    assert set(collection.metadata) == {"tags"}
    clean_up = collection.card["clean_up"]
    assert clean_up == clean_up | {
        "images": IMAGES,
        "annotations_named_twice": 1,
        "tag_files_with_stray_bytes": 1,
        "images_without_tags": 1,
        "images_without_labels": 6,
    }


def test_the_million_counts_from_zero(large: Release) -> None:
    collection = large.prepare(strict=True)
    assert collection.ids.to_pylist() == [str(number) for number in range(IMAGES)]
    assert collection.files[41].as_py() == "1/41.jpg"
    assert lists(collection, "tags") == as_sets(large.photos.tags)
    both = [plain + strict for plain, strict in zip(large.photos.labels, large.photos.strict, strict=True)]
    assert lists(collection, "labels") == as_sets(both)
    assert collection.card["name"] == "mirflickr1m"


@pytest.mark.parametrize("below", ["mirflickr", "mirflickr25k"])
def test_the_archives_as_they_unpack(tmp_path: Path, photos: Photos, below: str) -> None:
    release = Release(tmp_path, photos)
    root = write(release.root / below, photos)
    (root / "annotations_v080").rename(release.root / "mirflickr25k_annotations_v080")
    write_pictures(release.root / below, photos)
    assert len(release.prepare(images=release.root)) == IMAGES


def test_from_pictures_to_results(small: Release, tmp_path: Path) -> None:
    write_pictures(small.images, small.photos)
    collection = small.prepare(images=small.images)
    assert collection.features.backbone == "mean_colour"
    results = train_on(small.out, tmp_path, "metadata=tags", "lr=0.01", "epochs=20", "h=32")
    assert results["test"]["mAP_L"] > 70  # an untrained model has about 30


@pytest.mark.parametrize("above", ["images", "", "images0", "images0/images"])
def test_pictures_of_the_million(large: Release, above: str) -> None:
    written = write_pictures(large.folder / "written", large.photos, million=True, folder=40) / "images"
    (large.images / above).parent.mkdir(parents=True, exist_ok=True)
    written.rename(large.images / above)
    collection = large.prepare(images=large.images)
    prefix = f"{above}/" if above else ""
    assert collection.files.to_pylist() == [f"{prefix}{number // 40}/{number}.jpg" for number in range(IMAGES)]


def test_folders_of_pictures_that_are_not_there_yet(large: Release) -> None:
    write_pictures(large.images, large.photos, million=True, folder=40)
    for picture in (large.images / "images" / "2").iterdir():
        picture.unlink()
    (large.images / "images" / "2").rmdir()
    collection = large.prepare(images=large.images)
    assert collection.ids.to_pylist() == [str(number) for number in range(80)]
    assert collection.card["clean_up"]["images_without_a_folder_of_pictures"] == 10


def test_images_that_cannot_be_used_are_left_out_if_asked(small: Release) -> None:
    write_pictures(small.images, small.photos)
    (small.images / "im3.jpg").write_bytes(b"not a picture")
    (small.root / "meta" / "tags" / "tags5.txt").unlink()
    (small.root / "meta" / "tags" / "tags6.txt").write_bytes(b"x\n" * 600_000)
    collection = small.prepare(images=small.images, on_error="skip")
    expected = [f"im{number}" for number in range(1, IMAGES + 1) if number not in (3, 5, 6)]
    assert collection.ids.to_pylist() == expected
    rejected = [json.loads(line) for line in (small.out / "rejected.jsonl").read_text().splitlines()]
    assert [entry["image"] for entry in rejected] == [3, 5, 6]
    assert "tags5.txt" in rejected[1]["reason"]
    assert "tags6.txt" in rejected[2]["reason"]


def append(name: str, line: bytes) -> Callable[[Release], None]:
    def change(release: Release) -> None:
        path = release.root / name
        path.write_bytes(path.read_bytes() + line)

    return change


def shift_annotations(release: Release) -> None:
    for path in (release.root / "annotations_v080").iterdir():
        if path.name != "README.txt":
            numbers = [int(number) - 1 for number in path.read_text().split()]
            path.write_text("".join(f"{number}\n" for number in numbers if number))


def both_releases(release: Release) -> None:
    (release.root / "tags" / "0").mkdir(parents=True)
    (release.root / "tags" / "0" / "0.txt").write_text("tag\n")


MISTAKES: list[tuple[Callable[[Release], Any], dict[str, Any], str]] = [
    (lambda r: None, {"root": None}, "root: |root=DIR"),
    (lambda r: None, {"root": Path("no")}, "root: |no"),
    (lambda r: None, {"strict": "yes"}, "strict: |yes"),
    (lambda r: None, {"on_error": "go"}, "on_error: |'go'"),
    (lambda r: (r.root / "meta").rename(r.folder / "gone"), {}, "root: |meta/tags/tags1.txt|tags/0/0.txt"),
    (both_releases, {}, "root: |root/meta/tags|root/tags"),
    (lambda r: (r.root / "annotations_v080").rename(r.folder / "gone"), {}, "annotations: |root/annotations_v080"),
    (lambda r: None, {"annotations": Path("no")}, "annotations: |no"),
    (lambda r: (r.root / "annotations_v080" / "tree.txt").unlink(), {}, "root/annotations_v080/tree.txt|missing"),
    (lambda r: (r.root / "annotations_v080" / "sea_r1.txt").unlink(), {"strict": True}, "root/annotations_v080/sea_r1.txt|missing"),
    (append("annotations_v080/food.txt", b"im7\n"), {}, "root/annotations_v080/food.txt, line 1: |'im7'"),
    (append("annotations_v080/food.txt", b"1\n\xff2\n"), {}, "root/annotations_v080/food.txt, line 2: |'\\\\xff2'"),
    (append("annotations_v080/food.txt", b"-3\n"), {}, "root/annotations_v080/food.txt, line 1: |'-3'"),
    (append("annotations_v080/food.txt", b"0\n"), {}, "root/annotations_v080/food.txt, line 1: |0|90"),
    (append("annotations_v080/food.txt", b"\n91\n"), {}, "root/annotations_v080/food.txt, line 2: |91|90"),
    (append("annotations_v080/food.txt", b"1\n" * 600_000), {}, "root/annotations_v080/food.txt: |1048576"),
    (lambda r: (r.root / "meta" / "tags" / "tags9.txt").unlink(), {}, "root/meta/tags, image 9: |tags9.txt"),
    (lambda r: np.save(r.folder / "feats.npy", np.zeros((3, 2))), {}, "feats.npy: |3 rows|90 images"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "options", "parts"), MISTAKES, ids=[parts for _, _, parts in MISTAKES])
def test_mistakes(small: Release, change: Callable[[Release], Any], options: dict[str, Any], parts: str) -> None:
    change(small)
    message = small.error(**options)
    assert message.startswith(parts.split("|")[0])
    assert all(part in message for part in parts.split("|"))


def test_numbers_that_do_not_mean_the_same_images(small: Release) -> None:
    shift_annotations(small)
    assert small.error().startswith("root/annotations_v080: ")


def test_missing_pictures(small: Release) -> None:
    small.images.mkdir()
    assert small.error(images=small.images).startswith("images: pictures has no im1.jpg")
    write_pictures(small.images, small.photos)
    (small.images / "im2.jpg").unlink()
    assert small.error(images=small.images).startswith("root/meta/tags, image 2: has the file 'im2.jpg'")
