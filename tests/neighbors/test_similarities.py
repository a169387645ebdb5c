"""Jaccard similarities of listed neighbours, against sets, and the file that keeps them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.neighbors import similarities as module
from love_thy_neighbors.neighbors.lists import NeighborQuery, neighbor_lists
from love_thy_neighbors.neighbors.similarities import neighbor_similarities, similarities, similarity_file
from love_thy_neighbors.splits import make_split


@given(
    st.lists(st.sets(st.integers(0, 8)), min_size=1, max_size=9),
    st.lists(st.lists(st.integers(-1, 8), min_size=3, max_size=3), min_size=1, max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_a_similarity_is_that_of_two_sets(values: list[set[int]], chosen: list[list[int]]) -> None:
    lists = np.array([[z if z < len(values) else -1 for z in row] for row in chosen], dtype=np.int32)
    rows = np.arange(len(lists)) % len(values)
    entries = [(row, value) for row, own in enumerate(values) for value in sorted(own, reverse=True)]  # not in order
    indptr = np.cumsum([0, *map(len, values)])
    matrix = sparse.csr_matrix((np.ones(len(entries)), [value for _, value in entries], indptr), (len(values), 9))
    expected = [
        [
            len(values[x] & values[z]) / len(values[x] | values[z]) if z >= 0 and values[x] & values[z] else 0
            for z in own
        ]
        for x, own in zip(rows, lists, strict=True)
    ]
    found = similarities(matrix, rows, lists)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("query", [NeighborQuery("tags", 5000, "split"), NeighborQuery("union", 3, "all")])
def test_similarities_lie_beside_the_lists_and_fall(
    made_up: Path, tmp_path: Path, query: NeighborQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = load_collection(made_up)
    split = make_split(collection.labels, (0.6, 0.2, 0.2), 0)
    monkeypatch.setattr(module, "BLOCK", 7)
    lists = neighbor_lists(collection, split, query, 6, "val", tmp_path)
    found = neighbor_similarities(collection, split, query, 6, "val", tmp_path)
    assert found.shape == lists.shape
    assert np.array_equal(found > 0, lists >= 0)
    assert (np.diff(found, axis=1) <= 0).all()  # nearest first
    (listed,) = (path for path in tmp_path.glob("*.npy") if "similarities" not in path.name)
    file = similarity_file(collection, split, query, 6, "val", tmp_path)
    assert file == listed.with_suffix(".similarities.npy")
    monkeypatch.setattr(module, "similarities", None)  # they are read, not computed again
    assert np.array_equal(neighbor_similarities(collection, split, query, 6, "val", tmp_path), found)


def test_a_damaged_file_is_written_again(made_up: Path, tmp_path: Path) -> None:
    collection = load_collection(made_up)
    split = make_split(collection.labels, (0.6, 0.2, 0.2), 0)
    asked = (collection, split, NeighborQuery("groups", None, "split"), 6, "test", tmp_path)
    before = np.array(neighbor_similarities(*asked))
    file = similarity_file(*asked)
    file.write_bytes(file.read_bytes()[:200])
    assert np.array_equal(neighbor_similarities(*asked), before)


def test_visual_neighbours_have_none(made_up: Path, tmp_path: Path) -> None:
    collection = load_collection(made_up)
    split = make_split(collection.labels, (0.6, 0.2, 0.2), 0)
    with pytest.raises(ValueError, match="visual"):
        neighbor_similarities(collection, split, NeighborQuery("visual", None, "split"), 6, "val", tmp_path)
