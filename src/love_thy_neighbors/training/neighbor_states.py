"""Hidden states of neighbours in evaluation, computed once for every image that is anybody's neighbour.

An image is the neighbour of M others in the mean, and relu(W_z phi(z) + b_z) is the same each time, since weights do
not change in evaluation and there is no dropout before the pooling. So W_z is applied to U images, not to n * M.
"""

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 512  # images that W_z is applied to at once
MOST_BYTES = 1 << 30  # a larger table is not made; neighbours are then described batch by batch, as in training


class NeighborStates:
    """relu(W_z phi(z) + b_z) of the images that ``lists`` names.

    Args:
        describe: the hidden states [B, h] of rows [B] of the collection.
        hidden: h.
        lists: neighbour lists [n, M], -1 for none.
        images: N, the number of images in the collection.
        device: where the states are computed and kept.
    """

    def __init__(
        self, describe: Callable[[Tensor], Tensor], hidden: int, lists: Tensor, images: int, device: torch.device
    ) -> None:
        rows = torch.unique(lists).long()
        rows = rows[rows >= 0]
        self.place = torch.zeros(images, dtype=torch.int64)
        self.place[rows] = torch.arange(len(rows))
        self.place = self.place.to(device)
        self.states = torch.empty(len(rows), hidden, device=device)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK].to(device)
            self.states[start : start + BLOCK] = describe(block)

    def gather(self, neighbors: Tensor) -> Tensor:
        """The states [B, K, h] of ``neighbors`` [B, K]; -1 gives some image's, as `FeatureTable.gather` does."""
        return self.states[self.place[neighbors.clamp(min=0)]]


def are_worth_it(lists: Tensor, hidden: int) -> bool:
    """Whether the states of ``lists`` [n, M] fit, and are fewer by half than those computed batch by batch."""
    present = lists[lists >= 0]
    images = len(torch.unique(present))
    return 4 * hidden * images <= MOST_BYTES and 0 < 2 * images <= len(present)
