"""Baselines whose only input is the image."""

import torch
from torch import Tensor, nn

from love_thy_neighbors.model import Dropout, he_initialization


class VisualOnly(nn.Module):
    """One-vs-all logistic regression on the feature, f(x) = W phi(x) + b: the paper's "CNN + logistic" (section 5.1).

    Shapes: x [B, d] -> scores [B, |Y|].
    """

    def __init__(self, dim: int, labels: int) -> None:
        super().__init__()
        self.W = nn.Linear(dim, labels)
        he_initialization(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.W(x)


class VisualMLP(nn.Module):
    """Only the image tower, f(x) = W_y relu(W_x phi(x) + b_x) + b_y.

    Not in the paper. It shows how much of the model's gain comes from the hidden layer, and not from the neighbours.

    Shapes: x [B, d] -> scores [B, |Y|].
    """

    def __init__(self, dim: int, labels: int, hidden: int = 500, dropout: float = 0.5) -> None:
        super().__init__()
        self.W_x = nn.Linear(dim, hidden)
        self.W_y = nn.Linear(hidden, labels)
        self.dropout = Dropout(dropout)
        he_initialization(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.W_y(self.dropout(torch.relu(self.W_x(x))))
