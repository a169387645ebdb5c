"""sources/folder/flickr_export.py: an account's export from Flickr."""

from pathlib import Path
from typing import Any

import pytest

from fixtures.photo_folder_services import Services, flickr, flickr_tag
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read


@pytest.fixture
def to(tmp_path: Path) -> Services:
    return Services(tmp_path / "photos")


def found(to: Services) -> dict[str, dict[str, Any]]:
    release = read(Options(root=to.root, words="none"), Extraction(), to.root.parent / "partial")
    return {row["id"]: row for row in release.table.to_pylist()}


@pytest.mark.parametrize(
    "name",
    [
        "killarney-lake_2634391576_o.jpg",
        "2634391576_6ab6f1017f_o.jpg",
        "2634391576_1234567890_o.jpg",  # a secret may consist of digits
        "lake_2008_07_2634391576_o.png",  # 2008 is an id, too
        "lake_2634391576_6ab6f1017f_o.jpg",
        "lake_2634391576.jpg",
        "lake_2634391576_o (1).jpg",
    ],
)
def test_the_id_in_the_picture_s_name(name: str, to: Services) -> None:
    to.picture(f"photos/{name}")
    to.json("json/photo_2634391576.json", flickr("2634391576", tags=[flickr_tag("lake")]))
    to.json("json/photo_2008.json", flickr("2008", tags=[flickr_tag("wrong")]))
    assert found(to)[f"photos/{name}"]["tags"] == ["lake"]


def test_albums_and_groups_of_one_title_stay_two_and_ids_alone_have_their_names_from_elsewhere(to: Services) -> None:
    for number in (1, 2):
        to.picture(f"p/{number}0001_o.jpg")
        group = {"id": f"{number}@N00", "name": "Lakes"}
        to.json(f"photo_{number}0001.json", flickr(f"{number}0001", albums=["721"], groups=[group]))
    to.json("albums.json", {"albums": [{"id": "721", "title": "Canada", "photos": []}]})
    rows = found(to)
    assert rows["p/10001_o.jpg"]["sets"] == rows["p/20001_o.jpg"]["sets"] == ["Canada"]
    assert rows["p/10001_o.jpg"]["groups"] == ["Lakes (1@N00)"]
    assert rows["p/20001_o.jpg"]["groups"] == ["Lakes (2@N00)"]


def test_a_photo_whose_own_file_is_missing_or_broken_keeps_its_albums(to: Services) -> None:
    to.picture("data-download-1/a_10001_o.jpg")
    to.picture("data-download-1/b_10002_o.jpg")
    to.picture("sorted/lake.jpg")
    to.file("photo_10001.json", "{")
    to.json("albums.json", {"albums": [{"id": "721", "title": "Canada", "photos": ["10001", "10002"]}]})
    rows = found(to)
    assert rows["data-download-1/a_10001_o.jpg"]["sets"] == ["Canada"]
    assert rows["data-download-1/b_10002_o.jpg"]["sets"] == []  # nothing says that 10002 is an id
    assert rows["sorted/lake.jpg"]["sets"] == ["sorted"]


def test_two_accounts_in_one_folder_are_two_owners(to: Services) -> None:
    for number, owner in enumerate(("ann", "bo"), 1):
        to.picture(f"{owner}/data-download-1/x_{number}0001_o.jpg")
        page = f"https://www.flickr.com/photos/{owner}/{number}0001/"
        to.json(f"{owner}/json/photo_{number}0001.json", flickr(f"{number}0001", photopage=page))
    assert sorted(row["owner"] for row in found(to).values()) == ["ann", "bo"]


def test_machine_tags_of_programs_are_no_tags_and_those_of_people_are(to: Services) -> None:
    tags = (
        "geo:lat=52.5",
        "geo:lon=13.4",
        "uploaded:by=flickrmobile",
        "taxonomy:genus=Quercus",
        "9:30",
        "a=b",
        "AT&amp;T",
    )
    to.picture("x_10001_o.jpg")
    to.json("photo_10001.json", flickr("10001", tags=[flickr_tag(tag) for tag in tags]))
    assert found(to)["x_10001_o.jpg"]["tags"] == ["9:30", "AT&T", "a=b", "taxonomy:genus=Quercus"]


def test_names_like_flickr_s_without_its_files_say_nothing(to: Services) -> None:
    to.picture("data-download-1/x_10001_o.jpg")
    to.json("data-download-1/albums.json", {"albums": [{"id": "1", "title": "Canada", "photos": ["10001"]}]})
    assert found(to)["data-download-1/x_10001_o.jpg"]["sets"] == ["data-download-1"]
