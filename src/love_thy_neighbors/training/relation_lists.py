"""Neighbour lists and similarities of several metadata types, read row by row from their files."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.neighbors.lists import NeighborQuery
from love_thy_neighbors.splits import Split
from love_thy_neighbors.training.opened_lists import OpenedLists


class Stacked:
    """R arrays [n, D] as one [n, R, D] that is never in memory as a whole: the arrays stay mapped files."""

    def __init__(self, arrays: Sequence[Tensor]) -> None:
        self.arrays = list(arrays)

    def __getitem__(self, places: Tensor | slice) -> Tensor:
        """The rows ``places`` [c] -> [c, R, D]."""
        return torch.stack([array[places] for array in self.arrays], dim=1)

    def nearest(self) -> "Stacked":
        """The first of each list alone, [n, R, 1]; no other number is read."""
        return Stacked([array[:, :1] for array in self.arrays])


def relation_lists(
    opened: OpenedLists, split: Split, queries: Sequence[NeighborQuery | None], depth: int, part: str
) -> tuple[Stacked, Stacked]:
    """The lists [n, R, depth] of the images of ``part`` by every query, and their similarities, 0 for no neighbour.

    Nobody is a neighbour by the query None.
    """
    lists: list[Tensor] = []
    similarities: list[Tensor] = []
    for query in queries:
        if query is None:
            shape = (len(split.rows[part]), depth)
            lists.append(torch.full((1, 1), -1, dtype=torch.int32).expand(shape))  # takes no memory
            similarities.append(torch.zeros(1, 1).expand(shape))
        else:
            lists.append(torch.from_numpy(opened.lists(split, query, depth, part)))
            similarities.append(torch.from_numpy(opened.similarities(split, query, depth, part)))
    return Stacked(lists), Stacked(similarities)


def whole(stacked: Stacked) -> np.ndarray:
    """All rows in memory, [n, R, D]."""
    return stacked[:].numpy()
