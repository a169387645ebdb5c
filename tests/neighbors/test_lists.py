"""Which images are neighbours, and the cache of their lists."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.neighbors import lists as module
from love_thy_neighbors.neighbors.list_files import write_lists
from love_thy_neighbors.neighbors.lists import (
    NeighborQuery,
    counted_rows,
    fill_random,
    metadata_matrix,
    metadata_values,
    neighbor_lists,
)
from love_thy_neighbors.splits import Split, make_split

TAGS = NeighborQuery("tags", 5000, "split")


@pytest.fixture
def collection(made_up: Path) -> Collection:
    return load_collection(made_up)


@pytest.fixture
def split(collection: Collection) -> Split:
    return make_split(collection.labels, (0.6, 0.2, 0.2), 0)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of queries of each search that was computed."""
    counted: list[int] = []

    def counting(path: Path, search: Any, *rest: Any) -> None:
        counted.append(len(search.queries))
        write_lists(path, search, *rest)

    monkeypatch.setattr(module, "write_lists", counting)
    return counted


def test_lists_are_computed_once(collection: Collection, split: Split, tmp_path: Path, searches: list[int]) -> None:
    first = neighbor_lists(collection, split, TAGS, 6, "val", tmp_path)
    again = neighbor_lists(collection, split, TAGS, 6, "val", tmp_path)
    other_depth = neighbor_lists(collection, split, TAGS, 20, "val", tmp_path)
    assert len(searches) == 1
    assert np.array_equal(first, again)
    assert np.array_equal(first, other_depth[:, :6])
    assert first.shape == (len(split.rows["val"]), 6)


@pytest.mark.parametrize(
    "change",
    [
        NeighborQuery("sets", None, "split"),
        NeighborQuery("tags", 3, "split"),
        NeighborQuery("tags", 5000, "all"),
        NeighborQuery("visual", None, "split"),
    ],
)
def test_the_file_name_depends_on_the_query(
    collection: Collection, split: Split, tmp_path: Path, searches: list[int], change: NeighborQuery
) -> None:
    before = neighbor_lists(collection, split, TAGS, 6, "val", tmp_path)
    after = neighbor_lists(collection, split, change, 6, "val", tmp_path)
    assert len(searches) == 2
    assert not np.array_equal(before, after)


def test_the_file_name_depends_on_split_and_part(
    collection: Collection, split: Split, tmp_path: Path, searches: list[int]
) -> None:
    neighbor_lists(collection, split, TAGS, 6, "val", tmp_path)
    neighbor_lists(collection, split, TAGS, 6, "test", tmp_path)
    neighbor_lists(collection, make_split(collection.labels, (0.6, 0.2, 0.2), 1), TAGS, 6, "val", tmp_path)
    assert len(searches) == 3


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00", b"hello"])
def test_a_damaged_file_is_computed_again(
    collection: Collection, split: Split, tmp_path: Path, searches: list[int], damage: bytes
) -> None:
    whole = np.array(neighbor_lists(collection, split, TAGS, 6, "val", tmp_path))
    (path,) = tmp_path.glob("*.npy")
    path.write_bytes(damage)
    assert np.array_equal(neighbor_lists(collection, split, TAGS, 6, "val", tmp_path), whole)
    assert len(searches) == 2


def test_two_threads_compute_the_same_list_once(
    collection: Collection, split: Split, tmp_path: Path, searches: list[int]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        wanted = [pool.submit(neighbor_lists, collection, split, TAGS, 6, "train", tmp_path) for _ in range(4)]
        lists = [future.result() for future in wanted]
    assert len(searches) == 1
    assert all(np.array_equal(lists[0], other) for other in lists)


def test_the_vocabulary_is_chosen_on_the_training_split(collection: Collection, split: Split, tmp_path: Path) -> None:
    tags = collection.metadata["tags"]
    counts = np.asarray(tags[split.rows["train"]].sum(axis=0)).ravel()
    kept = np.sort(np.argsort(-counts, kind="stable")[:5])
    lists = neighbor_lists(collection, split, NeighborQuery("tags", 5, "split"), 6, "test", tmp_path)
    shares = tags[:, kept].toarray().astype(int)
    for row, neighbors in zip(split.rows["test"], lists, strict=True):
        there = neighbors[neighbors >= 0]
        assert ((shares[there] @ shares[row]) > 0).all()
        others = split.rows["test"][split.rows["test"] != row]
        assert len(there) == min(6, ((shares[others] @ shares[row]) > 0).sum())


@pytest.mark.parametrize("tau", [5, 5000])
@pytest.mark.parametrize("kind", ["tags", "union"])
def test_new_names_at_test_time_change_nothing_with_the_vocabulary_of_the_pool(
    collection: Collection, split: Split, tmp_path: Path, kind: str, tau: int
) -> None:
    query = NeighborQuery(kind, tau, "split", vocabulary="pool")
    known = neighbor_lists(collection, split, query, 6, "test", tmp_path)
    renamed = neighbor_lists(collection, split, replace(query, renamed=True), 6, "test", tmp_path)
    assert (known >= 0).any()
    np.testing.assert_array_equal(renamed, known)


def test_new_names_have_no_neighbours_with_the_vocabulary_of_training(
    collection: Collection, split: Split, tmp_path: Path
) -> None:
    renamed = neighbor_lists(collection, split, replace(TAGS, renamed=True), 6, "test", tmp_path)
    assert (renamed == -1).all()


def test_renamed_test_images_are_nobodys_neighbours(collection: Collection, split: Split, tmp_path: Path) -> None:
    query = NeighborQuery("tags", 5000, "all", vocabulary="pool", renamed=True)
    lists = neighbor_lists(collection, split, query, 6, "val", tmp_path)
    assert not np.isin(lists, split.rows["test"]).any()
    assert np.isin(
        neighbor_lists(collection, split, replace(query, renamed=False), 6, "val", tmp_path), split.rows["test"]
    ).any()


def test_the_vocabulary_of_the_pool_reads_the_pool_alone(collection: Collection, split: Split) -> None:
    for part in ("train", "val", "test"):
        query = NeighborQuery("tags", 5, "split", vocabulary="pool")
        counted = counted_rows(split, query, part)
        np.testing.assert_array_equal(counted, split.neighbors[part])
        most = np.asarray(collection.metadata["tags"][counted].sum(axis=0)).ravel()
        values = metadata_values(collection, split, query, counted)
        kept = [most[collection.values["tags"].index(value)] for value in values]
        assert sorted(kept) == sorted(most)[-5:]
        assert metadata_matrix(collection, split, query, counted).shape == (len(collection), 5)


def test_random_filling_is_uniform_over_the_pool() -> None:
    pool = np.array([2, 3, 5, 7, 11])
    filled = fill_random(np.full((4000, 5), -1, dtype=np.int32), np.repeat([5, 7], 2000), pool, seed=0)
    for row, others in ((0, [2, 3, 7, 11]), (2000, [2, 3, 5, 11])):
        values, counts = np.unique(filled[row : row + 2000], return_counts=True)
        assert values.tolist() == others
        assert abs(counts / 2500 - 1).max() < 0.1


def test_a_gpu_gives_the_same_file(
    collection: Collection,
    split: Split,
    tmp_path: Path,
    searches: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query = NeighborQuery("visual", None, "split")
    on_the_processor = neighbor_lists(collection, split, query, 6, "val", tmp_path / "a")
    monkeypatch.setattr(module, "gpu_for_euclidean", lambda *_: torch.device("cpu"))  # a stand-in for a GPU
    on_the_gpu = neighbor_lists(collection, split, query, 6, "val", tmp_path / "b")
    assert len(searches) == 1
    np.testing.assert_array_equal(on_the_gpu, on_the_processor)
    # The lists' name does not say where they were made.
    names = [sorted(path.name for path in (tmp_path / place).glob("*.npy")) for place in ("a", "b")]
    assert names[0] == names[1]
