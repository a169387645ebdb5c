"""sources/folder/services.py: a folder with one of each kind that services write, and what its collection has of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fixtures.photo_folder_services import FLICKR_JSON, FLICKR_PHOTOS, GOOGLE, LONG, SECOND, Services, google, write
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.release import Release

YEAR = f"{GOOGLE}/Photos from 2019"
# Tags, sets and groups of every image.
EXPECTED: dict[str, tuple[list[str], list[str], list[str]]] = {
    f"{YEAR}/IMG_1.jpg": (["Ann Lee", "Bo"], ["Rome: spring"], []),
    f"{YEAR}/IMG_1(1).jpg": (["Dee", "starred"], [], []),
    f"{YEAR}/IMG_1(2).jpg": (["Eli"], [], []),
    f"{YEAR}/{LONG[:47]}.jpg": (["Flo"], [], []),
    f"{YEAR}/Screenshot_2017-07-05-10-05-26.png.jpg": (["Gus"], [], []),
    f"{YEAR}/boat.jpg": ([], ["Rome: spring"], []),
    f"{YEAR}/broken.jpg": ([], [], []),
    f"{GOOGLE}/Home/IMG_1.jpg": (["Cy"], ["Home"], []),
    f"{SECOND}/Rome_ spring/far.jpg": (["Hal"], ["Rome: spring"], []),
    f"{SECOND}/Archiv/old.jpg": (["Ida"], [], []),
    f"{FLICKR_PHOTOS}1/killarney-lake_2634391576_o.jpg": (
        ["British Columbia", "canoe", "killarney", "lake"],
        ["Canada"],
        ["Lakes & Rivers"],
    ),
    f"{FLICKR_PHOTOS}2/2634391577_6ab6f1017f_o.jpg": (["fog"], ["Canada", "Summer (722)"], ["Lakes & Rivers"]),
    f"{FLICKR_PHOTOS}2/route-2634391576_2634391578_o.jpg": (["canoe", "route"], ["Summer (723)"], []),
    f"{FLICKR_PHOTOS}2/broken_2634391579_o.jpg": ([], [], []),
    "harbour/pier.png": (
        ["Ann Lee", "beer", "café", "keyword with spaces", "starred"],
        ["Birthday", "harbour", "party"],
        [],
    ),
    "harbour/crane.jpg": ([], ["harbour"], []),
    "old/net.jpg": (["Küste"], ["old"], []),
    "bad/a.jpg": ([], ["bad"], []),
    "phone/IMG_0007.JPG": ([], ["phone"], []),
    "phone/IMG_E0008.JPG": ([], ["phone"], []),
    "trips/Oslo/fjord.jpg": ([], ["favourites", "trips/Oslo"], []),
}


def release(root: Path, **options: Any) -> Release:
    return read(Options(root=root, **options), Extraction(), root.parent / "partial")


def rows(found: Release) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in found.table.to_pylist()}


@pytest.fixture(scope="module")
def all_of(tmp_path_factory: pytest.TempPathFactory) -> Release:
    root = tmp_path_factory.mktemp("services") / "photos"
    write(root)
    return release(root)


def test_each_picture_is_one_image(all_of: Release) -> None:
    assert rows(all_of).keys() == EXPECTED.keys()


@pytest.mark.parametrize("id_", EXPECTED)
def test_tags_sets_and_groups(id_: str, all_of: Release) -> None:
    row = rows(all_of)[id_]
    assert (row["tags"], row["sets"], row["groups"]) == EXPECTED[id_]


def test_owners_and_dates(all_of: Release) -> None:
    row = rows(all_of)[f"{FLICKR_PHOTOS}1/killarney-lake_2634391576_o.jpg"]
    assert (row["owner"], row["taken"]) == ("boris", "2008-07-01T13:04:18")
    assert rows(all_of)[f"{YEAR}/IMG_1.jpg"]["taken"] == "2019-07-04T09:00:00"  # UTC, as the picture has no date
    assert rows(all_of)["harbour/pier.png"]["taken"] is None


def test_what_is_counted(all_of: Release) -> None:
    counts = {name: count for name, count in all_of.counts.items() if count}
    assert counts == {
        "pictures": 29,
        "aae_files_with_apples_edits_left_out": 1,
        "flickr_json_files_without_a_picture": 1,
        "google_photos_json_files_of_videos_and_other_files": 2,
        "json_files_left_out": 4,
        "pictures_described_by_flickr": 3,
        "pictures_described_by_google_photos": 14,
        "pictures_described_by_picasa": 3,
        "pictures_in_the_trash_of_google_photos_left_out": 1,
        "descriptions_that_say_nothing_left_out": 1,
        "pictures_with_artist": 3,
        "pictures_with_date": 12,
        "pictures_with_description": 3,
        "pictures_with_keywords": 13,
        "pictures_with_title": 2,
        "same_picture_twice_merged": 4,
        "links_merged_with_their_picture": 1,
        "edited_and_other_versions_merged": 2,
    }


def test_what_is_not_taken_has_a_reason_and_the_first_file(all_of: Release) -> None:
    lines = [json.loads(line) for line in all_of.not_taken.as_lines().splitlines()]
    assert {(line["not_taken"], line["count"], line["first"]) for line in lines} == {
        ("description in Google Photos", 2, f"{YEAR}/IMG_1.jpg"),
        ("JSON file of Google Photos", 1, f"{YEAR}/broken.jpg.supplemental-metadata.json"),
        ("JSON file of Flickr", 1, f"{FLICKR_JSON}/photo_2634391579.json"),
        ("geo:lat=", 1, f"{FLICKR_PHOTOS}1/killarney-lake_2634391576_o.jpg"),
        ("file of Picasa", 1, "bad/.picasa.ini"),
        ("face in Picasa", 1, "harbour/pier.png"),
        ("album in Picasa", 1, "harbour/pier.png"),
    }
    assert all(line["reason"] for line in lines)


@pytest.mark.usefixtures("mean_colour")
def test_the_collection_has_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "photos")
    how = Extraction(size=32, batch_size=16, workers=0, device="cpu", thumbnail=16, max_pixels=10_000)
    make(read, Options(root=tmp_path / "photos"), tmp_path / "mine", False, how)
    collection = load_collection(tmp_path / "mine")
    assert collection.metadata.keys() == {"tags", "sets", "groups"}
    assert collection.metadata["groups"].sum() == 2
    first = f"{YEAR}/broken.jpg.supplemental-metadata.json"
    card = json.loads((tmp_path / "mine" / "card.json").read_text())
    assert first in {entry["first"] for entry in card["clean_up"]["metadata_not_taken"]}
    lines = (tmp_path / "mine" / "rejected.jsonl").read_text().splitlines()
    assert first in {json.loads(line)["first"] for line in lines}
    assert "broken.jpg.supplemental-metadata.json" in capsys.readouterr().out


def test_words_of_descriptions(tmp_path: Path) -> None:
    write(tmp_path / "photos")
    found = release(tmp_path / "photos", words="description")
    assert rows(found)[f"{YEAR}/IMG_1.jpg"]["tags"] == ["Ann Lee", "Bo", "boat", "tiber"]
    flickr = rows(found)[f"{FLICKR_PHOTOS}1/killarney-lake_2634391576_o.jpg"]
    assert flickr["tags"] == ["British Columbia", "canoe", "ferns", "fog", "shozu"]  # neither HTML nor addresses
    assert rows(found)["harbour/pier.png"]["tags"][-3:] == ["may", "pier", "starred"]
    assert rows(found)[f"{YEAR}/{LONG[:47]}.jpg"]["tags"] == ["Flo"]  # a camera wrote its description
    assert "description in Google Photos" not in found.not_taken.as_lines()


def test_labels_of_all_copies_count_and_those_of_thrown_away_pictures_do_not_stop_it(tmp_path: Path) -> None:
    write(tmp_path / "photos")
    table = tmp_path / "labels.csv"
    paths = {
        f"{GOOGLE}/Home/IMG_1-bearbeitet.jpg": "cat",
        f"{GOOGLE}/Home/IMG_1.jpg": "sofa",
        "favourites/1.jpg": "sea",
        f"{GOOGLE}/Papierkorb/gone.jpg": "dust",
    }
    table.write_text("file,label\n" + "".join(f"{path},{label}\n" for path, label in paths.items()))
    found = rows(release(tmp_path / "photos", labels=table))
    assert found[f"{GOOGLE}/Home/IMG_1.jpg"]["labels"] == ["cat", "sofa"]
    assert found["trips/Oslo/fjord.jpg"]["labels"] == ["sea"]
    assert not any("dust" in row["labels"] for row in found.values())


def test_the_same_folder_gives_the_same_table(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write(tmp_path / name / "photos")
    assert release(tmp_path / "1" / "photos").table == release(tmp_path / "2" / "photos").table


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        '"photo"',
        "{}",
        '{"title": 3, "photoTakenTime": {"timestamp": "1"}}',
        '{"title": "a.jpg", "photoTakenTime": "1"}',
        "[" * 100_000,
        '{"a": NaN}',
        '"\\ud800"',
        "",
        " " * (5 << 20),
    ],
    ids=range(11),
)
@pytest.mark.parametrize("name", ["a.jpg.json", "metadata.json", "photo_12345.json", "albums.json", ".picasa.ini"])
def test_odd_content_is_never_an_error(content: str, name: str, tmp_path: Path) -> None:
    to = Services(tmp_path / "photos")
    to.picture("album/a.jpg")
    to.picture("album/b_12345_o.jpg")
    to.picture("album/c.jpg")
    to.json("album/c.jpg.json", google("c.jpg", ("Ann",)))
    to.file(f"album/{name}", content)
    found = release(to.root)
    assert rows(found).keys() == {"album/a.jpg", "album/b_12345_o.jpg", "album/c.jpg"}
    assert rows(found)["album/c.jpg"]["tags"] == ["Ann"]
    assert rows(found)["album/a.jpg"]["tags"] == []


@pytest.mark.parametrize("value", [None, 3, "x", {}, [None, 3, "x", {}, []]])
@pytest.mark.parametrize("key", ["people", "description", "favorited", "tags", "albums", "groups", "name", "photopage"])
def test_odd_values_are_never_an_error(key: str, value: Any, tmp_path: Path) -> None:
    to = Services(tmp_path / "photos")
    to.picture("a.jpg")
    to.json("a.jpg.json", google("a.jpg") | {key: value})
    to.picture("b_12345_o.jpg")
    to.json("photo_12345.json", {"id": "12345", "tags": [{"tag": "sea"}], key: value})
    to.json("albums.json", {"albums": [{"id": "1", "title": value, "photos": value}, value]})
    found = rows(release(to.root))
    assert found.keys() == {"a.jpg", "b_12345_o.jpg"}
    assert key == "tags" or "sea" in found["b_12345_o.jpg"]["tags"]


def test_names_that_are_not_utf_8_are_no_error(tmp_path: Path) -> None:
    to = Services(tmp_path / "photos")
    name = os.fsdecode(b"caf\xe9.jpg")
    for path in ("a.jpg", name, f"{name[:-4]}-edited.jpg"):
        to.picture(path)
    to.file(f"{name}.json", "{")
    to.file(".picasa.ini", "[café.jpg]\nfaces=rect64(1),2\n".encode("cp1252"))
    found = release(to.root, max_rejected=1)
    assert rows(found).keys() == {"a.jpg"}
    assert "caf" in found.not_taken.as_lines().encode().decode()


def test_files_behind_links_are_not_read(tmp_path: Path) -> None:
    to = Services(tmp_path / "photos")
    to.picture("a.jpg")
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(google("a.jpg", ("Secret",))))
    (to.root / "a.jpg.json").symlink_to(secret)
    assert "tags" not in rows(release(to.root))["a.jpg"]
