"""The features of a collection's images, gathered or averaged for a whole batch."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.compiled import compiled


class FeatureTable:
    """Rows of phi, gathered for a whole batch at once.

    The table keeps its type on disk (float16, float32 or int8) and is memory-mapped; it moves to the GPU if it takes
    at most half of the memory that is free there. A gathered batch is float32.
    """

    def __init__(self, collection: Collection) -> None:
        self.table = torch.from_numpy(collection.features.table)
        self.scale = collection.features.scale

    def to(self, device: torch.device, free_bytes: int | None = None) -> None:
        """Move the table to ``device`` if it fits into half of ``free_bytes`` (default: what CUDA reports as free)."""
        if device.type == "cpu" or self.table.device == device:
            return
        if free_bytes is None:
            free_bytes = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        if self.table.nbytes <= free_bytes // 2:
            self.table = self.table.to(device)

    def gather(self, rows: Tensor, device: torch.device) -> Tensor:
        """phi of ``rows``, any shape [...] -> float32 [..., d] on ``device``; -1 gives the feature of row 0."""
        flat = rows.clamp(min=0).flatten().to(self.table.device)
        taken = self.table.index_select(0, flat).to(device).float()
        if self.scale != 1:  # tables of floats have scale 1, and need no extra pass over the batch
            taken.mul_(self.scale)
        return taken.view(*rows.shape, -1)

    def weighted_sum(self, rows: Tensor, weights: Tensor, device: torch.device) -> Tensor:
        """sum_k w_k phi(rows_k), rows and weights [..., K] -> float32 [..., d] on ``device``; -1 counts as zero.

        The rows are read where they are, in the table's type, and not copied as float32. With float16 the weights and
        the sums have the precision of that type, 3 digits.
        """
        table = self.table
        flat = rows.clamp(min=0).flatten(0, -2).to(table.device)
        weights = weights.masked_fill(rows < 0, 0).flatten(0, -2).to(table.device)
        if table.is_floating_point():
            summed = embedding_bag(flat, table, mode="sum", per_sample_weights=weights.to(table.dtype)).float()
        elif table.device.type == "cpu":  # embedding_bag has no int8, and a copy as another type takes longer than this
            summed = torch.zeros(len(flat), table.shape[1])
            _add_rows(table.numpy(), flat.numpy(), weights.numpy(), summed.numpy())
        else:
            summed = torch.bmm(weights.unsqueeze(1), table[flat].float()).squeeze(1)
        return summed.to(device).mul_(self.scale).view(*rows.shape[:-1], -1)

    def gather_both(self, rows: Tensor, neighbors: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """`gather` of ``rows`` [B] and ``neighbors`` [B, K] in one call, which costs less than two."""
        both = self.gather(torch.cat((rows, neighbors.flatten())), device)
        return both[: len(rows)], both[len(rows) :].view(*neighbors.shape, -1)


@compiled()
def _add_rows(table: np.ndarray, rows: np.ndarray, weights: np.ndarray, summed: np.ndarray) -> None:
    """summed[i] += sum_k weights[i, k] * table[rows[i, k]]. Shapes: [N, d], [n, K], [n, K], [n, d]."""
    for image in range(len(rows)):
        for rank in range(rows.shape[1]):
            weight, row = weights[image, rank], rows[image, rank]
            if weight != 0:
                for column in range(table.shape[1]):
                    summed[image, column] += weight * np.float32(table[row, column])
