"""The image's and the neighborhood's part of a score add up to the score (Figure 3)."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from love_thy_neighbors.analysis.score_parts import score_parts, tower_parts
from love_thy_neighbors.baselines.sparse import NeighborhoodTagVector
from love_thy_neighbors.baselines.visual import VisualMLP, VisualOnly
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.model import NeighborhoodModel, Pool, max_pool
from love_thy_neighbors.neighborhoods import expected_max, mean_of_max
from love_thy_neighbors.relational import RelationalModel

POOLS = [max_pool, partial(expected_max, m=2), partial(mean_of_max, m=2)]


def model_with_biases(seed: int) -> NeighborhoodModel:
    torch.manual_seed(seed)
    model = NeighborhoodModel(dim=6, labels=4, hidden=5)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


@settings(deadline=None)
@given(st.integers(0, 1000), st.sampled_from(POOLS), st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_parts_add_up_to_the_score_in_evaluation_mode(seed: int, pool: Pool, present: list[int]) -> None:
    model = model_with_biases(seed)
    x, z = torch.randn(len(present), 6), torch.randn(len(present), 4, 6)
    mask = torch.arange(4) < torch.tensor(present)[:, None]
    image, neighborhood, bias = score_parts(model, x, z, mask, pool)
    assert model.training
    assert image.shape == neighborhood.shape == (len(present), 4)
    assert bias.shape == (4,)
    assert not neighborhood[torch.tensor(present) == 0].any()
    torch.testing.assert_close(image + neighborhood + bias, model.eval()(x, z, mask, pool), rtol=1e-5, atol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_each_part_depends_on_its_own_input_and_half_of_the_weights(seed: int) -> None:
    model = model_with_biases(seed)
    mask = torch.ones(3, 4, dtype=torch.bool)
    (x, other_x), (z, other_z) = torch.randn(2, 3, 6), torch.randn(2, 3, 4, 6)
    image, neighborhood, bias = score_parts(model, x, z, mask, max_pool)
    assert torch.equal(score_parts(model, x, other_z, mask, max_pool)[0], image)
    assert torch.equal(score_parts(model, other_x, z, mask, max_pool)[1], neighborhood)
    with torch.no_grad():
        model.W_y.weight[:, :5] = 0
    without_image = score_parts(model, x, z, mask, max_pool)
    assert not without_image[0].any()
    assert torch.equal(without_image[1], neighborhood)
    assert torch.equal(without_image[2], bias)


@pytest.mark.parametrize(
    "model", [VisualOnly(6, 4), VisualMLP(6, 4, 5), NeighborhoodTagVector(6, 4, values=3, hidden=5)]
)
def test_other_models_have_no_such_parts(model: nn.Module) -> None:
    with pytest.raises(UserError, match=rf"{type(model).__name__}\b.*model=neighborhood"):
        score_parts(model, torch.zeros(1, 6), torch.zeros(1, 4, 6), torch.zeros(1, 4, dtype=torch.bool), max_pool)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_parts_of_a_relational_model_add_up_in_evaluation_mode(seed: int) -> None:
    torch.manual_seed(seed)
    model = RelationalModel(6, 4, ["tags", "sets"], 5)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    x, z, mask = torch.randn(7, 6), torch.randn(7, 2, 6), torch.rand(7, 2) < 0.6
    image, relations, bias = tower_parts(model, x, z, mask)
    assert model.training
    assert relations.shape == (7, 2, 4)
    assert not relations[~mask].any()
    torch.testing.assert_close(image + relations.sum(1) + bias, model.eval()(x, z, mask), rtol=1e-5, atol=1e-5)
    other = tower_parts(model, x, torch.stack([z[:, 0], torch.randn(7, 6)], dim=1), mask)
    assert torch.equal(other[1][:, 0], relations[:, 0])
    assert torch.equal(other[0], image)
