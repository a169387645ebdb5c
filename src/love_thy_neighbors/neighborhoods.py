"""Candidate neighborhoods: Z_x, all m-subsets of the M nearest neighbours of x (section 3.1), and Eq. 1 over them.

A neighbour list is an int array [N, M], nearest first, with -1 (always at the end) where an image has fewer than M
neighbours. An image with r < M neighbours has the min(m, r)-subsets of those r; with r = 0 the neighborhood is empty.
"""

from functools import lru_cache
from math import comb

import torch
from torch import Tensor


def sample(neighbors: Tensor, m: int, samples: int, generator: torch.Generator) -> Tensor:
    """Draw ``samples`` neighborhoods of size m for every row, uniformly, each without replacement.

    Every neighbour gets a random key, and the m neighbours with the smallest keys are taken. Absent ones get the
    largest key, so they are taken only if there are fewer than m neighbours. Drawn on the CPU, so that a seed gives
    the same result on every device.

    Shapes: neighbors [N, M] int with -1 for none -> [N, samples * m], each run of m one neighborhood, -1 for none.
    """
    rows, M = neighbors.shape
    keys = torch.rand(rows, samples, M, generator=generator)
    keys.masked_fill_((neighbors < 0).unsqueeze(1), 2.0)
    chosen = keys.topk(m, dim=2, largest=False).indices
    return neighbors.unsqueeze(1).expand(-1, samples, -1).gather(2, chosen).flatten(1)


def drop(neighborhoods: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Empty each row's neighborhood with ``probability``, as if the image had no neighbours. Not in the paper.

    A model that is always trained with neighbours does not learn to score an image without them: such images get scores
    on another scale. AP_l ranks all images by these scores, so on a small collection this costs more than the
    neighbours gain.

    Shapes: neighborhoods [N, ...] int with -1 for none -> the same.
    """
    emptied = torch.rand(len(neighborhoods), 1, generator=generator) < probability
    return neighborhoods.masked_fill(emptied.view(-1, *[1] * (neighborhoods.ndim - 1)), -1)


def thin(lists: Tensor, probability: float, M: int, generator: torch.Generator) -> Tensor:
    """Keep every entry with ``probability``, and give the places of the first M that are kept. Not in the paper.

    Test images often have a smaller pool to find neighbours in than training images, so their M nearest are less
    similar. If the test pool is a share p of the training pool, lists that are thinned with probability p are those
    that training images would have in a random pool of the test pool's size.

    Shapes: lists [..., D] int with -1 for none, D >= M -> int64 [..., M], places below D in rising order, -1 for none.
    """
    kept = (torch.rand(lists.shape, generator=generator) < probability) & (lists >= 0)
    rank = torch.where(kept, kept.cumsum(-1) - 1, M).clamp(max=M)  # entries that are not used share a column of waste
    places = torch.full((*lists.shape[:-1], M + 1), -1)
    return places.scatter_(-1, rank, torch.arange(lists.shape[-1]).expand(lists.shape))[..., :M]


def taken(values: Tensor, places: Tensor, absent: float) -> Tensor:
    """The values at the places that `thin` gives, ``absent`` where there is none.

    Shapes: [..., D] and [..., M] -> [..., M].
    """
    return values.gather(-1, places.clamp(min=0)).masked_fill(places < 0, absent)


def shares(similarities: Tensor, shrinkage: float) -> Tensor:
    """s_i / (lambda + sum_i s_i): the neighbours' weights in the mean feature z_r of `relational.RelationalModel`.

    Shapes: similarities [..., M], 0 for an absent neighbour -> [..., M]. All weights are 0 where all similarities are.
    """
    total = similarities.sum(dim=-1, keepdim=True) + shrinkage
    return similarities / torch.where(total > 0, total, 1)


def mean_of_max(v: Tensor, mask: Tensor, m: int) -> Tensor:
    """v_z averaged over sampled neighborhoods: the paper's approximation of Eq. 1.

    Shapes: v [B, S * m, h] non-negative, mask [B, S * m] -> [B, h].
    """
    present = v.masked_fill(~mask.unsqueeze(-1), 0)
    return present.unflatten(1, (-1, m)).amax(dim=2).mean(dim=1)


def expected_max(v: Tensor, mask: Tensor, m: int) -> Tensor:
    """v_z averaged over *all* m-subsets of the neighbours, exactly: Eq. 1 in closed form.

    W_y is linear, so the mean of the scores is the score of the mean v_z. Of the C(r, m) subsets, C(k-1, m-1) have the
    k-th smallest value as their maximum, so with sorted values v_(1) <= ... <= v_(r),

        E[max] = sum_k C(k-1, m-1) / C(r, m) * v_(k),

    with min(m, r) instead of m if there are fewer than m neighbours, and 0 if there is none. Differentiable.

    Shapes: v [B, M, h], mask [B, M] boolean -> [B, h].
    """
    weights = _weights_of(v, mask, m)
    absent = ~mask.unsqueeze(-1)
    # -inf moves absent neighbours to the front, where their weight is 0; then 0 replaces it, because 0 * -inf is NaN.
    ascending = v.masked_fill(absent, -torch.inf).sort(dim=1).values
    ascending = ascending.masked_fill(ascending == -torch.inf, 0)
    return torch.einsum("bk,bkh->bh", weights, ascending)


def expected_max_parts(v: Tensor, mask: Tensor, m: int) -> Tensor:
    """Each neighbour's part in `expected_max`: their sum over the neighbours is v_z, for every hidden unit.

    The neighbour with the k-th smallest value of a unit contributes weight_k * v_(k): it is the maximum in that share
    of the neighborhoods. Of equal values, any order is right, because the sum does not depend on it.

    Shapes: v [B, M, h], mask [B, M] boolean -> [B, M, h], 0 for absent neighbours.
    """
    ascending, place = v.masked_fill(~mask.unsqueeze(-1), -torch.inf), torch.arange(v.shape[1]).view(-1, 1)
    rank = torch.zeros_like(v, dtype=torch.int64)
    for other in range(v.shape[1]):  # for few neighbours faster than to sort
        one = ascending[:, other : other + 1]
        rank += torch.where(place > other, one <= ascending, one < ascending)
    weights = _weights_of(v, mask, m).unsqueeze(-1).expand_as(v)
    return weights.gather(1, rank) * v.masked_fill(~mask.unsqueeze(-1), 0)


def _weights_of(v: Tensor, mask: Tensor, m: int) -> Tensor:
    """[B, M]: the weights of each image's sorted neighbours."""
    return _subset_weights(v.shape[1], m).to(device=v.device, dtype=v.dtype)[mask.sum(dim=1)]


@lru_cache(maxsize=8)
def _subset_weights(M: int, m: int) -> Tensor:
    """[M + 1, M]: row r holds the weights of r neighbours, in the last r columns."""
    weights = torch.zeros(M + 1, M, dtype=torch.float64)
    for r in range(1, M + 1):
        size = min(m, r)
        for k in range(1, r + 1):
            weights[r, M - r + k - 1] = comb(k - 1, size - 1) / comb(r, size)
    return weights
