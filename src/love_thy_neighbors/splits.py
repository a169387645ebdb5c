"""Partitions into training, validation and test images: random (section 4.1), in an order, or given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from love_thy_neighbors.errors import UserError

PARTS = ("train", "val", "test")
_WHOLE = {
    "set": "images of linked sets stay",
    "owner": "all images of an owner stay",
    "time": "images of the same time stay",
}


@dataclass(frozen=True)
class Split:
    """Sorted row numbers of one split.

    ``rows[part]`` are the labelled images for training or scoring; ``neighbors[part]`` are these and the unlabelled
    images, which may only be neighbours.
    """

    rows: dict[str, np.ndarray]
    neighbors: dict[str, np.ndarray]


def make_split(
    labels: sparse.csr_matrix,
    sizes: Sequence[float],
    split: int,
    *,
    units: np.ndarray | None = None,
    in_order: bool = False,
    by: str | None = None,
    keep_unlabelled: bool = False,
    discard: np.ndarray | None = None,
) -> Split:
    """Partition the images at random; the same arguments give the same split on every machine.

    Images without any label are left out; with ``keep_unlabelled`` they are split too, but serve only as neighbours.
    Images of one unit stay in one part, and the sizes are as close as complete units allow.

    ``labels`` [N, L] is binary. ``sizes`` of training, validation and test are fractions that add up to at most 1, or
    counts of labelled images. ``split`` is the random seed. ``units`` [N] are numbers from 0, None for a unit an image;
    see `linked_units` and `units_of`. With ``in_order`` nothing is random: the lowest units are for training, the
    highest for the test. ``by``, if given, is the value of split_by, and every part must have its size to a fifth.
    ``discard`` boolean [N] are images to leave out. Raises `UserError` for wrong sizes, more images than there are, an
    empty part, and units that do not fit the sizes.
    """
    labelled = np.diff(labels.indptr) > 0
    taking_part = labelled | keep_unlabelled
    if discard is not None:
        labelled, taking_part = labelled & ~discard, taking_part & ~discard
    if not labelled.any():
        raise UserError("data.dir: the collection has no labelled images; give prepare.py labels.")
    quotas = _quotas(sizes, int(labelled.sum()))
    units = np.arange(len(labelled)) if units is None else units
    count = units.max(initial=-1) + 1
    order = np.arange(count) if in_order else np.random.default_rng([0x5EED, split]).permutation(count)
    rank = np.empty_like(order)
    rank[order] = np.arange(count)
    shuffled = np.flatnonzero(taking_part)
    shuffled = shuffled[np.lexsort((shuffled, rank[units[shuffled]]))]
    part = _assign_parts(rank[units[shuffled]], labelled[shuffled], quotas)
    neighbors = {name: np.sort(shuffled[part == number]) for number, name in enumerate(PARTS)}
    if by is not None:
        rows = {name: members[labelled[members]] for name, members in neighbors.items()}
        _check_sizes(rows, quotas, units[labelled], by)
    return _labelled_parts(
        neighbors,
        labelled,
        f"data.split_sizes: the {{}} part of split {split} is empty; there are {int(labelled.sum())} labelled images, "
        "so give larger sizes, or split_by=image.",
    )


def given_split(
    parts: np.ndarray, labels: sparse.csr_matrix, *, keep_unlabelled: bool = False, by: str = "release"
) -> Split:
    """A split that the collection defines, such as the paper's five; images without metadata stay in it.

    ``parts`` int8 [N] is 0 for a training, 1 for a validation, 2 for a test image, -1 for an image that is left out.
    ``by`` is the value of split_by, for the message. Raises `UserError` for a part without labelled images.
    """
    labelled = np.diff(labels.indptr) > 0
    taking_part = labelled | keep_unlabelled
    neighbors = {name: np.flatnonzero((parts == number) & taking_part) for number, name in enumerate(PARTS)}
    return _labelled_parts(
        neighbors, labelled, f"split_by={by}: the {{}} part has no labelled image; use split_by=image."
    )


def _check_sizes(rows: dict[str, np.ndarray], quotas: np.ndarray, units: np.ndarray, by: str) -> None:
    """Raise `UserError` if a part differs from its size by more than a fifth, because units cannot be divided."""
    got, wanted = np.array([len(rows[name]) for name in PARTS]), np.diff(quotas, prepend=0)
    if np.all(np.abs(got - wanted) <= wanted / 5):
        return
    shown = (
        ", ".join(f"{name} {count:,}" for name, count in zip(PARTS, counts, strict=True)) for counts in (got, wanted)
    )
    largest = np.bincount(units).max()
    chance = ["another split"] if by != "time" and largest <= wanted.min() else []
    cures = [*chance, *(f"split_by={other}" for other in ("owner", "time", "image") if other != by)]
    raise UserError(
        "split_by={}: the parts would have {} images instead of {}, because {} in one part, and the largest such group "
        "has {:.0f} % of the images; give {}, or other data.split_sizes.".format(
            by, *shown, _WHOLE[by], 100 * largest / len(units), " or ".join(cures)
        )
    )


def _labelled_parts(neighbors: dict[str, np.ndarray], labelled: np.ndarray, if_empty: str) -> Split:
    """The split with these neighbours; raises `UserError` with ``if_empty`` for a part without labelled images."""
    rows = {name: members[labelled[members]] for name, members in neighbors.items()}
    for name in PARTS:
        if not len(rows[name]):
            raise UserError(if_empty.format(name))
    return Split(rows, neighbors)


def _quotas(sizes: Sequence[float], labelled: int) -> np.ndarray:
    """The cumulative numbers of labelled images at the end of each part."""
    if len(sizes) != 3 or any(isinstance(s, bool) or not isinstance(s, int | float) or not s > 0 for s in sizes):
        raise UserError(f"data.split_sizes: {list(sizes)} must be three positive numbers: training, validation, test.")
    if all(isinstance(size, int) for size in sizes):
        if sum(sizes) > labelled:
            raise UserError(
                f"data.split_sizes: {' + '.join(map(str, sizes))} = {sum(sizes)} images are more than the "
                f"{labelled} labelled images of the collection; give smaller counts, or fractions."
            )
        return np.cumsum(sizes)
    if any(size > 1 for size in sizes) or sum(sizes) > 1 + 1e-9:
        raise UserError(
            f"data.split_sizes: fractions {list(sizes)} must add up to at most 1; counts must be whole numbers."
        )
    return np.rint(np.cumsum(sizes) * labelled).astype(np.int64)


def linked_units(sets: sparse.csr_matrix) -> np.ndarray:
    """Units [N] of all images that share a set, directly or through other images; an image without sets is one alone.

    ``sets`` [N, S] is binary.
    """
    # The connected components of the bipartite graph of images and sets.
    graph = sparse.bmat([[None, sets], [sets.T, None]], format="csr")
    return connected_components(graph, directed=False)[1][: sets.shape[0]]


def units_of(values: np.ndarray, alone: np.ndarray | None = None) -> np.ndarray:
    """Units [N] of the images with the same value, numbered in the order of the values.

    ``values`` [N] can be sorted. ``alone`` boolean [N] are images whose value does not count: each is a unit, and their
    numbers follow those of all others.

    >>> units_of(np.array(["b", "a", "", "b"]), alone=np.array([False, False, True, False]))
    array([1, 0, 2, 1])
    """
    alone = np.zeros(len(values), dtype=bool) if alone is None else alone
    units = np.empty(len(values), dtype=np.int64)
    names, units[~alone] = np.unique(values[~alone], return_inverse=True)
    units[alone] = len(names) + np.arange(np.count_nonzero(alone))
    return units


def _assign_parts(units: np.ndarray, labelled: np.ndarray, quotas: np.ndarray) -> np.ndarray:
    """The part [n] of every image, in the given order; -1 after the last quota.

    All images of a unit go to the part of its middle labelled image.
    """
    first = np.flatnonzero(np.diff(units, prepend=-1))
    count = np.add.reduceat(labelled, first, dtype=np.int64) if len(first) else np.zeros(0, dtype=np.int64)
    middle = np.cumsum(count) - count / 2
    part = np.searchsorted(quotas, middle, side="left")
    part[part == len(quotas)] = -1
    return np.repeat(part, np.diff(first, append=len(units)))
