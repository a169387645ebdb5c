"""The relational model: one tower for the image and one for each metadata type (relation). Not in the paper.

Neighbours are averaged before the hidden layer, so their features are summed once for each image and type, and not one
by one in every layer. `neighborhoods.shares` gives the weights of the average.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from love_thy_neighbors.model import he_initialization

Criterion = Callable[[Tensor, Tensor], Tensor]


class RelationalModel(nn.Module):
    """Label scores of an image from its own features and from one mean feature of its neighbours for each relation r.

        z_r(x) = sum_i s_r(x, z_i) phi(z_i) / (lambda + sum_i s_r(x, z_i))      the M nearest by relation r
        v_x    = relu(W_x phi(x) + b_x)                                         as in Eq. 4
        v_r    = sqrt(R / n(x)) relu(W_r z_r + b_r), 0 for an image without neighbours by r
        f(x)   = W [v_x ; v_1 ; ... ; v_R] + b_y = sum of one matrix times one tower, + b_y

        W is W_y; or W_p, and then v_x = relu(W_0 phi(x) + b_0), if the metadata of x is not as in training

    s_r is the Jaccard similarity (1 - Eq. 3), and n(x) the number of relations by which x has neighbours. With
    lambda > 0 few or distant neighbours give a short z_r. Each relation has weights of its own, as in R-GCN
    (Schlichtkrull et al. 2018). The model takes z_r; the loader computes it.

    W is W_y where all relations are looked up and x has a neighbour by one of them. It is W_p for an image without any
    neighbour, and where relations are missing or are looked up by other metadata or other tags than in training
    (``complete`` is False). With one matrix and one image tower for both, either loses: with W_y alone, scores without
    neighbours were far below those of an image tower alone. With ``views`` = 0 there is W_y alone, for all images.

    With K ``members`` each v has K times h hidden units, and f is the mean of K such models, which differ by their
    first weights and their dropout. In training each has a loss of its own; b_y is common to all.

    Dropout acts on every v; weights start as in He et al. and biases at zero, as in `model.NeighborhoodModel`.
    `torch.jit.script` and `torch.onnx.export` work on it.

    Args:
        dim: d, the length of a feature vector.
        labels: |Y|, the number of labels.
        relations: the metadata types, in the order of the rows of z and mask; R of them.
        hidden: h, the length of a member's hidden state.
        dropout: the probability that a hidden unit is dropped in training.
        views: share of the gradient by which W_r learns from images that lack relations (`loss`); 0 to 1. With 0 the
            model is for test sets that lack none.
        members: K, models whose scores are averaged. Time and memory grow as K.
    """

    def __init__(
        self,
        dim: int,
        labels: int,
        relations: Sequence[str],
        hidden: int = 500,
        dropout: float = 0.5,
        views: float = 0.3,
        members: int = 1,
    ) -> None:
        super().__init__()
        self.relations, self.views, self.members, self.complete = list(relations), views, members, True
        towers = (1 + len(self.relations)) * members * hidden
        self.W_x = nn.Linear(dim, members * hidden)
        self.W_0 = nn.Linear(dim, members * hidden)
        self.W_r = nn.ModuleList(nn.Linear(dim, members * hidden) for _ in self.relations)
        self.W_y = nn.Linear(towers, labels, bias=False)
        self.W_p = nn.Linear(towers, labels, bias=False)
        self.b_y = nn.Parameter(torch.zeros(labels))
        self.dropout = nn.Dropout(dropout)
        he_initialization(self)
        with torch.no_grad():  # a member's scores come from its own hidden units, 1 / K of all
            for layer in (self.W_y, self.W_p):
                layer.weight.mul_(members**0.5)

    def forward(self, x: Tensor, z: Tensor, mask: Tensor) -> Tensor:
        """Shapes: x [B, d]; z [B, R, d]; mask [B, R] boolean, True where there is a neighbour -> scores [B, |Y|]."""
        v = self.dropout(self.towers(x, z, mask)).flatten(1)
        return torch.where(self.sees_all(mask), self.W_y(v), self.W_p(v)) / self.members + self.b_y

    def sees_all(self, mask: Tensor) -> Tensor:
        """Where W is W_y. Shapes: mask [B, R] -> boolean [B, 1]."""
        any_neighbour = mask.any(dim=1, keepdim=True)
        if self.views == 0:
            return torch.ones_like(any_neighbour)
        return any_neighbour if self.complete else torch.zeros_like(any_neighbour)

    def towers(self, x: Tensor, z: Tensor, mask: Tensor) -> Tensor:
        """[v_x ; v_1 ; ... ; v_R], without dropout. Shapes: as `forward` -> [B, 1 + R, K h]."""
        v = self.hidden(x, z)
        v_x = torch.where(self.sees_all(mask), v[:, 0], v[:, 1])
        return masked(torch.cat([v_x.unsqueeze(1), v[:, 2:]], dim=1), mask)

    def hidden(self, x: Tensor, z: Tensor) -> Tensor:
        """Hidden states of W_x, of W_0, and of every relation as if every image had neighbours by it.

        Shapes: as `forward` -> [B, 2 + R, K h].
        """
        v = [torch.relu(self.W_x(x)), torch.relu(self.W_0(x))]
        for r, W_r in enumerate(self.W_r):
            v.append(torch.relu(W_r(z[:, r])))
        return torch.stack(v, dim=1)

    def matrices(self) -> tuple[Tensor, Tensor]:
        """W_y and W_p of the mean of the members, by tower: [|Y|, 1 + R, K h] each."""
        towers = (1 + len(self.relations), -1)
        return self.W_y.weight.unflatten(1, towers) / self.members, self.W_p.weight.unflatten(1, towers) / self.members

    def parts(self, v: Tensor, mask: Tensor) -> Tensor:
        """Each tower's term of f; f - b_y is their sum. Shapes: v [B, 1 + R, K h], mask [B, R] -> [B, 1 + R, |Y|]."""
        whole, partial = (torch.einsum("bth,lth->btl", v, W) for W in self.matrices())
        return torch.where(self.sees_all(mask).unsqueeze(2), whole, partial)

    def loss(self, x: Tensor, z: Tensor, mask: Tensor, y: Tensor, criterion: Criterion) -> Tensor:
        """The loss of a batch in training, a sum over the members of

            loss(f) + loss(f_some) + loss(f_none)

        f_some: scores with W_p in which each relation of each image is left out with probability 0.5. f_none: those
        without any neighbour. W_0 and W_p learn from these two what to do if metadata is missing. Only ``views`` of
        their gradients reaches W_r, which would else learn less for images that have all metadata.

        Shapes: as `forward`, and y [B, |Y|].
        """
        K = self.members
        v = self.dropout(self.hidden(x, z)).unflatten(2, (K, -1)).permute(2, 0, 1, 3).flatten(0, 1)  # [K B, 2 + R, h]
        mask, y = mask.repeat(K, 1), y.repeat(K, 1)
        v_x, v_0, v_r = v[:, :1], v[:, 1:2], v[:, 2:]
        whole = self._of_members(self.W_y, masked(torch.cat([v_x, v_r], dim=1), mask))
        if not self.views:
            return K * criterion(whole + self.b_y, y)
        of_partial = self._of_members(self.W_p, masked(torch.cat([v_0, v_r], dim=1), mask))
        whole = torch.where(self.sees_all(mask), whole, of_partial)
        v = torch.cat([v_0, self.views * v_r + (1 - self.views) * v_r.detach()], dim=1)
        some = mask & (torch.rand(mask.shape, device=mask.device) < 0.5)
        views = [self._of_members(self.W_p, masked(v, one)) for one in (some, torch.zeros_like(mask))]
        loss: Tensor = sum(criterion(scores + self.b_y, y) for scores in (whole, *views))  # type: ignore[assignment]
        return K * loss

    def _of_members(self, layer: nn.Linear, v: Tensor) -> Tensor:
        """Each member's products with its own columns. Shapes: v [K B, 1 + R, h] -> [K B, |Y|]."""
        W = layer.weight.unflatten(1, (v.shape[1], self.members, v.shape[2]))
        return torch.einsum("kbth,ltkh->kbl", v.unflatten(0, (self.members, -1)), W).flatten(0, 1)


def masked(v: Tensor, mask: Tensor) -> Tensor:
    """Hidden states of the relations that an image has: the others are 0, and these times sqrt(R / number of these).

    Shapes: v [B, 1 + R, h] of image and relations, mask [B, R] boolean -> [B, 1 + R, h].
    """
    factors = present_factors(mask)
    return v * torch.cat([torch.ones_like(factors[:, :1]), factors], dim=1).unsqueeze(2)


def present_factors(mask: Tensor) -> Tensor:
    """sqrt(R / n) for each of the n relations that an image has, 0 for the others. Shapes: [B, R] -> [B, R]."""
    present = mask.float()
    return present * (mask.shape[1] / present.sum(dim=1, keepdim=True).clamp(min=1)).sqrt()
