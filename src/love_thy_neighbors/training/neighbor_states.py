"""Hidden states of neighbours in evaluation, computed once for each image that is a neighbour.

On average an image is a neighbour of M others. In evaluation relu(W_z phi(z) + b_z) is the same for all of them, since
weights do not change and there is no dropout before the pooling. So W_z is applied to U images, not to n * M.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from love_thy_neighbors.model import NeighborhoodModel

BLOCK = 512  # images that W_z is applied to at once
MOST_BYTES = 1 << 30  # a larger table is not made; W_z is then applied batch by batch, as in training


class NeighborStates:
    """relu(W_z phi(z) + b_z) of the images in ``lists``.

    Args:
        features: gives phi [B, d] of rows [B] of the collection.
        model: the model in evaluation mode.
        lists: neighbour lists [n, M], -1 for none.
        images: N, the number of images in the collection.
        device: where the states are computed and kept.
    """

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        model: NeighborhoodModel,
        lists: Tensor,
        images: int,
        device: torch.device,
    ) -> None:
        rows = torch.unique(lists).long()
        rows = rows[rows >= 0]
        self.place = torch.zeros(images, dtype=torch.int64)
        self.place[rows] = torch.arange(len(rows))
        self.place = self.place.to(device)
        self.states = torch.empty(len(rows), model.W_z.out_features, device=device)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK].to(device)
            self.states[start : start + BLOCK] = torch.relu(model.W_z(features(block)))

    def gather(self, neighbors: Tensor) -> Tensor:
        """The states [B, K, h] of ``neighbors`` [B, K]; those of -1 have no meaning."""
        return self.states[self.place[neighbors.clamp(min=0)]]


def are_worth_it(lists: Tensor, hidden: int) -> bool:
    """Whether the states of all images in ``lists`` [n, M] fit into memory and save half of the work."""
    present = lists[lists >= 0]
    images = len(torch.unique(present))
    return 4 * hidden * images <= MOST_BYTES and 0 < 2 * images <= len(present)


@contextmanager
def states_as_input(model: NeighborhoodModel) -> Iterator[None]:
    """Inside, ``model`` takes hidden states v [B, K, h] in place of the neighbours' features z.

    W_z is the identity meanwhile, and relu(v) = v, since v is not negative: Eqs. 5 and 6 are computed as always.
    """
    W_z = model.W_z
    setattr(model, "W_z", nn.Identity())  # noqa: B010  # mypy wants a Linear there
    try:
        yield
    finally:
        model.W_z = W_z
