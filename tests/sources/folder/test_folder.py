"""sources/folder*: a folder of photos with everything that ten years leave in it, from the files to results.json."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import train_on
from fixtures.folder import COUNT, TOPICS, exif, iptc, picture, saved, with_iptc, write, xmp
from fixtures.messages import names_the_same
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read
from love_thy_neighbors.sources.prepare import make

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=32, batch_size=16, workers=0, device="cpu", thumbnail=16, max_pixels=10_000)
OTHERS = 8  # pictures of the fixture besides the topics': top, Küste, four with damaged blocks, animated, annexed


class Photos:
    """A folder of photos and the command on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.out = folder, folder / "photos", folder / "mine"
        self.root.mkdir()

    def add(self, path: str, content: bytes | None = None, **said: Any) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        seed = len(list(self.root.rglob("*")))
        target.write_bytes(saved(picture(seed=seed), xmp=xmp(**said)) if content is None else content)

    def prepare(self, **options: Any) -> dict[str, dict[str, Any]]:
        """The rows of the collection by id, each without its empty entries."""
        make(read, Options(root=self.root, **options), self.out, False, HOW)
        rows = pq.read_table(self.out / "images.parquet").to_pylist()
        return {row["id"]: {key: value for key, value in row.items() if value and key != "id"} for row in rows}

    def error(self, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            self.prepare(**options)
        assert not self.out.exists()
        return str(caught.value).replace(f"{self.folder}/", "")

    @property
    def clean_up(self) -> dict[str, Any]:
        return json.loads((self.out / "card.json").read_text())["clean_up"]


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return Photos(tmp_path)


def test_from_an_archive_to_results(photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    table = write(photos.root)
    rows = photos.prepare(labels=table, on_error="skip", exiftool=False)
    assert len(rows) == COUNT + OTHERS
    assert rows["2018/Coast/sea8.jpg"]["labels"] == ["sea"]
    assert rows["2018/Coast/sea8.jpg"]["owner"] == "Ann Lee"
    assert rows["2019/Harz/forest2.jpeg"]["sets"] == ["2019/Harz"]
    assert "labels" not in rows["2018/Coast/sea0.jpg"]
    assert rows["2018/Coast/sea0.jpg"]["sets"] == ["2018/Coast", "best"]  # where the copy lies
    assert "best/the sea.jpg" not in rows
    assert rows["top.jpg"] == {"file": "top.jpg", "labels": ["city", "sea"]}
    assert sum("sea" in row.get("labels", ()) and row.get("sets") == ["odd"] for row in rows.values()) == 1  # Küste
    keywords = {keyword for topic in TOPICS for keyword in topic[3]}
    assert {tag for row in rows.values() for tag in row.get("tags", ())} == keywords | {"kept", "view"}
    assert photos.clean_up == {
        "pictures": COUNT + OTHERS + 3,
        "broken_links_left_out": 2,
        "cr2_files_left_out": 2,
        "heic_files_left_out": 1,
        "hidden_or_system_files_left_out": 2,
        "hidden_or_system_folders_left_out": 3,
        "links_out_of_root_left_out": 1,
        "links_within_root_left_out": 2,
        "other_files_left_out": 1,
        "txt_files_left_out": 1,
        "metadata_read_by_pillow": photos.clean_up["metadata_read_by_pillow"],
        "metadata_not_taken": photos.clean_up["metadata_not_taken"],
        "descriptions_that_say_nothing_left_out": 0,
        "pictures_with_artist": 36,
        "pictures_with_date": 0,
        "pictures_with_description": 12,
        "pictures_with_keywords": COUNT + 2,
        "pictures_with_title": 24,
        "titles_that_say_nothing_left_out": 12,
        "same_picture_twice_merged": 1,
        "same_pictures_left_out": 0,
        "label_lines": COUNT - 8 + 3,
        "label_lines_left_out": 0,
        "labels_that_differ_from_another_in_capitals_only": 0,
        "pictures_rejected": 2,
        "reasons": photos.clean_up["reasons"],
    }
    assert {
        entry["not_taken"]: (entry["count"], entry["first"]) for entry in photos.clean_up["metadata_not_taken"]
    } == {
        "olympus": (12, "2018/Alps/mountain11.jpg"),
        "xmp block": (2, "odd/bomb.jpg"),
        "exif block": (1, "odd/broken_exif.jpg"),
        "iptc block": (1, "odd/broken_iptc.jpg"),
    }
    assert "cr2 files left out: 2" in capsys.readouterr().out
    assert not (photos.out / "labels_rejected.jsonl").exists()
    results = train_on(photos.out, photos.folder, "metadata=tags", "lr=0.01", "epochs=5")
    assert results["test"]["mAP_L"] > 60  # four labels: chance is 25


def test_a_picture_that_cannot_be_decoded_ends_it_unless_skipped(photos: Photos) -> None:
    photos.add("a/good.jpg")
    photos.add("b/cut.jpg", saved(picture())[:-120])
    assert photos.error().startswith("photos, picture 2: has the file 'b/cut.jpg', which cannot be decoded (")
    assert list(photos.prepare(on_error="skip")) == ["a/good.jpg"]


REFUSED = {
    "not a picture": ("b.jpg", b"text", "has the file 'b.jpg', which is not in a format that is read"),
    "large": ("b.png", saved(picture().resize((101, 100)), "PNG"), "has the file 'b.png', which has 101 x 100 pixels"),
    "not UTF-8": (
        os.fsdecode(b"caf\xe9.jpg"),
        None,
        r"has the file 'caf\udce9.jpg', which has a name that is not UTF-8",
    ),
    "backslash": ("b\\c.jpg", None, r"has the file 'b\\c.jpg', which is not a plain path"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_that_is_refused_is_named(name: str, photos: Photos) -> None:
    path, content, reason = REFUSED[name]
    photos.add("a.jpg")
    photos.add(path, content)
    assert photos.error().startswith(f"photos, picture 2: {reason}")
    assert list(photos.prepare(on_error="skip")) == ["a.jpg"]
    assert json.loads((photos.out / "rejected.jsonl").read_text())["reason"].startswith(reason)


def test_keywords_are_one_in_their_most_frequent_spelling(photos: Photos) -> None:
    photos.add("1.jpg", with_iptc(saved(picture(seed=1), xmp=xmp(("Sea", "New York"))), iptc((2, 25, b"SEA"))))
    photos.add("2.jpg", subject=("sea", "new york"))
    photos.add("3.jpg", saved(picture(seed=3), exif=exif(keywords="sea;New York", title="The SEA at New York")))
    rows = photos.prepare()
    assert rows["1.jpg"]["tags"] == rows["2.jpg"]["tags"] == ["New York", "sea"]
    assert rows["3.jpg"]["tags"] == ["New York", "new", "sea", "york"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", ["cliff"]),
        ("title", ["cliff", "evening", "harbour"]),
        ("description", ["boats", "cliff", "tide"]),
        ("both", ["boats", "cliff", "evening", "harbour", "tide"]),
    ],
)
def test_whose_words_become_tags(kind: str, expected: list[str], photos: Photos) -> None:
    photos.add(
        "1.jpg", subject=("cliff",), title="Evening in the harbour", description="Photo of 3 boats, at the tide."
    )
    photos.add("2.jpg", title="IMG_0001.JPG", description="OLYMPUS DIGITAL CAMERA")
    rows = photos.prepare(words=kind)
    assert rows["1.jpg"]["tags"] == expected
    assert "tags" not in rows["2.jpg"]
    assert photos.clean_up["titles_that_say_nothing_left_out"] == 1
    assert photos.clean_up["descriptions_that_say_nothing_left_out"] == 1


def test_nothing_said_and_no_folders_leave_no_columns(photos: Photos) -> None:
    for number in range(3):
        photos.add(f"{number}.png", saved(picture(seed=number), "PNG"))
    photos.prepare()
    assert pq.read_table(photos.out / "images.parquet").column_names == ["id", "file", "labels"]
    collection = load_collection(photos.out)
    assert collection.metadata == {}
    assert collection.label_names == ()
    assert collection.card["labels"]["how"] == "none were given"


def test_a_picture_under_many_names_is_left_out_but_not_one_in_many_albums(photos: Photos) -> None:
    gone, loved = saved(picture(seed=1000)), saved(picture(seed=1001))
    for number in range(5):
        photos.add(f"trip/photo{number}.jpg", gone)
        photos.add(f"album{number}/loved.jpg", loved)
    photos.add("trip/other.jpg")
    rows = photos.prepare()
    assert set(rows) == {"album0/loved.jpg", "trip/other.jpg"}
    assert rows["album0/loved.jpg"]["sets"] == [f"album{number}" for number in range(5)]
    assert photos.clean_up["same_pictures_left_out"] == 5
    assert photos.clean_up["same_picture_twice_merged"] == 4
    lines = (photos.out / "same_pictures.csv").read_text().splitlines()
    assert sum(line.endswith(",true") for line in lines) == 5
    assert "2,trip/photo0.jpg,trip/photo4.jpg,true" in lines


def test_a_share_keeps_a_picture_under_many_names(photos: Photos) -> None:
    for number in range(5):
        photos.add(f"photo{number}.jpg", saved(picture(seed=1000)))
    assert "same_picture_share=1" in photos.error()
    assert set(photos.prepare(same_picture_share=1)) == {"photo0.jpg"}


def test_the_same_folder_gives_the_same_table(photos: Photos) -> None:
    write(photos.root)
    photos.prepare(on_error="skip")
    first = (photos.out / "images.parquet").read_bytes()
    photos.out = photos.folder / "again"
    photos.prepare(on_error="skip")
    assert (photos.out / "images.parquet").read_bytes() == first


def test_bad_lines_of_the_label_table(photos: Photos) -> None:
    photos.add("a.jpg")
    photos.add("b.jpg")
    table = photos.folder / "labels.csv"
    table.write_text("file,label\na.jpg,sea\nB.jpg,sea\n")
    message = "labels.csv, line 3: names an unknown entry ('B.jpg'); correct it, or leave bad lines out with"
    assert photos.error(labels=table).startswith(message)
    rows = photos.prepare(labels=table, on_error="skip", min_positives=1)
    assert rows["a.jpg"]["labels"] == ["sea"]
    assert json.loads((photos.out / "labels_rejected.jsonl").read_text()) == {
        "line": 3,
        "reason": "names an unknown entry ('B.jpg')",
    }
    assert photos.clean_up["label_lines_left_out"] == 1


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"root": None}, "root: give the folder of the photos (root=photos/)."),
    ({"root": Path("none")}, "root: none is not a folder; give the one that the photos are in."),
    ({"words": "all"}, "words: 'all' is not known; use title, description, both, none."),
    ({"on_error": "ignore"}, "on_error: 'ignore' is not known; use stop or skip."),
    ({"min_positives": 0}, "min_positives: must be a whole number of 1 or more, not 0."),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=[message for _, message in BAD_OPTIONS])
def test_bad_options(options: dict[str, Any], message: str, photos: Photos) -> None:
    with pytest.raises(UserError) as caught:
        Options(**{"root": photos.root, **options})
    assert names_the_same(str(caught.value), message)


def test_a_folder_without_pictures(photos: Photos) -> None:
    photos.add("a/1.CR2", b"raw")
    message = photos.error()
    assert message.startswith("root: photos ")
    assert ".jpeg, .jpg, .png" in message
    assert "cr2 files left out: 1" in message


def test_out_among_the_photos_is_refused(photos: Photos) -> None:
    photos.add("a.jpg")
    photos.out = photos.root / "mine"
    message = "out: photos/mine lies inside root=photos, among the photos; give a folder elsewhere."
    assert names_the_same(photos.error(), message)
    assert list(photos.root.iterdir()) == [photos.root / "a.jpg"]
