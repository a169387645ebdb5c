"""Tag vocabularies: the most frequent tags (section 5.1), or two vocabularies that overlap (section 5.3, Figure 8)."""

import numpy as np
from scipy import sparse

from love_thy_neighbors.neighbors.jaccard import checked_binary, checked_rows

# Part of the seed, so that other modules with the same seed draw other numbers.
_TAG = 0xF168


def overlapping_vocabularies(vocabulary: np.ndarray, overlap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw two vocabularies of h = V // 2 columns each that share round(overlap * h) of them.

    With p a random order of the V given columns and k = round(overlap * h), the first vocabulary is
    {p_1, ..., p_h} and the second is {p_1, ..., p_k} and {p_{h+1}, ..., p_{2h-k}}.

    The paper divides the 10,000 most frequent tags at random into two sets and varies their overlap. Here one order p
    serves every overlap. Each pair is still uniform over all pairs of these sizes, because p is uniform. The first
    vocabulary does not depend on the overlap, so one trained model serves all overlaps. And a curve over the overlap is
    smoother than with independent draws, because a larger overlap contains the shared tags of a smaller one.

    Shapes: ``vocabulary`` [V] distinct column numbers in any order -> two sorted arrays [V // 2]: the training
    vocabulary, which depends only on ``vocabulary`` and ``seed``, and the test vocabulary.

    Raises `ValueError` for an overlap outside [0, 1] and for fewer than 2 columns.
    """
    if not 0 <= overlap <= 1:
        raise ValueError(f"overlap is {overlap}, not a share in [0, 1]")
    if len(vocabulary) < 2:
        raise ValueError(f"{len(vocabulary)} columns cannot be split into two vocabularies")
    order = np.random.default_rng([_TAG, seed]).permutation(np.sort(vocabulary))
    half = len(order) // 2
    shared = round(overlap * half)
    first = order[:half]
    second = np.concatenate([order[:shared], order[half : 2 * half - shared]])
    return np.sort(first), np.sort(second)


def top_vocabulary(metadata: sparse.csr_matrix, rows: np.ndarray, tau: int) -> np.ndarray:
    """The columns of the tau values that are most frequent in ``rows`` (section 5.1: the tau most frequent tags).

    Ties go to the lower column. Values that no row has are left out, so the result may be shorter than tau.

    Shapes: ``metadata`` [N, T] binary, ``rows`` row numbers of the images that are counted; returns int64 [<= tau],
    ascending.

    >>> top_vocabulary(sparse.csr_matrix([[0, 1, 1, 0], [0, 0, 1, 1]]), rows=np.array([0, 1]), tau=2)
    array([1, 2])
    """
    if tau < 1:
        raise ValueError(f"tau = {tau}: the vocabulary must have at least one value.")
    metadata = checked_binary(metadata)
    rows = checked_rows(rows, metadata, "rows")
    frequency = np.bincount(metadata[rows].indices, minlength=metadata.shape[1])
    most = np.argsort(-frequency, kind="stable")[:tau]
    return np.sort(most[frequency[most] > 0])
