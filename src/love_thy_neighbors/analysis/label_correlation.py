"""The probability that an image and its k-th nearest neighbour share a label (section 5.2, Figure 6)."""

import numpy as np
from scipy import sparse


def label_correlation(labels: sparse.csr_matrix, rows: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """The probability that the k-th nearest neighbour of an image has a label, given that the image has it.

        P_kl = |{x: l in Y_x, l in Y_{z_k(x)}}| / |{x: l in Y_x}|    over the x that have a k-th neighbour z_k(x)

    Shapes: ``labels`` [N, L] binary, ``rows`` [n] the images, ``neighbors`` [n, K] their neighbours, nearest first;
    both are row numbers of ``labels``, -1 for no neighbour. Returns float64 [K, L], fractions of 1, NaN where no image
    with the label has a k-th neighbour.
    """
    probability = np.full((neighbors.shape[1], labels.shape[1]), np.nan)
    # One k at a time: the dense labels of all neighbours would be n * K * L numbers.
    for k, column in enumerate(neighbors.T):
        there = column >= 0
        own = labels[rows[there]]
        shared = _count(own.multiply(labels[column[there]]))
        having = _count(own)
        np.divide(shared, having, out=probability[k], where=having > 0)
    return probability


def coverage(neighbors: np.ndarray) -> np.ndarray:
    """The share of images that have a k-th neighbour. Shapes: [n, K] with -1 for none -> [K], fractions of 1."""
    return (neighbors >= 0).mean(axis=0)


def chance(labels: sparse.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """The share of ``rows`` [n] that have each label, Figure 6's dashed lines: [L], fractions of 1."""
    return _count(labels[rows]) / len(rows)


def _count(matrix: sparse.csr_matrix) -> np.ndarray:
    """The number of rows of a binary matrix [n, L] with each label: int64 [L]."""
    return np.asarray(matrix.sum(axis=0, dtype=np.int64)).ravel()
