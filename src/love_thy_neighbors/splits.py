"""Random partitions into training, validation and test images (section 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from love_thy_neighbors.errors import UserError

PARTS = ("train", "val", "test")


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
    sets: sparse.csr_matrix | None = None,
    keep_unlabelled: bool = False,
    discard: np.ndarray | None = None,
) -> Split:
    """Partition the images at random; the same arguments give the same split on every machine.

    Images without any label are left out; with ``keep_unlabelled`` they are split too, but serve only as neighbours.
    With ``sets``, images that share a set (directly or through other images) stay in one part, and the sizes are as
    close as complete sets allow.

    ``labels`` [N, L] and ``sets`` [N, S] are binary. ``sizes`` of training, validation and test are fractions that add
    up to at most 1, or counts of labelled images. ``split`` is the random seed. ``discard`` boolean [N] are images to
    leave out. Raises `UserError` for wrong sizes, more images than there are, and an empty part.
    """
    labelled = np.diff(labels.indptr) > 0
    taking_part = labelled | keep_unlabelled
    if discard is not None:
        labelled, taking_part = labelled & ~discard, taking_part & ~discard
    if not labelled.any():
        raise UserError("data.dir: the collection has no labelled images; give prepare.py labels.")
    quotas = _quotas(sizes, int(labelled.sum()))
    units = _units(sets, len(labelled))
    order = np.random.default_rng([0x5EED, split]).permutation(units.max(initial=-1) + 1)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    shuffled = np.flatnonzero(taking_part)
    shuffled = shuffled[np.lexsort((shuffled, rank[units[shuffled]]))]
    part = _assign_parts(rank[units[shuffled]], labelled[shuffled], quotas)
    neighbors = {name: np.sort(shuffled[part == number]) for number, name in enumerate(PARTS)}
    return _labelled_parts(
        neighbors,
        labelled,
        f"data.split_sizes: the {{}} part of split {split} is empty; there are {int(labelled.sum())} labelled images, "
        "so give larger sizes, or split_by=image.",
    )


def given_split(parts: np.ndarray, labels: sparse.csr_matrix, *, keep_unlabelled: bool = False) -> Split:
    """A split that the release defines, such as the paper's five; images without metadata stay in it.

    ``parts`` int8 [N] is 0 for a training, 1 for a validation, 2 for a test image, -1 for an image that is left out.
    Raises `UserError` for a part without labelled images.
    """
    labelled = np.diff(labels.indptr) > 0
    taking_part = labelled | keep_unlabelled
    neighbors = {name: np.flatnonzero((parts == number) & taking_part) for number, name in enumerate(PARTS)}
    return _labelled_parts(neighbors, labelled, "split_by=release: the {} part is empty; use split_by=image.")


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


def _units(sets: sparse.csr_matrix | None, images: int) -> np.ndarray:
    """The number [N] of each image's unit: the image alone, or all images connected to it by sets."""
    if sets is None:
        return np.arange(images)
    # The connected components of the bipartite graph of images and sets.
    graph = sparse.bmat([[None, sets], [sets.T, None]], format="csr")
    return connected_components(graph, directed=False)[1][:images]


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
