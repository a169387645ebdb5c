"""The relational model: one tower for the image and one for each metadata type (relation). Not in the paper.

Neighbours are averaged before the hidden layer, so their features are summed once for each image and type, and not one
by one in every layer. `neighborhoods.shares` gives the weights of the average.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from love_thy_neighbors.model import Dropout, he_initialization

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
        self.dropout = Dropout(dropout)
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
        v_x = self.image_tower(x, self.sees_all(mask)[:, 0]).unsqueeze(1)
        v_r = torch.stack(self.relation_towers(z), dim=1)
        return torch.cat([v_x, v_r * present_factors(mask).unsqueeze(2)], dim=1)

    def image_tower(self, x: Tensor, sees_all: Tensor) -> Tensor:
        """v_x, each image by the one of W_x and W_0 that is for it. Shapes: [B, d], boolean [B] -> [B, K h]."""
        if self.is_recorded():  # what is recorded may not depend on the images
            return torch.where(sees_all.unsqueeze(1), torch.relu(self.W_x(x)), torch.relu(self.W_0(x)))
        v_x = x.new_zeros(len(x), self.W_x.out_features)
        v_x[sees_all] = torch.relu(self.W_x(x[sees_all]))
        v_x[~sees_all] = torch.relu(self.W_0(x[~sees_all]))
        return v_x

    def is_recorded(self) -> bool:
        """Whether PyTorch records a graph of the model: to export or compile it."""
        if torch.jit.is_scripting():
            return True
        return torch.jit.is_tracing() or torch.compiler.is_compiling()

    def relation_towers(self, z: Tensor) -> list[Tensor]:
        """v_r as if every image had neighbours by all relations. Shapes: [B, R, d] -> R times [B, K h]."""
        return [torch.relu(W_r(z[:, r])) for r, W_r in enumerate(self.W_r)]

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
        K, views = self.members, self.views
        v = [torch.relu(self.W_x(x)), torch.relu(self.W_0(x)), *self.relation_towers(z)]
        v = self.dropout(torch.stack(v, dim=1)).unflatten(2, (K, -1)).permute(2, 0, 1, 3)  # [K, B, 2 + R, h]
        v_x, v_0, v_r = v.split([1, 1, len(self.relations)], dim=2)
        mask, y = mask.repeat(K, 1), y.repeat(K, 1)
        own, neighbours = self._terms(self.W_y, v_x, v_r, mask)
        whole = own + neighbours
        if not views:
            return K * criterion(whole + self.b_y, y)
        some = mask & (torch.rand(mask.shape, device=mask.device) < 0.5)
        none, neighbours = self._terms(self.W_p, v_0, views * v_r + (1 - views) * v_r.detach(), some)
        whole = torch.where(mask.any(dim=1, keepdim=True), whole, none)
        return K * torch.stack([criterion(f + self.b_y, y) for f in (whole, none + neighbours, none)]).sum()

    def _terms(self, layer: nn.Linear, v_x: Tensor, v_r: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the image's tower and those of its relations add to the scores of each member: [K B, |Y|] both.

        Shapes: v_x [K, B, 1, h], v_r [K, B, R, h], mask [K B, R].
        """
        v_r = v_r * present_factors(mask).unflatten(0, v_r.shape[:2]).unsqueeze(3)
        W_k = layer.weight.unflatten(1, (1 + v_r.shape[2], self.members, -1)).unbind(2)  # [|Y|, 1 + R, h] each
        own, neighbours = [], []
        for v_x_k, v_r_k, W in zip(v_x, v_r, W_k, strict=True):  # one product each: a batched one is far slower here
            own.append(linear(v_x_k.flatten(1), W[:, 0]))
            neighbours.append(linear(v_r_k.flatten(1), W[:, 1:].flatten(1)))
        return torch.cat(own), torch.cat(neighbours)


def present_factors(mask: Tensor) -> Tensor:
    """sqrt(R / n) for each of the n relations that an image has, 0 for the others. Shapes: [B, R] -> [B, R]."""
    present = mask.float()
    return present * (mask.shape[1] / present.sum(dim=1, keepdim=True).clamp(min=1)).sqrt()
