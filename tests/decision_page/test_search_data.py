"""What the page searches."""

import base64

import numpy as np
import pyarrow as pa
import pytest

from love_thy_neighbors.decision_page.search_data import folders_of, names_of, values_of


def table(tags: list[list[str] | None]) -> pa.Table:
    files = [f"a/b/{number}.jpg" for number in range(len(tags))]
    return pa.table({"file": files, "id": files, "metadata.tags": pa.array(tags, pa.list_(pa.string()))})


@pytest.mark.parametrize(
    ("file", "folders"),
    [("a/b/c.jpg", ["a", "a/b"]), ("c.jpg", []), ("", []), (None, []), ("a\\c.jpg", ["a"])],
)
def test_folders_of_a_file(file: str | None, folders: list[str]) -> None:
    assert folders_of(file) == folders


def test_ids_are_sent_only_where_they_are_not_the_file() -> None:
    photos = pa.table({"file": ["a.jpg", "b.jpg"], "id": ["a.jpg", "7"]})
    assert names_of(photos) == {"files": ["a.jpg", "b.jpg"], "ids": [None, "7"]}
    assert names_of(photos.slice(0, 1)) == {"files": ["a.jpg"], "ids": None}


def test_values_are_those_of_each_photo() -> None:
    tags: list[list[str] | None] = [["sea", "sand"], None, [], ["sea"]]
    folders, found = values_of(table(tags), ["tags"])
    assert (folders["name"], folders["album"], folders["texts"]) == ("folder", True, ["a", "a/b"])
    assert (found["name"], found["album"]) == ("tags", False)
    counts, entries = (np.frombuffer(base64.b64decode(found[name][1]), np.uint8) for name in ("perPhoto", "entries"))
    values = iter([found["texts"][entry] for entry in entries])
    assert [[next(values) for _ in range(count)] for count in counts] == [["sea", "sand"], [], [], ["sea"]]


def test_photos_without_any_value_have_none() -> None:
    assert values_of(table([None, None]), ["tags"])[1]["texts"] == []
