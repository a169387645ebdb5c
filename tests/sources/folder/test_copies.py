"""sources/folder/copies.py: copies, links and edited copies become one image."""

from pathlib import Path

import pytest

from love_thy_neighbors.sources.folder.copies import Picture, merged
from love_thy_neighbors.sources.folder.embedded import Embedded


@pytest.fixture
def make(tmp_path: Path) -> "Make":
    return Make(tmp_path)


class Make:
    """Pictures with the given content; what begins with "->" is a link."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, **contents: str) -> list[Picture]:
        pictures = []
        for number, (name, content) in enumerate(contents.items(), 1):
            path = f"{name.replace('__', '/')}.jpg"
            file = self.root / path
            file.parent.mkdir(exist_ok=True)
            if content.startswith("->"):
                file.symlink_to(self.root / f"{content[2:]}.jpg")
            else:
                file.write_text(content)
            pictures.append(Picture(number, (path,), file.resolve(), Embedded(keywords=(name,))))
        return pictures


def paths(pictures: list[Picture]) -> list[tuple[str, ...]]:
    return [one.paths for one in pictures]


def test_a_link_is_a_copy_and_its_file_the_image(make: Make) -> None:
    found, copies = merged(make(a__1="x", b__1="y", c__1="->a/1", d__9="->a/1"), 1, {}, {})
    assert paths(found) == [("a/1.jpg", "c/1.jpg", "d/9.jpg"), ("b/1.jpg",)]
    assert found[0].metadata.keywords == ("a__1", "c__1", "d__9")
    assert copies.counts["links_merged_with_their_picture"] == 2
    assert copies.counts["same_picture_twice_merged"] == 0
    assert copies.texts["same_pictures.csv"].count("\n") == 1 + 3


def test_many_links_are_not_many_names(make: Make) -> None:
    links = {f"album{number}__{number}": "->a/1" for number in range(9)}
    found, copies = merged(make(a__1="x", b__1="y", **links), 0.001, {}, {})
    assert paths(found)[1] == ("b/1.jpg",)
    assert len(paths(found)[0]) == 10
    assert copies.counts["same_pictures_left_out"] == 0


def test_an_edited_copy_goes_to_its_original_wherever_copies_of_both_are(make: Make) -> None:
    pictures = make(a__1="original", a__2="edited", b__1="original", b__2="edited", c__2="edited", d="other")
    found, copies = merged(pictures, 1, {"a/2.jpg": "a/1.jpg", "b/2.jpg": "b/1.jpg"}, {})
    assert paths(found) == [("a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg", "c/2.jpg"), ("d.jpg",)]
    assert found[0].metadata.keywords == ("a__1", "b__1", "a__2", "b__2", "c__2")
    assert copies.counts["edited_and_other_versions_merged"] == 1
    assert copies.counts["same_picture_twice_merged"] == 3


def test_an_original_behind_its_copy_by_name_stays_the_image(make: Make) -> None:
    found, _ = merged(make(a="edited", b="original", c="second edit"), 1, {"a.jpg": "b.jpg", "c.jpg": "b.jpg"}, {})
    assert paths(found) == [("b.jpg", "a.jpg", "c.jpg")]
    assert found[0].file.read_text() == "original"


def test_edits_of_edits_and_circles_end(make: Make) -> None:
    pictures = make(a="1", b="2", c="3")
    assert paths(merged(pictures, 1, {"c.jpg": "b.jpg", "b.jpg": "a.jpg"}, {})[0]) == [("a.jpg", "b.jpg", "c.jpg")]
    circle, _ = merged(pictures, 1, {"a.jpg": "b.jpg", "b.jpg": "a.jpg"}, {})
    assert sorted(map(sorted, paths(circle))) == [["a.jpg", "b.jpg"], ["c.jpg"]]


def test_edits_whose_original_is_gone_stay(make: Make) -> None:
    assert paths(merged(make(a="1"), 1, {"a.jpg": "gone.jpg", "gone.jpg": "a.jpg"}, {})[0]) == [("a.jpg",)]
