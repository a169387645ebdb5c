"""Baselines in which neighbours vote for labels (section 5.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from love_thy_neighbors.baselines.visual import VisualOnly


class LabelVoting(nn.Module):
    """The nearest training images vote for their labels, and the label's overall frequency is one more vote.

        s_l(x) = (p_l + sum over i <= min(k, r) of y_l(z_i)) / (1 + min(k, r))

    with z_1, ..., z_r the r voters of x, nearest first, and p_l the share of training images with label l. For images
    with the same number of voters, p only decides ties between votes; it is the score of an image without voters. With
    visual voters this is the paper's "CNN + kNN voting"; with the nearest images by Jaccard distance it is tag
    neighbour voting (Li et al. 2009), which is not in the paper.

    Args:
        k: voters per image.
        frequency: p, one number per label.

    Shapes: votes [B, K, L] binary, labels of the K >= k nearest training images; mask [B, K], True where there is a
    voter, voters first -> scores [B, L].
    """

    def __init__(self, k: int, frequency: Sequence[float]) -> None:
        super().__init__()
        self.k = k
        self.frequency: Tensor
        self.register_buffer("frequency", torch.tensor(frequency, dtype=torch.float32), persistent=False)

    def forward(self, votes: Tensor, mask: Tensor) -> Tensor:
        present = mask[:, : self.k].unsqueeze(-1).float()
        counted = (votes[:, : self.k] * present).sum(dim=1) + self.frequency
        return counted / (1 + present.sum(dim=1))


class NeighborVoting(nn.Module):
    """Visual-only scores of the image and of its metadata neighbours, weighted: "image neighborhoods + CNN-voting".

        s(x) = (1 - w) f(x) + w * mean over the M neighbours z_i of f(z_i),    f(x) = W phi(x) + b

    An image without neighbours keeps f(x).

    Args:
        dim, labels: of the visual-only model f.
        weight: w, from 0 (visual-only) to 1 (neighbours alone).

    Shapes: x [B, d], z [B, M, d], mask [B, M] -> scores [B, |Y|].
    """

    def __init__(self, dim: int, labels: int, weight: float) -> None:
        super().__init__()
        self.visual = VisualOnly(dim, labels)
        self.weight = weight

    def forward(self, x: Tensor, z: Tensor, mask: Tensor) -> Tensor:
        present = mask.unsqueeze(-1).float()
        count = present.sum(dim=1)
        # f is linear: the mean of the neighbours' scores is the score of their mean feature.
        own, others = self.visual(x), self.visual((z * present).sum(dim=1) / count.clamp(min=1))
        return torch.where(count > 0, (1 - self.weight) * own + self.weight * others, own)
