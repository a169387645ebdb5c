"""The parts of a label's score that come from the image and from its neighbours (section 3.3, Figure 3)."""

import torch
from torch import Tensor, nn

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.model import NeighborhoodModel, Pool
from love_thy_neighbors.relational import RelationalModel


@torch.no_grad()
def score_parts(model: nn.Module, x: Tensor, z: Tensor, mask: Tensor, pool: Pool) -> tuple[Tensor, Tensor, Tensor]:
    """The terms of the model's score without dropout, also if ``model`` is in training mode.

        f(x, z) = W_image v_x + W_neighborhood v_z + b_y,    W_y = [W_image | W_neighborhood]          (Eq. 6)

    The part of an empty neighborhood is exactly 0. ``pool`` may average over neighborhoods, because W_y is linear.

    Shapes: x [B, d], z [B, m, d], mask [B, m] boolean (True where there is a neighbour) -> image part [B, |Y|],
    neighborhood part [B, |Y|], bias [|Y|].

    Raises `UserError` for any other model than `NeighborhoodModel`. `tower_parts` is for a relational model.
    """
    # A subclass may add terms to Eq. 6; then the parts would not add up to its score.
    if type(model) is not NeighborhoodModel:
        raise UserError(
            f"model: the score of a {type(model).__name__} is not the sum of an image part and a neighborhood part; "
            "set model=neighborhood."
        )
    W_image, W_neighborhood = model.W_y.weight.chunk(2, dim=1)
    v_x = torch.relu(model.W_x(x))
    v_z = pool(torch.relu(model.W_z(z)), mask)
    return v_x @ W_image.T, v_z @ W_neighborhood.T, model.W_y.bias.clone()


@torch.no_grad()
def tower_parts(model: RelationalModel, x: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The terms of a relational model's score without dropout: of the image, of every relation, and the bias.

    The part of a relation without neighbours is exactly 0.

    Shapes: x [B, d], z [B, R, d], mask [B, R] boolean -> image part [B, |Y|], relations' parts [B, R, |Y|], bias [|Y|].
    """
    parts = model.parts(model.towers(x, z, mask), mask)
    return parts[:, 0], parts[:, 1:], model.b_y.clone()
