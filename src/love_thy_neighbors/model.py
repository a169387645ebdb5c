"""The paper's model: two towers, one for the image and one for its neighborhood (section 3.2, Figure 2)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

Pool = Callable[[Tensor, Tensor], Tensor]


def max_pool(v: Tensor, mask: Tensor) -> Tensor:
    """(v_z)_j = max_i (v_{z_i})_j over the neighbours that the mask marks (Eq. 5).

    Hidden states are never negative, so zero stands for a missing neighbour, and for an empty neighborhood.

    Shapes: v [B, m, h] non-negative, mask [B, m] boolean -> [B, h].
    """
    return v.masked_fill(~mask.unsqueeze(-1), 0).amax(dim=1)


class NeighborhoodModel(nn.Module):
    """Label scores of an image from its own features and those of its neighborhood.

        v_x     = relu(W_x phi(x) + b_x)                        (Eq. 4)
        v_z     = max_i relu(W_z phi(z_i) + b_z)                (Eq. 5)
        f(x, z) = W_y [v_x ; v_z] + b_y                         (Eq. 6)

    `torch.jit.script` and `torch.onnx.export` work on it; what they write pools with `max_pool`.

    Dropout acts on v_x and on the pooled v_z; weights start as in He et al. and biases at zero (section 3.4).

    Args:
        dim: d, the length of a feature vector.
        labels: |Y|, the number of labels.
        hidden: h, the length of a hidden state.
        dropout: the probability that a hidden unit is dropped in training.
    """

    def __init__(self, dim: int, labels: int, hidden: int = 500, dropout: float = 0.5) -> None:
        super().__init__()
        self.W_x = nn.Linear(dim, hidden)
        self.W_z = nn.Linear(dim, hidden)
        self.W_y = nn.Linear(2 * hidden, labels)
        self.dropout = Dropout(dropout)
        he_initialization(self)

    # TorchScript has no type for a function, so ``pool``, a `Pool` or None, is Any.
    def forward(self, x: Tensor, z: Tensor, mask: Tensor, pool: Any = None) -> Tensor:
        """f(x, z) with `max_pool`, or its average over neighborhoods when ``pool`` averages (W_y is linear, Eq. 1).

        Shapes: x [B, d], z [B, m, d], mask [B, m] boolean (True where there is a neighbour) -> scores [B, |Y|].
        """
        return self.scores(x, z, mask, pool)

    def scores(self, x: Tensor, z: Tensor, mask: Tensor, pool: Any = None) -> Tensor:
        """`forward`, for a subclass that adds a term: TorchScript does not know ``super()``."""
        v_x, v_z = torch.relu(self.W_x(x)), torch.relu(self.W_z(z))
        if torch.jit.is_scripting():
            v_z = max_pool(v_z, mask)
        else:
            v_z = max_pool(v_z, mask) if pool is None else pool(v_z, mask)
        return self.W_y(torch.cat([self.dropout(v_x), self.dropout(v_z)], dim=1))


class Dropout(nn.Dropout):
    """``nn.Dropout`` with the same random numbers, which on a CPU take a third of the time: no bit is different.

    PyTorch draws each entry by itself from a uniform number of 53 bits. Here all these numbers are drawn in one call.
    """

    def forward(self, input: Tensor) -> Tensor:
        if torch.jit.is_scripting():
            return dropout(input, self.p, self.training)
        if not self.training or self.p in (0, 1) or input.device.type != "cpu":
            return dropout(input, self.p, self.training)
        kept = torch.empty(input.shape, dtype=torch.float64).uniform_() < 1 - self.p
        return input * kept.to(input.dtype).div_(1 - self.p)


def he_initialization(model: nn.Module) -> None:
    """Weights ~ N(0, 2 / fan_in), biases 0 (He et al. 2015; section 3.4)."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
