"""sources/folder/picasa.py: keywords, stars, people and albums in Picasa's files."""

from pathlib import Path
from typing import Any

import pytest

from fixtures.photo_folder_services import Services
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read


@pytest.fixture
def to(tmp_path: Path) -> Services:
    to = Services(tmp_path / "photos")
    to.picture("a/1.jpg")
    to.picture("b/2.jpg")
    return to


def found(to: Services, **options: Any) -> dict[str, dict[str, Any]]:
    release = read(Options(root=to.root, **options), Extraction(), to.root.parent / "partial")
    return {row["id"]: {"tags": [], "sets": [], **row} for row in release.table.to_pylist()}


@pytest.mark.parametrize("name", [".picasa.ini", "Picasa.ini", "picasa.ini", ".Picasa.ini"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_names_and_encodings_of_the_file(name: str, encoding: str, to: Services) -> None:
    to.file(f"a/{name}", "[1.JPG]\r\nKeywords=Küste, sea ,,\r\n".encode(encoding))
    assert found(to)["a/1.jpg"]["tags"] == ["Küste", "sea"]
    assert found(to)["b/2.jpg"]["tags"] == []


def test_the_newer_file_counts_where_both_say_something(to: Services) -> None:
    to.file("a/Picasa.ini", "[1.jpg]\nkeywords=old\nstar=yes\n")
    to.file("a/.picasa.ini", "[1.jpg]\nkeywords=new\n")
    assert found(to)["a/1.jpg"]["tags"] == ["new", "starred"]


def test_an_album_has_pictures_of_several_folders_and_needs_its_name_once(to: Services) -> None:
    to.file("a/.picasa.ini", "[.album:65D1]\nname=Birthday\n[.album:77]\nname=Birthday\n[1.jpg]\nalbums=65d1,77\n")
    to.file("b/.picasa.ini", "[2.jpg]\nalbums=65d1\n")
    assert found(to)["a/1.jpg"]["sets"] == ["Birthday (65d1)", "Birthday (77)", "a"]
    assert found(to)["b/2.jpg"]["sets"] == ["Birthday (65d1)", "b"]


def test_names_of_people_may_stand_in_another_folder(to: Services) -> None:
    to.file("a/.picasa.ini", "[Contacts2]\nD10A=Ann Lee;;\n8e62=;;\n")
    to.file("b/.picasa.ini", "[2.jpg]\nfaces=rect64(3f84),d10a;rect64(9eb1),8e62;rect64(9),ffffffffffffffff;\n")
    assert found(to)["b/2.jpg"]["tags"] == ["Ann Lee"]


def test_signs_that_ini_readers_stumble_over(to: Services) -> None:
    to.picture("a/x [1] #2; 50%.jpg")
    to.file(
        "a/.picasa.ini", "[x [1] #2; 50%.jpg]\nkeywords=50% off,#1;best\n[DEFAULT]\nkeywords=of none\n[1.jpg]\nstar\n"
    )
    rows = found(to)
    assert rows["a/x [1] #2; 50%.jpg"]["tags"] == ["#1;best", "50% off"]
    assert rows["a/1.jpg"]["tags"] == []


def test_captions_are_descriptions(to: Services) -> None:
    to.file("a/.picasa.ini", "[1.jpg]\ncaption=At the pi&#233;r\\nin May\n")
    assert found(to, words="description")["a/1.jpg"]["tags"] == ["may", "piér"]
