"""A run finds and opens each file of neighbour lists once, and what it opens is what the functions behind it give."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import train_on
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.neighbors import lists, similarities
from love_thy_neighbors.neighbors.lists import NeighborQuery, neighbor_lists
from love_thy_neighbors.neighbors.similarities import neighbor_similarities
from love_thy_neighbors.splits import make_split
from love_thy_neighbors.training.opened_lists import OpenedLists

TAGS = NeighborQuery("tags", None, "split")


@pytest.mark.parametrize(
    ("model", "files"),
    [
        # The lists of three parts, and those of validation images among all images, for annotate.py.
        (("model=neighborhood", "metadata=tags"), 4),
        (("model=neighborhood", "metadata=tags", "pool=all"), 4),
        # Three types, each with its similarities.
        (("model=relational", "metadata=all"), 12),
        (("model=tag_voting",), 2),  # nobody votes for training images
    ],
)
def test_a_run_opens_each_file_once(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: tuple[str, ...], files: int
) -> None:
    keys: Counter[str] = Counter()
    real: Callable[..., str] = lists._key

    def counted(*parts: Any) -> str:
        key = real(*parts)
        keys[key] += 1
        return key

    monkeypatch.setattr(lists, "_key", counted)
    train_on(made_up, tmp_path, *model)
    assert len(keys) == files
    assert set(keys.values()) == {1}


def test_the_same_lists_as_without(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = load_collection(made_up)
    split, other = (make_split(collection.labels, (0.6, 0.2, 0.2), number) for number in (0, 1))
    opened = OpenedLists(collection, tmp_path)
    for asked in (split, other, split):
        for depth in (6, 20, 21):
            expected = neighbor_lists(collection, asked, TAGS, depth, "val", tmp_path)
            assert np.array_equal(opened.lists(asked, TAGS, depth, "val"), expected)
            expected = neighbor_similarities(collection, asked, TAGS, depth, "val", tmp_path)
            assert np.array_equal(opened.similarities(asked, TAGS, depth, "val"), expected)
    assert isinstance(opened.lists(split, TAGS, 6, "val"), np.memmap)
    monkeypatch.setattr(lists, "_key", None)
    monkeypatch.setattr(similarities, "is_complete", None)
    opened.lists(split, TAGS, 20, "val")  # in the same file as the first 6
    opened.similarities(split, TAGS, 6, "val")


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_the_key_does_not_depend_on_how_much_is_hashed_at_a_time(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """It is the name of files that earlier versions have written."""
    monkeypatch.setattr(lists, "_HASHED", step)
    key = lists._key(b"jaccard", np.arange(20, dtype=np.int32), np.arange(9), 20)
    assert key == "af4c57b4819899d6c566146291321b87"
