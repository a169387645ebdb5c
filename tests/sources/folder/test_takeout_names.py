"""sources/folder/takeout/names.py: JSON files of Google Photos and their pictures, by their names.

The pairs are from public bug reports of immich-go, ente and google-photos-takeout-helper.
"""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.sources.folder.takeout.names import cut, named_files

PAIRS = {
    "PXL_20211013_220651983.jpg.json": "PXL_20211013_220651983.jpg",
    "DSC_0101.JPG(1).json": "DSC_0101(1).JPG",
    "IMG_20210704_094147.jpg.supplemental-metadata.json": "IMG_20210704_094147.jpg",
    "IMG_20210704_094147.jpg.supplemental-metadata(1).json": "IMG_20210704_094147(1).jpg",
    "skytree (2).jpg.supplemental-metadata.json": "skytree (2).jpg",
    "img(18).jpg.supple(18).json": "img(18).jpg",
    "PXL_20210102_221126856.MP~2.jpg.json": "PXL_20210102_221126856.MP~2.jpg",
    "PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGIN.json": "PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGINA.jpg",
    "PXL_20230814_201154491.LONG_EXPOSURE-01.COVER..json": "PXL_20230814_201154491.LONG_EXPOSURE-01.COVER.jpg",
    "05yqt21kruxwwlhhgrwrdyb6chhwszi9bqmzu16w0 2.jp.json": "05yqt21kruxwwlhhgrwrdyb6chhwszi9bqmzu16w0 2.jpg",
    "Urlaub in Knaufspesch in der Schneifel (38).JP.json": "Urlaub in Knaufspesch in der Schneifel (38).JPG",
    "Backyard_ceremony_wedding_photography_xxxxxxx_(494).json": "Backyard_ceremony_wedding_photography_xxxxxxx_m(494).jpg",
    "original_1d4caa6f-16c6-4c3d-901b-9387de10e528_.json": "original_1d4caa6f-16c6-4c3d-901b-9387de10e528_P.jpg",
    "13039_327707840323_537645323_9470255_27214_n.j(1).json": "13039_327707840323_537645323_9470255_27214_n(1).jpg",
    "Screenshot_2017-07-05-10-05-26.png.supplementa.json": "Screenshot_2017-07-05-10-05-26.png",
    "Screenshot_20220207_102421_com.snapchat.androi.json": "Screenshot_20220207_102421_com.snapchat.android.jpg",
    "D7157814-D2D5-4A62-AFCE-9CF465CB7D66.jpeg.supp.json": "D7157814-D2D5-4A62-AFCE-9CF465CB7D66.jpeg",
    "a name that has forty-five characters (1).jpg..json": "a name that has forty-five characters (1).jpg",
    "27_06_12 - 2.json": "27_06_12 - 2.jpg",
    "😀😃😄😁😆😅😂🤣🥲☺️😊😇🙂🙃😉😌😍🥰😘😗😙😚😋.json": "😀😃😄😁😆😅😂🤣🥲☺️😊😇🙂🙃😉😌😍🥰😘😗😙😚😋😛.jpg",
    "IMG_1.JPG.json": "img_1.jpg",
}
OTHERS = {
    "PXL_20211013_220651983.jpg.json": "PXL_20211013_220651958.jpg",
    "DSC_0102.JPG(2).json": "DSC_0102(1).JPG",
    "DSC_0103.JPG(1).json": "DSC_0103.JPG",
    "DSC_0104.JPG.json": "DSC_0104(1).JPG",
    "Backyard_ceremony_wedding_photography_xxxxxxx_(494).json": "Backyard_ceremony_wedding_photography_xxxxxxx_m(185).jpg",
    "metadata.json": "IMG_1.jpg",
    "IMG_1.jpg.xyz.json": "IMG_1.jpg",
}


@pytest.mark.parametrize("file", PAIRS)
def test_pairs(file: str) -> None:
    assert named_files([f"a/{PAIRS[file]}"], [f"a/{file}"])[f"a/{PAIRS[file]}"][0] == f"a/{file}"
    decomposed = unicodedata.normalize("NFD", file)
    assert named_files([f"a/{PAIRS[file]}"], [f"a/{decomposed}"])[f"a/{PAIRS[file]}"][0] == f"a/{decomposed}"


@pytest.mark.parametrize("file", OTHERS)
def test_others_are_no_pair(file: str) -> None:
    assert named_files([f"a/{OTHERS[file]}"], [f"a/{file}"]) == {}


def test_only_a_name_without_the_suffix_is_not_certain() -> None:
    found = named_files(["a.jpg", "b.jpg"], ["a.json", "b.jpg.json"])
    assert found == {"a.jpg": ("a.json", False), "b.jpg": ("b.jpg.json", True)}


def test_the_own_folder_comes_first_and_files_of_others_are_not_taken() -> None:
    pictures = ["1/x/a.jpg", "2/x/a.jpg", "3/x/a.jpg", "4/y/a.jpg"]
    found = named_files(pictures, ["1/x/a.jpg.json", "9/x/a.jpg.json"])
    assert found == {
        "1/x/a.jpg": ("1/x/a.jpg.json", True),
        "2/x/a.jpg": ("9/x/a.jpg.json", True),
        "3/x/a.jpg": ("9/x/a.jpg.json", True),
    }


@pytest.mark.parametrize("copy", ["a-edited.jpg", "a-modifié.JPG", "a-edited.HEIC"])
def test_an_edited_copy_without_its_original_has_the_originals_file(copy: str) -> None:
    assert named_files([copy], ["a.HEIC.supplemental-metadata.json"])[copy] == (
        "a.HEIC.supplemental-metadata.json",
        True,
    )


LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/")


@given(
    stem=st.text(LETTERS, min_size=1, max_size=60).map(lambda text: unicodedata.normalize("NFC", text)),
    suffix=st.sampled_from([".jpg", ".JPG", ".jpeg", ".png"]),
    number=st.one_of(st.just(""), st.integers(1, 999).map("({})".format)),
    form=st.sampled_from(["old", "new", "kept"]),
)
def test_google_s_rule_leads_back_to_the_picture(stem: str, suffix: str, number: str, form: str) -> None:
    picture = f"{stem}{number}{suffix}"
    json = {
        "old": f"{cut(stem + suffix)}{number}.json",
        "new": f"{cut(stem + suffix + '.supplemental-metadata')}{number}.json",
        "kept": f"{cut(picture + '.supplemental-metadata')}.json",
    }[form]
    assert named_files([picture], [json]) == {picture: (json, True)}


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_cut_leaves_a_beginning_of_at_most_46_units(text: str) -> None:
    short = cut(text)
    assert text.startswith(short)
    assert len(short.encode("utf-16-le")) <= 2 * 46
    assert short == text or len(short.encode("utf-16-le")) >= 2 * 45  # half of a sign is left out
