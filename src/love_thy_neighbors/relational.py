"""The relational model: one tower for the image and one for each metadata type (relation). Not in the paper.

Neighbours are averaged before the hidden layer, so their features are summed once for each image and type, and not one
by one in every layer. `neighborhoods.shares` gives the weights of the average.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from love_thy_neighbors.model import he_initialization


class RelationalModel(nn.Module):
    """Label scores of an image from its own features and from one mean feature of its neighbours for each relation r.

        z_r(x) = sum_i s_r(x, z_i) phi(z_i) / (lambda + sum_i s_r(x, z_i))      the M nearest by relation r
        v_x    = relu(W_x phi(x) + b_x)                                         as in Eq. 4
        v_r    = relu(W_r z_r + b_r), 0 for an image without neighbours by r
        f(x)   = W_y [v_x ; v_1 ; ... ; v_R] + b_y = sum of one matrix times one tower, + b_y

    s_r is the Jaccard similarity (1 - Eq. 3). With lambda > 0 few or distant neighbours give a short z_r. Each relation
    has weights of its own, as in R-GCN (Schlichtkrull et al. 2018). The model takes z_r; the loader computes it.

    Dropout acts on every v; weights start as in He et al. and biases at zero, as in `model.NeighborhoodModel`.
    `torch.jit.script` and `torch.onnx.export` work on it.

    Args:
        dim: d, the length of a feature vector.
        labels: |Y|, the number of labels.
        relations: the metadata types, in the order of the rows of z and mask; R of them.
        hidden: h, the length of a hidden state.
        dropout: the probability that a hidden unit is dropped in training.
    """

    def __init__(
        self, dim: int, labels: int, relations: Sequence[str], hidden: int = 500, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.relations = list(relations)
        self.W_x = nn.Linear(dim, hidden)
        self.W_r = nn.ModuleList(nn.Linear(dim, hidden) for _ in self.relations)
        self.W_y = nn.Linear((1 + len(self.relations)) * hidden, labels)
        self.dropout = nn.Dropout(dropout)
        he_initialization(self)

    def forward(self, x: Tensor, z: Tensor, mask: Tensor) -> Tensor:
        """Shapes: x [B, d]; z [B, R, d]; mask [B, R] boolean, True where there is a neighbour -> scores [B, |Y|]."""
        return self.W_y(self.dropout(self.towers(x, z, mask)).flatten(1))

    def towers(self, x: Tensor, z: Tensor, mask: Tensor) -> Tensor:
        """[v_x ; v_1 ; ... ; v_R], without dropout. Shapes: as `forward` -> [B, 1 + R, h]."""
        v = [torch.relu(self.W_x(x))]
        for r, W_r in enumerate(self.W_r):
            v_r = torch.relu(W_r(z[:, r]))
            v.append(v_r * mask[:, r : r + 1])  # without it an image without neighbours would get relu(b_r)
        return torch.stack(v, dim=1)

    def parts(self, v: Tensor) -> Tensor:
        """Each tower's term of f. Shapes: v [B, 1 + R, h] -> [B, 1 + R, |Y|]; their sum and b_y are the score."""
        return torch.einsum("bth,lth->btl", v, self.W_y.weight.unflatten(1, v.shape[1:]))
