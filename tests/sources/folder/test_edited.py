"""sources/folder/edited.py: edited copies and their originals, by their names."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.sources.folder.edited import edited_copies, original_names

COPIES = {
    "IMG_1-edited.jpg": "IMG_1.jpg",
    "IMG_1-Edited(1).jpg": "IMG_1(1).jpg",
    "IMG_1-bearbeitet.jpg": "IMG_1.JPG",
    "IMG_1-modifié.jpg": "IMG_1.jpeg",
    "IMG_1-ha editado.jpeg": "IMG_1.jpeg",
    "IMG_1-編集済み.png": "IMG_1.png",
    "IMG_1-edytowane.jpg": "IMG_1.jpg",
    "2019-07-04_edited.jpeg": "2019-07-04.jpeg",  # osxphotos
    "IMG_E0007.JPG": "IMG_0007.JPG",
    "a long name of forty-two characters or more -edi.jpg": "a long name of forty-two characters or more .jpg",
}
OTHERS = {
    "IMG_1(1).jpg": "IMG_1.jpg",
    "a-edi.jpg": "a.jpg",  # only long names are cut
    "unedited.jpg": "un.jpg",
    "-edited.jpg": ".jpg",
    "IMG_E7.JPG": "IMG_7.JPG",
    "band-mix.jpg": "band.jpg",
}


@pytest.mark.parametrize("name", COPIES)
def test_copies(name: str) -> None:
    pictures = [f"a/{name}", f"a/{COPIES[name]}", f"b/{name}"]  # in b, the original is not there
    assert edited_copies(pictures, ()) == {f"a/{name}": f"a/{COPIES[name]}"}
    decomposed = [unicodedata.normalize("NFD", path) for path in pictures]
    assert edited_copies(decomposed, ()) == {decomposed[0]: decomposed[1]}


@pytest.mark.parametrize("name", OTHERS)
def test_others(name: str) -> None:
    assert edited_copies([name, OTHERS[name]], ()) == {}


def test_words_that_other_people_use_count_in_exports_of_google_photos_alone() -> None:
    pictures = ["band-mix.jpg", "band.jpg"]
    assert edited_copies(pictures, {"band.jpg"}) == {"band-mix.jpg": "band.jpg"}


def test_the_same_suffix_comes_first() -> None:
    assert edited_copies(["a-edited.jpg", "a.png", "a.jpg"], ()) == {"a-edited.jpg": "a.jpg"}
    assert edited_copies(["a-edited.jpg", "a.tif", "a.png"], ()) == {"a-edited.jpg": "a.png"}


def test_other_parts_of_an_export_count_and_other_folders_of_this_name_do_not() -> None:
    pictures = ["1/x/a.jpg", "2/x/a-edited.jpg", "3/y/a-edited.jpg"]
    assert edited_copies(pictures, {"1/x/a.jpg"}) == {"2/x/a-edited.jpg": "1/x/a.jpg"}
    assert edited_copies(pictures, ()) == {}


@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=60))
def test_a_picture_is_never_its_own_original(name: str) -> None:
    assert name not in original_names(name)
    assert edited_copies([name], {name}) == {}
