"""sources/folder/takeout: albums and photos of exports of Google Photos."""

from pathlib import Path
from typing import Any

import pytest

from fixtures.folder import picture, saved, xmp
from fixtures.photo_folder_services import Services, google, google_album
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read
from love_thy_neighbors.sources.folder.takeout.facts import album_title, photo


@pytest.fixture
def to(tmp_path: Path) -> Services:
    return Services(tmp_path / "photos")


def found(to: Services) -> dict[str, dict[str, Any]]:
    release = read(Options(root=to.root), Extraction(), to.root.parent / "partial")
    return {row["id"]: row for row in release.table.to_pylist()}


def sets(to: Services) -> dict[str, list[str]]:
    return {id_: row.get("sets") or [] for id_, row in found(to).items()}


def add(to: Services, *paths: str, **more: Any) -> None:
    for path in paths:
        to.picture(path)
        to.json(f"{path}.json", google(path.rpartition("/")[2], **more))


def test_folders_of_years_are_no_sets_in_any_language_and_albums_are(to: Services) -> None:
    years = ("Photos from 2019/a.jpg", "Zdjęcia z 2018/b.jpg", "Zdjęcia z 2019/c.jpg", "2017/d.jpg", "2016/e.jpg")
    add(to, *years, "Norway 2019/f.jpg", "Norway 2018/g.jpg", "Berlin 1990/h.jpg")
    for folder in ("Norway 2019", "Norway 2018"):
        to.json(f"{folder}/metadata.json", google_album(folder))
    to.json("Photos from 2019/metadata.json", google_album("Photos from 2019"))  # older exports have one for years, too
    assert sets(to) == {path: [] for path in years} | {
        "Norway 2019/f.jpg": ["Norway 2019"],
        "Norway 2018/g.jpg": ["Norway 2018"],
        "Berlin 1990/h.jpg": ["Berlin 1990"],
    }


def test_folders_without_json_of_google_keep_their_names(to: Services) -> None:
    for path in ("2018/a.jpg", "2019/b.jpg", "Photos from 2019/c.jpg"):
        to.picture(path)
    to.json("2019/post.json", {"title": "My year", "date": "2019-12-31"})
    assert sets(to) == {"2018/a.jpg": ["2018"], "2019/b.jpg": ["2019"], "Photos from 2019/c.jpg": ["Photos from 2019"]}


def test_albums_with_one_title_stay_two(to: Services) -> None:
    add(to, "Home/a.jpg", "Home(1)/a.jpg", "Untitled/b.jpg")
    for folder, title in {"Home": "Home", "Home(1)": "Home", "Untitled": ""}.items():
        to.json(f"{folder}/metadata.json", google_album(title))
    assert sets(to) == {"Home/a.jpg": ["Home"], "Home(1)/a.jpg": ["Home(1)"], "Untitled/b.jpg": ["Untitled"]}


def test_the_album_of_root_is_no_set(to: Services) -> None:
    add(to, "a.jpg", "b.jpg")
    to.json("metadata.json", google_album("Everything"))
    assert sets(to) == {"a.jpg": [], "b.jpg": []}


def test_an_album_s_file_is_not_taken_for_that_of_a_picture_of_its_name(to: Services) -> None:
    to.picture("Trip/metadata.jpg")
    to.json("Trip/metadata.json", google_album("Trip to Rome"))
    add(to, "Trip/a.jpg", people=("Ann",))
    assert sets(to) == {"Trip/metadata.jpg": ["Trip to Rome"], "Trip/a.jpg": ["Trip to Rome"]}
    assert found(to)["Trip/metadata.jpg"]["tags"] == []


def test_pictures_that_differ_in_the_suffix_have_their_own_files(to: Services) -> None:
    to.picture("a.jpg")
    to.picture("a.png")
    to.json("a.json", google("a.png", ("Ann",)))  # uploaded without a suffix, or not
    rows = found(to)
    assert (rows["a.jpg"]["tags"], rows["a.png"]["tags"]) == ([], ["Ann"])


def test_an_edited_copy_without_its_original_is_described_like_it(to: Services) -> None:
    to.picture("Trip/a-edited.jpg")
    to.json("Trip/a.HEIC.supplemental-metadata.json", google("a.HEIC", ("Ann",)))
    assert found(to)["Trip/a-edited.jpg"]["tags"] == ["Ann"]


def test_a_photo_that_google_has_changed_in_an_album_is_one_image(to: Services) -> None:
    add(to, "Photos from 2019/a.jpg", "Rome/a.jpg", "Rome/b.jpg")
    to.file("Photos from 2019/a.jpg", saved(picture(seed=7), xmp=xmp(("sea",))))
    to.file("Rome/a.jpg", saved(picture(seed=7)))  # without the metadata
    to.picture("Rome/a-edited.jpg")
    to.json("Rome/metadata.json", google_album("Rome"))
    assert sets(to) == {"Photos from 2019/a.jpg": ["Rome"], "Rome/b.jpg": ["Rome"]}


def test_photos_of_one_title_and_second_that_look_different_stay_two(to: Services) -> None:
    add(to, "Photos from 2019/a.jpg", "Rome/a.jpg")
    assert found(to).keys() == {"Photos from 2019/a.jpg", "Rome/a.jpg"}


@pytest.mark.parametrize("moment", [0, 1_562_230_801])
def test_photos_of_one_title_are_others_at_another_or_at_no_time(moment: int, to: Services) -> None:
    add(to, "Photos from 2019/a.jpg", moment=moment)
    add(to, "Rome/a.jpg", moment=0 if not moment else 1_562_230_800)
    to.file("Photos from 2019/a.jpg", saved(picture(seed=7), xmp=xmp(("sea",))))
    to.file("Rome/a.jpg", saved(picture(seed=7)))
    assert found(to).keys() == {"Photos from 2019/a.jpg", "Rome/a.jpg"}


def test_scans_of_one_title_and_day_stay_apart(to: Services) -> None:
    add(to, "Photos from 1980/scan.jpg", "A/scan.jpg", "B/scan.jpg")
    to.picture("Photos from 1980/scan(1).jpg")
    to.json("Photos from 1980/scan.jpg(1).json", google("scan.jpg"))
    assert len(found(to)) == 4


def test_the_picture_s_own_date_comes_first(to: Services) -> None:
    date = "<xmp:DateTimeOriginal>2001-02-03T04:05:06</xmp:DateTimeOriginal>".replace("xmp:", "dc:")
    to.file("a.jpg", saved(picture(), xmp=xmp(more=date)))
    to.json("a.jpg.json", google("a.jpg"))
    assert found(to)["a.jpg"]["taken"] == "2001-02-03T04:05:06"


def test_facts_of_other_files() -> None:
    assert photo(google("a.jpg")) is not None
    assert photo(google_album("a")) is None
    assert album_title(google_album("a")) == "a"
    assert album_title({"albumData": google_album("a")}) == "a"
    assert album_title(google("a.jpg")) is None
    # An order of prints, and titles of memories: no album.
    assert album_title({"externalOrderId": "4177", "creationTime": {"formatted": "Dec 12, 2022"}}) is None
    assert album_title({"title": "My page", "date": "2019-12-31"}) is None
