"""Scores of photos, and the parts that image and neighbours have in them (Eq. 6, section 3.3)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.model import NeighborhoodModel
from love_thy_neighbors.neighborhoods import expected_max, expected_max_parts


@dataclass(frozen=True)
class Scores:
    """Scores of B photos.

    Shapes: total [B, L]; image [B, L], the score without the neighbours' part and without the bias; bias [L].
    parts: gives each neighbour's part [P, M] in the score of P pairs of a photo (its place in the block) and a label;
    None for a model whose score is not a sum of its neighbours' parts. without [B, L]: the score from those neighbours
    that are not in the last kind.
    """

    total: np.ndarray
    image: np.ndarray
    bias: np.ndarray
    parts: Callable[[np.ndarray, np.ndarray], np.ndarray] | None
    without: np.ndarray | None = None


class Scorer:
    """Scores photos with a trained model.

    Args:
        model: in evaluation mode; with ``m`` it is called as model(x, z, mask, pool), else as model(x).
        m: size of a neighborhood; None for a model without neighbours.
        dim: length of a feature.
    """

    def __init__(self, model: nn.Module, m: int | None, dim: int) -> None:
        self.model, self.m, self.dim, self.relations = model, m, dim, 1
        # A subclass may add terms to Eq. 6; then the parts would not add up to its score.
        self.is_a_sum = type(model) is NeighborhoodModel

    @torch.inference_mode()
    def score(self, x: np.ndarray, u: np.ndarray, lists: np.ndarray, last: np.ndarray) -> Scores:
        """Scores of B photos, averaged over all neighborhoods (Eq. 1).

        Shapes: x [B, d], features of the photos; u [U, d], features of all their neighbours; lists [B, M], rows of u,
        -1 for none; last [B, M], neighbours of the last kind.
        Raises `UserError` if a feature has another length than the model's.
        """
        if x.shape[1] != self.dim:
            raise UserError(f"the model takes features of {self.dim} numbers, but the photos have {x.shape[1]}.")
        pictures, features = torch.from_numpy(x), torch.from_numpy(u)
        neighbours, present = torch.from_numpy(lists).clamp(min=0), torch.from_numpy(lists >= 0)
        if self.m is None:
            total = self.model(pictures).numpy()
            return Scores(total, total, np.zeros(total.shape[1], dtype=np.float32), None)
        if self.is_a_sum:
            return self._sum(self.model, pictures, features, neighbours, present)
        pool, z = partial(expected_max, m=self.m), features[neighbours]
        masks = (present, torch.zeros_like(present), present & ~torch.from_numpy(last))
        scores = [self.model(pictures, z, mask, pool).numpy() for mask in masks]
        return Scores(scores[0], scores[1], np.zeros(scores[0].shape[1], dtype=np.float32), None, scores[2])

    def _sum(self, model: nn.Module, x: Tensor, u: Tensor, neighbours: Tensor, mask: Tensor) -> Scores:
        """f(x, z) = W_image v_x + W_neighborhood v_z + b_y, with v_z as the sum of the neighbours' contributions."""
        assert isinstance(model, NeighborhoodModel)
        assert self.m is not None
        W_image, W_neighborhood = model.W_y.weight.chunk(2, dim=1)
        image = torch.relu(model.W_x(x)) @ W_image.T
        # Neighbours repeat, so their hidden states are computed once.
        states = expected_max_parts(torch.relu(model.W_z(u))[neighbours], mask, self.m)
        total = image + states.sum(dim=1) @ W_neighborhood.T + model.W_y.bias
        parts = partial(_parts, states, W_neighborhood)
        return Scores(total.numpy(), image.numpy(), model.W_y.bias.detach().numpy(), parts)


@torch.inference_mode()
def _parts(states: Tensor, weights: Tensor, photos: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each neighbour's part in the score of P pairs: [P, M].

    Shapes: states [B, M, h], what each neighbour contributes to the pooled hidden state v_z; weights [L, h].
    """
    # One product for each photo's labels would be many small ones; this gathers the pairs, P x M x h numbers.
    of_photo, of_label = states[torch.from_numpy(photos)], weights[torch.from_numpy(labels)]
    return torch.einsum("pmh,ph->pm", of_photo, of_label).numpy()
