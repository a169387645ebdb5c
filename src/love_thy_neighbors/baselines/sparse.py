"""Models with a sparse binary vector as input: the image's tags, or its true labels.

A batch of sparse vectors is a `Bag`: the columns that are 1, one image after the other, and the place where each image
begins. No dense array of size images x values is made.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from love_thy_neighbors.model import NeighborhoodModel


class Bag(NamedTuple):
    """Binary vectors of B images. Shapes: columns [K] of all images, offsets [B] into them, one for each image."""

    columns: Tensor
    offsets: Tensor


class BagTable:
    """The sparse binary matrix [N, T] of all images, on any device."""

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        self.width = int(matrix.shape[1])
        self.indptr = torch.from_numpy(matrix.indptr.astype(np.int64))
        self.indices = torch.from_numpy(matrix.indices.astype(np.int64))

    def gather(self, rows: Tensor) -> Bag:
        """The bag of ``rows`` [B], on their device."""
        self.indptr, self.indices = self.indptr.to(rows.device), self.indices.to(rows.device)
        counts = self.indptr[rows + 1] - self.indptr[rows]
        offsets = counts.cumsum(0) - counts
        places = torch.arange(int(counts.sum()), device=rows.device)
        return Bag(self.indices[places + (self.indptr[rows] - offsets).repeat_interleave(counts)], offsets)


class BagLogistic(nn.Module):
    """One-vs-all logistic regression on a binary vector, f(t) = W t + b (section 5.1).

    On tags it is the paper's "tag-only + logistic", on the true labels its "upper bound".

    Args:
        dim: length of the image's feature; not used, but every model has this argument.
        labels: |Y|.
        values: T, the length of the binary vector.

    Shapes: x [B, d], not used; bag of B images -> scores [B, |Y|].
    """

    def __init__(self, dim: int, labels: int, values: int) -> None:
        super().__init__()
        self.W = sum_of_columns(values, labels)
        self.b = nn.Parameter(torch.zeros(labels))

    def forward(self, x: Tensor, bag: Bag) -> Tensor:
        return self.W(bag.columns, bag.offsets) + self.b


class NeighborhoodTagVector(NeighborhoodModel):
    """The paper's extension: the image's binary tag vector t_x appended to the hidden states (section 5.1).

        f(x, z) = W_y [v_x ; v_z ; t_x] + b_y = (Eq. 6) + W_t t_x

    Shapes: as `NeighborhoodModel`; bag of B images.
    """

    def __init__(self, dim: int, labels: int, values: int, hidden: int = 500, dropout: float = 0.5) -> None:
        super().__init__(dim, labels, hidden, dropout)
        self.W_t = sum_of_columns(values, labels)

    # ``bag`` is always given, but TorchScript allows no argument without a default after one with a default.
    def forward(self, x: Tensor, z: Tensor, mask: Tensor, pool: Any = None, bag: Bag | None = None) -> Tensor:
        assert bag is not None
        return self.scores(x, z, mask, pool) + self.W_t(bag.columns, bag.offsets)


def sum_of_columns(values: int, labels: int) -> nn.EmbeddingBag:
    """W^T [T, |Y|], initialised with zeros; applied to a bag it returns W t without a dense t."""
    layer = nn.EmbeddingBag(values, labels, mode="sum")
    nn.init.zeros_(layer.weight)
    return layer
