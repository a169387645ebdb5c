"""sources/mirflickr*: both releases, what they must hold, and metadata in JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import train_on
from fixtures.mirflickr import IMAGES, Photos, contexts, made_up, write, write_metadata, write_pictures
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.mirflickr import Options, read
from love_thy_neighbors.sources.mirflickr import files as mirflickr_files
from love_thy_neighbors.sources.prepare import make

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=32, batch_size=16, workers=1, device="cpu", thumbnail=0, max_pixels=10_000)


class Release:
    """A miniature release below ``root``, pictures and metadata beside it, and the command on it."""

    def __init__(self, folder: Path, photos: Photos) -> None:
        self.folder, self.photos, self.out = folder, photos, folder / "out"
        self.root, self.images, self.metadata = folder / "root", folder / "pictures", folder / "metadata"
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
        "common_tags_with_another_count": 0,
    }
    assert clean_up["common_tags_listed"] > 0


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
    collection = small.prepare(images=small.images, metadata=write_metadata(small.metadata, small.photos))
    assert collection.features.backbone == "mean_colour"
    results = train_on(small.out, tmp_path, "metadata=groups", "lr=0.01", "epochs=20", "h=32")
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
    assert rejected[1]["reason"] == "has no tag file tags5.txt that can be read (No such file or directory)"
    assert rejected[2]["reason"] == "has a tag file tags6.txt of more than 1048576 bytes"


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
    (lambda r: None, {"root": None}, "root: give the folder that MIRFLICKR was unpacked into (root=DIR)."),
    (lambda r: None, {"root": Path("no")}, "root: no is not a folder; give the one that MIRFLICKR was unpacked into."),
    (lambda r: None, {"strict": "yes"}, "strict: must be true or false, not yes."),
    (lambda r: None, {"on_error": "go"}, "on_error: 'go' is not known; use stop or skip."),
    (lambda r: (r.root / "meta").rename(r.folder / "gone"), {}, "root: root has neither meta/tags/tags1.txt (MIRFLICKR-25K) nor tags/0/0.txt (MIRFLICKR-1M); give the folder that the release was unpacked into."),
    (both_releases, {}, "root: root has tags in root/meta/tags and in root/tags; give a folder with one."),
    (lambda r: (r.root / "annotations_v080").rename(r.folder / "gone"), {}, "annotations: root/annotations_v080 is not a folder; give the one that mirflickr25k_annotations_v080.zip was unpacked into."),
    (lambda r: None, {"annotations": Path("no")}, "annotations: no is not a folder; give the one that mirflickr25k_annotations_v080.zip was unpacked into."),
    (lambda r: (r.root / "annotations_v080" / "tree.txt").unlink(), {}, "root/annotations_v080/tree.txt is missing; the release has 24 classes and 14 stricter ones."),
    (lambda r: (r.root / "annotations_v080" / "sea_r1.txt").unlink(), {"strict": True}, "root/annotations_v080/sea_r1.txt is missing; the release has 24 classes and 14 stricter ones."),
    (append("annotations_v080/food.txt", b"im7\n"), {}, "root/annotations_v080/food.txt, line 1: holds 'im7', not the number of an image; get this file of the release again."),
    (append("annotations_v080/food.txt", b"1\n\xff2\n"), {}, "root/annotations_v080/food.txt, line 2: holds '\\\\xff2', not the number of an image; get this file of the release again."),
    (append("annotations_v080/food.txt", b"-3\n"), {}, "root/annotations_v080/food.txt, line 1: holds '-3', not the number of an image; get this file of the release again."),
    (append("annotations_v080/food.txt", b"0\n"), {}, "root/annotations_v080/food.txt, line 1: names image 0, but they are 1 to 90; get this file of the release again."),
    (append("annotations_v080/food.txt", b"\n91\n"), {}, "root/annotations_v080/food.txt, line 2: names image 91, but they are 1 to 90; get this file of the release again."),
    (append("annotations_v080/food.txt", b"1\n" * 600_000), {}, "root/annotations_v080/food.txt: is larger than 1048576 bytes; get this file of the release again."),
    (append("doc/common_tags.txt", b"sky many\n"), {}, "root/doc/common_tags.txt, line 4: is not a tag and a number; get this file of the release again."),
    (lambda r: (r.root / "meta" / "tags" / "tags9.txt").unlink(), {}, "root/meta/tags, image 9: has no tag file tags9.txt that can be read (No such file or directory); correct it, or leave bad images out with on_error=skip."),
    (lambda r: np.save(r.folder / "feats.npy", np.zeros((3, 2))), {}, "feats.npy: 3 rows, but root/meta/tags has 90 images; row k belongs to image k + 1."),
]  # fmt: skip


@pytest.mark.parametrize(("change", "options", "message"), MISTAKES, ids=[message[:70] for _, _, message in MISTAKES])
def test_mistakes(small: Release, change: Callable[[Release], Any], options: dict[str, Any], message: str) -> None:
    change(small)
    assert small.error(**options) == message


def test_numbers_that_do_not_mean_the_same_images(small: Release) -> None:
    shift_annotations(small)
    message = small.error()
    assert message.startswith("root/annotations_v080: ")
    assert message.endswith("so the two do not number the images alike; give annotations and tags of one release.")


def test_missing_pictures(small: Release) -> None:
    small.images.mkdir()
    assert small.error(images=small.images) == "images: pictures has no im1.jpg; give the folder of the pictures."
    write_pictures(small.images, small.photos)
    (small.images / "im2.jpg").unlink()
    assert small.error(images=small.images) == (
        "root/meta/tags, image 2: has the file 'im2.jpg', which does not exist below images=; correct it, or leave bad "
        "images out with on_error=skip."
    )


def by_name(photos: Photos) -> str:
    """One object: photos by the names of their files, the numbers of the million."""
    return json.dumps({f"{place}.jpg": contexts(photos, place) for place in range(IMAGES - 2)}, indent=1)


def as_list(photos: Photos) -> str:
    return json.dumps(
        [
            {"file": f"im{place + 1}.jpg", "albums": photos.sets[place], "pools": photos.groups[place], "owner": "x"}
            for place in range(IMAGES - 2)
        ]
    )


def as_lines(photos: Photos) -> str:
    """JSON lines, with what Flickr's API does to lists: {"photoset": [...]}, and an object where there is one entry."""
    lines = []
    for place in range(IMAGES - 2):
        sets = {"photoset": [{"id": int(id_[4:]), "title": "T"} for id_ in photos.sets[place] if id_[4:].isdigit()]}
        value = {"file": f"images/0/{place}.jpg", "photosets": sets, "group": {"nsid": photos.groups[place][0]}}
        lines.append(json.dumps(value | {"pool": photos.groups[place][1], "owner": None}))
    return "\ufeff" + "\n".join(lines)


@pytest.mark.parametrize("million", [False, True])
def test_albums_and_groups_of_the_extension(
    tmp_path: Path, photos: Photos, million: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Release(tmp_path, photos)
    write(release.root, photos, million)
    write_metadata(release.metadata, photos)
    (release.metadata / "metadata0" / "0" / "notes.json").write_text("{")
    (release.metadata / "metadata0" / "0" / "5000.json").write_text("{}")
    collection = release.prepare(metadata=release.metadata)
    assert lists(collection, "sets") == [*as_sets(photos.sets[:-2]), [], []]
    assert lists(collection, "groups") == [*as_sets(photos.groups[:-2]), [], []]
    assert collection.owners.to_pylist()[:8] == [f"{place % 7}@N02" for place in range(8)]
    clean_up = collection.card["clean_up"]
    assert clean_up["images_without_metadata"] == 2
    assert clean_up["metadata_of_no_image"] == 1


@pytest.mark.parametrize("form", [by_name, as_list, as_lines])
def test_albums_and_groups_in_one_file(small: Release, form: Callable[[Photos], str]) -> None:
    path = small.folder / "photos.json"
    path.write_text(form(small.photos), encoding="utf-8")
    collection = small.prepare(metadata=path)
    assert lists(collection, "groups") == [*as_sets(small.photos.groups[:-2]), [], []]
    if form is not as_lines:
        assert lists(collection, "sets") == [*as_sets(small.photos.sets[:-2]), [], []]


CURE = "correct it, or leave metadata= out."
BAD_METADATA: list[tuple[str, str]] = [
    ("", f"photos.json: is not valid JSON (Expecting value: line 1 column 1 (char 0)); {CURE}"),
    ("7", f"photos.json: holds neither an object nor a list; {CURE}"),
    ('{"im1.jpg": 3}', f"photos.json, 'im1.jpg': holds no object; {CURE}"),
    ('{"beach.jpg": {}}', f"photos.json, 'beach.jpg': names no image like im12.jpg or 11.jpg as its 'file'; {CURE}"),
    ('[{"sets": []}]', f"photos.json, entry 1: names no image like im12.jpg or 11.jpg as its 'file'; {CURE}"),
    ('{"file": "im1.jpg", "sets": []}\n{"file": "0.jpg"}', f"photos.json, line 2: names 0.jpg, which was there already; {CURE}"),
    ('{"file": "im1.jpg", "sets": []}\noops', f"photos.json, line 2: is not valid JSON (Expecting value: line 1 column 1 (char 0)); {CURE}"),
    ('{"file": "im1.jpg", "sets": [{"title": "a", "n": 1}]}', f"photos.json, line 1: holds an album or group without an id; {CURE}"),
    ('{"file": "im1.jpg", "sets": [true]}', f"photos.json, line 1: holds an album or group without an id; {CURE}"),
    ('{"file": "im1.jpg", "sets": ["a\\nb"]}', f"photos.json, line 1: holds an album or group without an id; {CURE}"),
    ('{"file": "im1.jpg", "sets": [], "owner": 3}', f"photos.json, line 1: holds an owner that is neither a text nor an object with an nsid; {CURE}"),
    ('{"file": "im1.jpg", "alben": []}', "metadata: no photo in photos.json has a key for albums (sets, set, albums, album, photosets, photoset) or for groups (groups, group, pools, pool), but 'alben', 'file'; rename what is meant."),
    ('{"file": "im1.jpg", "sets": ' + "[" * 500 + '"1"' + "]" * 500 + "}", f"photos.json, line 1: holds an album or group without an id; {CURE}"),
    ('{"im1.jpg": {"sets": [' + "[" * 5000 + "]" * 5000 + "]}}", f"photos.json: is not valid JSON (maximum recursion depth exceeded while decoding a JSON array from a unicode string); {CURE}"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BAD_METADATA, ids=[message[:80] for _, message in BAD_METADATA])
def test_metadata_that_cannot_be_used(small: Release, content: str, message: str) -> None:
    path = small.folder / "photos.json"
    path.write_text(content)
    assert small.error(metadata=path) == message


def test_folders_of_metadata_that_cannot_be_used(small: Release) -> None:
    assert small.error(metadata=small.metadata) == (
        "metadata: metadata does not exist; give a folder of JSON files, or a file of JSON."
    )
    small.metadata.mkdir()
    assert small.error(metadata=small.metadata) == (
        "metadata: metadata holds no file like 0/11.json or im12.json; give the unpacked folder."
    )
    (small.metadata / "11.json").write_bytes(b'{"sets": ["\xff"]}')
    assert small.error(metadata=small.metadata) == f"metadata/11.json: is not UTF-8 (byte 12); {CURE}"
