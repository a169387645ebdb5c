"""Partitions: sizes, seeds, complete sets, unlabelled images, images left out."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.splits import PARTS, given_split, linked_units, make_split, units_of


def matrix(images: int, columns: int, density: float, seed: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.random.default_rng(seed).random((images, columns)) < density).astype(np.uint8))


@given(st.integers(30, 300), st.integers(0, 5), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_parts_are_disjoint_and_obey_the_rules(
    images: int, split: int, by_set: bool, keep: bool, discarding: bool
) -> None:
    labels, sets = matrix(images, 4, 0.4, 1), matrix(images, images, 1 / images, 2)
    discard = np.random.default_rng(3).random(images) < 0.2 if discarding else None
    parts = make_split(
        labels,
        (0.5, 0.25, 0.25),
        split,
        units=linked_units(sets) if by_set else None,
        keep_unlabelled=keep,
        discard=discard,
    )
    labelled = np.diff(labels.indptr) > 0
    all_neighbors = np.concatenate([parts.neighbors[name] for name in PARTS])
    assert len(np.unique(all_neighbors)) == len(all_neighbors)
    if discarding:
        assert not discard[all_neighbors].any()
    for name in PARTS:
        rows, neighbors = parts.rows[name], parts.neighbors[name]
        assert (np.diff(rows) > 0).all()
        assert labelled[rows].all()
        assert np.array_equal(rows, neighbors[labelled[neighbors]])
        assert keep or len(rows) == len(neighbors)
    expected = labelled if not keep else np.ones(images, dtype=bool)
    taking_part = expected if discard is None else expected & ~discard
    assert np.array_equal(np.sort(all_neighbors), np.flatnonzero(taking_part))  # fractions that add up to 1 use all
    if by_set:
        part = np.full(images, -1)
        for number, name in enumerate(PARTS):
            part[parts.neighbors[name]] = number
        for column in sets.T.tocsr():
            inside = part[column.indices]
            assert len(set(inside[inside >= 0])) <= 1


def test_counts_are_met_exactly() -> None:
    parts = make_split(matrix(400, 3, 0.9, 0), (200, 60, 40), 0)
    assert [len(parts.rows[name]) for name in PARTS] == [200, 60, 40]


def test_splits_are_seeded_and_differ() -> None:
    labels = matrix(200, 3, 0.9, 0)
    first, again, other = (make_split(labels, (0.5, 0.2, 0.3), split).rows["train"] for split in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_split_does_not_depend_on_the_labels_values() -> None:
    labels = matrix(200, 3, 0.9, 0)
    some = np.diff(labels.indptr) > 0
    others = sparse.csr_matrix(np.where(some[:, None], 1, 0).astype(np.uint8))
    for name in PARTS:
        assert np.array_equal(
            make_split(labels, (0.5, 0.2, 0.3), 0).rows[name],
            make_split(others, (0.5, 0.2, 0.3), 0).rows[name],
        )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0.5, 0.5), "must be three positive numbers"),
        ((0.5, 0.3, 0), "must be three positive numbers"),
        ((0.6, 0.3, 0.2), "must add up to at most 1"),
        ((100, 0.5, 0.5), "counts must be whole numbers"),
        ((300, 300, 300), "900 images are more than the"),
        ((0.99, 0.005, 0.001), "part of split 0 is empty"),
    ],
)
def test_wrong_sizes(sizes: tuple[float, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_split(matrix(200, 3, 0.9, 0), sizes, 0)


def test_a_collection_without_labels_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^data.dir: "):
        make_split(sparse.csr_matrix((30, 0), dtype=np.uint8), (0.6, 0.2, 0.2), 0, keep_unlabelled=True)


def test_a_split_of_the_release_is_not_changed() -> None:
    labels = sparse.csr_matrix(np.array([[1], [1], [1], [0], [1], [0]], dtype=np.uint8))
    parts = np.array([2, 0, 1, 0, -1, 1], dtype=np.int8)
    plain = given_split(parts, labels)
    assert {part: rows.tolist() for part, rows in plain.rows.items()} == {"train": [1], "val": [2], "test": [0]}
    assert {part: rows.tolist() for part, rows in plain.neighbors.items()} == {"train": [1], "val": [2], "test": [0]}
    kept = given_split(parts, labels, keep_unlabelled=True)
    assert {part: rows.tolist() for part, rows in kept.neighbors.items()} == {
        "train": [1, 3],
        "val": [2, 5],
        "test": [0],
    }
    with pytest.raises(UserError, match="split_by=release: the test part has no labelled image"):
        given_split(np.where(parts == 2, 0, parts), labels)


def test_linked_sets_that_do_not_fit_the_sizes_are_refused() -> None:
    # The last image of each set is the first of the next: half of the images hang together.
    sets = sparse.csr_matrix(np.eye(200, 200) + np.diag([1] * 100 + [0] * 99, 1), dtype=np.uint8)
    labels = sparse.csr_matrix(np.ones((200, 1), dtype=np.uint8))
    units = linked_units(sets)
    assert np.bincount(units).max() == 101
    with pytest.raises(UserError, match=r"^split_by=set: .*50 % of the images.*split_by=owner or split_by=time"):
        make_split(labels, (0.3, 0.3, 0.4), 0, units=units, by="set")
    with pytest.raises(UserError, match=r"^split_by=owner: .*25 % of the images; give another split or split_by=time"):
        make_split(labels, (0.3, 0.3, 0.4), 0, units=np.repeat(np.arange(4), 50), by="owner")
    alone = make_split(labels, (0.3, 0.3, 0.4), 0, units=np.arange(200), by="set")
    assert [len(alone.rows[name]) for name in PARTS] == [60, 60, 80]


def test_fractions_that_leave_images_out_are_compared_with_what_they_ask_for() -> None:
    labels, units = sparse.csr_matrix(np.ones((200, 1), dtype=np.uint8)), np.repeat(np.arange(100), 2)
    parts = make_split(labels, (0.1, 0.1, 0.1), 0, units=units, by="owner")
    assert [len(parts.rows[name]) for name in PARTS] == [20, 20, 20]


@given(st.lists(st.integers(0, 20), min_size=60, max_size=200), st.booleans())
@settings(max_examples=60, deadline=None)
def test_in_order_no_part_begins_before_the_one_before_it_ends(values: list[int], keep: bool) -> None:
    labels, times = matrix(len(values), 2, 0.8, 1), np.array(values)
    try:
        parts = make_split(labels, (0.5, 0.25, 0.25), 0, units=units_of(times), in_order=True, keep_unlabelled=keep)
    except UserError:  # so many images of one time that a part is empty
        return
    for earlier, later in pairwise(PARTS):
        assert times[parts.neighbors[earlier]].max() < times[parts.neighbors[later]].min()


def test_images_without_a_value_are_units_alone() -> None:
    units = units_of(np.array(["b", "", "a", "b", ""]), alone=np.array([False, True, False, False, True]))
    assert units.tolist() == [1, 2, 0, 1, 3]
