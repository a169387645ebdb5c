"""sources/folder/fields.py and words.py: texts with several keywords, and trees of keywords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.sources.folder.fields import Fields, clean, keywords_and_paths, levels, separated
from love_thy_neighbors.sources.folder.words import whole

SEPARATED = {
    "sea": ["sea"],
    "Smith, John": ["Smith, John"],
    "Paris, France": ["Paris, France"],
    "sea, wind, sand": ["sea", "wind", "sand"],
    "sea;wind": ["sea", "wind"],
    "Smith, John; Doe, Jane": ["Smith, John", "Doe, Jane"],
    "a, b, c; Smith, John": ["a", "b", "c", "Smith, John"],
    " ; ,": [","],
    "": [],
}
LEVELS = {
    "Places|Italy": ("Places", "Italy"),
    "|Places||Italy|": ("Places", "Italy"),
    "Places/Italy/Rome": ("Places", "Italy", "Rome"),
    **{one: (one,) for one in ("AC/DC", "24/7", "1/2/3", "2019/05/03", "http://a.b/c", "and/or", "f/2.8", "a/b/", "/")},
}


@pytest.mark.parametrize("text", SEPARATED)
def test_keywords_in_one_text(text: str) -> None:
    assert separated(text) == SEPARATED[text]


@pytest.mark.parametrize("keyword", LEVELS)
def test_levels_of_a_tree(keyword: str) -> None:
    assert levels(keyword) == LEVELS[keyword]


def test_a_short_path_is_one_if_another_block_says_so() -> None:
    blocks = [Fields(keywords=["Places/Rome", "AC/DC"]), Fields(paths=["Places|Rome"])]
    assert keywords_and_paths(blocks) == (("Places", "Rome", "AC/DC"), ("Places|Rome",))


@given(st.text())
def test_clean_text_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.lists(st.text(max_size=9)), st.data())
def test_a_keyword_is_left_out_only_if_a_longer_one_is_there(keywords: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.lists(st.sampled_from(keywords))) if keywords else []
    kept, parts = whole(keywords, cut)
    assert sorted(kept + parts) == sorted(keywords)
    assert set(parts) == {one for one in cut if any(two.startswith(one) and two != one for two in keywords)}
