"""sources/file_names.py and pictures.py: which file a name in a table or a record means."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from love_thy_neighbors.sources.file_names import MOST_HINTS, FileNames
from love_thy_neighbors.sources.pictures import checked_picture, name_below
from love_thy_neighbors.sources.rejects import RowError

DECOMPOSED = unicodedata.normalize("NFD", "2019/Küste.jpg")
PATHS = ("2019/Beach.jpg", "2019/Alps/beach.png", "2018/1.jpg", "2019/1.jpg", "top.jpg", "a\\b.jpg", DECOMPOSED)
PATHS += ("photos/inner.jpg", "twice/Sea.jpg", "twice/sea.jpg")
ROOT = Path("/home/ann/photos")
NAMES = FileNames(ROOT, PATHS)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        *((path, path) for path in PATHS),
        ("2019\\Beach.jpg", "2019/Beach.jpg"),
        (".\\2019\\Beach.jpg", "2019/Beach.jpg"),
        ("./2019//Beach.jpg", "2019/Beach.jpg"),
        ("2019/BEACH.JPG", "2019/Beach.jpg"),
        ("2019/Küste.jpg", DECOMPOSED),
        ("2019/KÜSTE.jpg", DECOMPOSED),
        ("photos/2019/Beach.jpg", "2019/Beach.jpg"),
        ("ann/photos/2019/Beach.jpg", "2019/Beach.jpg"),
        ("/home/ann/photos/2019/Beach.jpg", "2019/Beach.jpg"),
        ("C:\\Users\\Ann\\Photos\\2019\\Beach.jpg", "2019/Beach.jpg"),
        ("photos/photos/inner.jpg", "photos/inner.jpg"),
        ("photos/top.jpg", "top.jpg"),
        ("Beach.jpg", "2019/Beach.jpg"),
        ("inner", "photos/inner.jpg"),
        ("top", "top.jpg"),
        ("2019/Alps/beach", "2019/Alps/beach.png"),
        ("twice/sea.jpg", "twice/sea.jpg"),
        ("1.jpg", None),  # of two folders
        ("beach", None),
        ("twice/SEA.jpg", None),
        ("other/Beach.jpg", None),  # another folder is another file
        ("photos/Beach.jpg", None),
        ("../photos/top.jpg", None),
        ("2019/../top.jpg", None),
        ("/etc/passwd", None),
        ("", None),
        ("/", None),
        (".", None),
        (".jpg", None),
    ],
)
def test_which_file_a_name_means(name: str, path: str | None) -> None:
    found = NAMES.find(name)
    assert (found and found.path) == path
    assert found is None or found.exact == (name == path)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("2019/Baech.jpg", " (did you mean '2019/Beach.jpg'?)"),
        ("2018/Beach.jpg", " (did you mean '2019/Beach.jpg'?)"),
        ("1.jpg", " (2 files have this name, '2018/1.jpg' is one: write its folder, too)"),
        ("2020/1.jpg", " (did you mean '20"),
        ("nothing like it.gif", ""),
        ("", ""),
    ],
)
def test_what_was_meant(name: str, hint: str) -> None:
    found = FileNames(ROOT, PATHS).hint(name)
    assert found.startswith(hint)
    assert bool(found) == bool(hint)


def test_only_the_first_names_get_a_hint() -> None:
    names = FileNames(ROOT, PATHS)
    assert all(names.hint("2019/Baech.jpg") for _ in range(MOST_HINTS))
    assert names.hint("2019/Baech.jpg") == ""


PARTS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=6
)
FILES = st.lists(PARTS.filter(lambda part: part.strip(".") and part not in ("photos",)), min_size=1, max_size=3)


@given(st.lists(FILES.map("/".join), min_size=1, max_size=5, unique=True), st.data())
def test_a_spelling_never_means_a_file_that_it_does_not_fit(paths: list[str], data: st.DataObject) -> None:
    names = FileNames(ROOT, paths)
    path = data.draw(st.sampled_from(paths))
    assert names.find(path) == (path, True)
    change = data.draw(st.sampled_from(["/{}", "photos/{}", "./{}", "{}"]))
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    name = unicodedata.normalize(form, change.format(path)).replace("/", data.draw(st.sampled_from(["/", "//", "\\"])))
    found = names.find(name)
    assert found is None or unicodedata.normalize("NFC", found.path) == unicodedata.normalize("NFC", path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for path in ("2019/Beach.png", DECOMPOSED, "2019/a\\b.png"):
        (tmp_path / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / path)
    return tmp_path / "photos"


def test_records_find_files_by_the_same_rule(images: Path) -> None:
    for name in (
        "2019\\beach.png",
        "photos/2019/Beach.png",
        str(images / "2019/Beach.png"),
        "Beach",
        "./2019//Beach.png",
    ):
        assert name_below(images, name) == "2019/Beach.png"
        assert checked_picture(images, name, 100) == images / "2019/Beach.png"
    assert checked_picture(images, unicodedata.normalize("NFC", DECOMPOSED), 100).name == DECOMPOSED.rpartition("/")[2]
    assert name_below(images, "2019/a\\b.png") == "2019/a\\b.png"  # a name that has the character itself
    with pytest.raises(RowError, match="does not exist below images= .did you mean '2019/Beach.png'"):
        name_below(images, "2019/Baech.png")


def test_a_link_that_leads_out_is_refused_under_every_spelling(images: Path) -> None:
    Image.new("RGB", (8, 8)).save(images.parent / "secret.png")
    (images / "link.png").symlink_to(images.parent / "secret.png")
    for name in ("link.png", "LINK.png", "photos\\link.png", str(images / "link.png")):
        with pytest.raises(RowError, match="a link that leads out of root="):
            checked_picture(images, name, 100, key="root")
    for name in ("../secret.png", str(images.parent / "secret.png"), "photos/../../secret.png"):
        with pytest.raises(RowError, match="is not a plain path below images="):
            checked_picture(images, name, 100)
