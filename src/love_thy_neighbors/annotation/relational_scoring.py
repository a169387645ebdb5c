"""Scores of a `relational.RelationalModel` on photos, and every neighbour's part in them."""

import numpy as np
import torch
from torch import Tensor, nn

from love_thy_neighbors.annotation.scoring import Scores
from love_thy_neighbors.neighborhoods import shares
from love_thy_neighbors.relational import RelationalModel, present_factors

PAIRS = 512  # pairs of photo and label whose parts are computed at once: PAIRS * M * h numbers


class RelationalScorer:
    """Scores photos as `scoring.Scorer` does; the neighbours of relation r are the r-th M columns of the lists.

    A tower's part in a score is divided among its neighbours exactly. For the hidden units j of v_r that are above 0

        v_rj = c (sum_i w_i (W_r phi(z_i))_j + b_rj) = c sum_i w_i ((W_r phi(z_i))_j + b_rj / sum_i w_i)

    with c = sqrt(R / n), and a neighbour's part is the sum over these units of W times its term.

    Args:
        model: in evaluation mode.
        shrinkage: lambda, as in training.
        dim: length of a feature.
    """

    def __init__(self, model: RelationalModel, shrinkage: float, dim: int) -> None:
        self.model, self.shrinkage, self.dim = model, shrinkage, dim
        self.relations = len(model.relations)

    @torch.inference_mode()
    def score(self, x: np.ndarray, u: np.ndarray, lists: np.ndarray, similarities: np.ndarray) -> Scores:
        """Scores of B photos.

        Shapes: x [B, d], features of the photos; u [U, d], features of all their neighbours; lists [B, R * M], rows of
        u, -1 for none; similarities [B, R * M], 0 for none.
        """
        places = torch.from_numpy(lists).unflatten(1, (self.relations, -1))
        mask, neighbours = (places >= 0).any(dim=2), places.clamp(min=0)
        weights = shares(torch.from_numpy(similarities).unflatten(1, (self.relations, -1)), self.shrinkage)
        features = torch.from_numpy(u)
        # One relation after the other: their neighbours' features together would be R times as large.
        z = torch.stack([_summed(weights[:, r], features, neighbours[:, r]) for r in range(self.relations)], dim=1)
        v = self.model.towers(torch.from_numpy(x), z, mask)
        parts, bias = self.model.parts(v, mask), self.model.b_y
        states = _States(self.model, v[:, 1:], mask, weights, neighbours, features)
        return Scores((parts.sum(dim=1) + bias).numpy(), parts[:, 0].numpy(), bias.numpy(), states.parts)


class _States:
    """What the parts of neighbours are made of; shapes as in `RelationalScorer.score`, v [B, R, h]."""

    def __init__(
        self, model: RelationalModel, v: Tensor, mask: Tensor, weights: Tensor, neighbours: Tensor, features: Tensor
    ) -> None:
        self.v, self.weights, self.neighbours = v, weights, neighbours
        self.factors, self.matrix = present_factors(mask), model.sees_all(mask)[:, 0].long()  # of each photo
        whole, partial = model.matrices()
        self.W = torch.stack([partial, whole])[:, :, 1:]  # [2, L, R, h]
        layers = [layer for layer in model.W_r if isinstance(layer, nn.Linear)]
        self.b = torch.stack([layer.bias for layer in layers])  # [R, h]
        self.hidden = [features @ layer.weight.T for layer in layers]  # W_r phi(z) [U, h], once for each neighbour

    @torch.inference_mode()
    def parts(self, photos: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """[P, R * M]: each neighbour's part in the score of P pairs of a photo and a label."""
        starts = range(0, len(photos), PAIRS)
        pairs = (torch.from_numpy(one).long() for one in (photos, labels))
        places, columns = pairs
        found = [self._of(places[start : start + PAIRS], columns[start : start + PAIRS]) for start in starts]
        return torch.cat([torch.zeros(0, self.weights[0].numel()), *found]).numpy()

    def _of(self, photos: Tensor, labels: Tensor) -> Tensor:
        by_relation = []
        for r, hidden in enumerate(self.hidden):
            active = self.W[self.matrix[photos], labels, r] * (self.v[photos, r] > 0)  # [P, h]
            active = active * self.factors[photos, r].unsqueeze(1)
            weights = self.weights[photos, r]
            term = torch.einsum("pmh,ph->pm", hidden[self.neighbours[photos, r]], active)
            total = weights.sum(dim=1, keepdim=True)
            bias = (active @ self.b[r]).unsqueeze(1) / torch.where(total > 0, total, 1)
            by_relation.append(weights * (term + bias))
        return torch.cat(by_relation, dim=1)


def _summed(weights: Tensor, features: Tensor, neighbours: Tensor) -> Tensor:
    """sum_k w_k u[neighbours_k]: weights and neighbours [B, M], features [U, d] -> [B, d]."""
    return torch.nn.functional.embedding_bag(neighbours, features, mode="sum", per_sample_weights=weights)
