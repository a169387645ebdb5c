"""Two tag vocabularies that overlap by a chosen share, one for training and one for test (section 5.3, Figure 8)."""

import numpy as np

# Keeps these draws apart from those that other modules make with the same seed.
_TAG = 0xF168


def overlapping_vocabularies(vocabulary: np.ndarray, overlap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw two vocabularies of h = V // 2 columns each that share round(overlap * h) of them.

    With p a random order of the V given columns and k = round(overlap * h), the first vocabulary is
    {p_1, ..., p_h} and the second is {p_1, ..., p_k} and {p_{h+1}, ..., p_{2h-k}}.

    The paper divides the 10,000 most frequent tags at random into two sets and varies their overlap. Here one order p
    serves every overlap. This is fair: since p is uniform, the pair of any one overlap is distributed as an
    independent draw would be, namely uniformly over all pairs of these sizes. It is cheaper: the first vocabulary
    does not depend on the overlap, so that one trained model serves all of them. And the points of a curve differ by
    less chance than independent draws, since a larger overlap keeps what a smaller one shares.

    Shapes: ``vocabulary`` [V] distinct column numbers in any order -> two sorted arrays [V // 2]: the training
    vocabulary, which depends on ``vocabulary`` and ``seed`` alone, and the test vocabulary.

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
