"""sources/not_taken.py and ignored_tags.py: what is left out, with its reason."""

import json

import pytest

from love_thy_neighbors.sources.ignored_tags import read_ignored
from love_thy_neighbors.sources.not_taken import NotTaken


def test_entries_are_counted_by_what_and_why_and_name_the_first_file() -> None:
    found = NotTaken()
    found.add("nef", "kind of file", "b.jpg")
    for name in ("c.jpg", "a.jpg"):
        found.add("xmp block", "damaged", name)
    found.add("nef", "other reason", "a.jpg")
    entries = found.listed()
    assert [(one["not_taken"], one["count"], one["first"]) for one in entries] == [
        ("xmp block", 2, "c.jpg"),
        ("nef", 1, "b.jpg"),
        ("nef", 1, "a.jpg"),
    ]
    assert list(map(json.loads, found.as_lines().splitlines())) == entries


def test_the_terminal_shows_the_most_frequent_ones_on_one_line_each() -> None:
    found = NotTaken()
    for number in range(50):
        found.add(f"tag {number}", "reason", "a\nb.jpg", count=number + 1)
    lines = found.shown()
    assert "tag 49" in lines[0]
    assert len(lines) < 20
    assert not any("\n" in line for line in lines)
    assert NotTaken().shown() == []


@pytest.mark.parametrize("tag", ["darktable", "NEF", "Nikon", "darktable|style|x", "Canon  EOS 5D", "uploaded:by=x"])
def test_what_programs_write_is_ignored(tag: str) -> None:
    assert read_ignored(None).reason(tag)


@pytest.mark.parametrize("tag", ["sea", "apple", "darktables", "canon law", "format painter", "Places|nef", "*", ""])
def test_what_people_write_is_kept(tag: str) -> None:
    assert read_ignored(None).reason(tag) is None


def test_names_of_the_pictures_own_tools_are_ignored() -> None:
    ignored = read_ignored(None)
    assert ignored.of_one(["x-t5", "sea"], made_with=["X-T5"]).keys() == {"x-t5"}
    assert ignored.of_one(["x-t5", "sea"]) == {}
