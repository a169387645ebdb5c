"""The relational model against NumPy, and what holds for an image without neighbours."""

import numpy as np
import pytest
import torch
from torch import Tensor

from love_thy_neighbors.baselines.visual import VisualMLP
from love_thy_neighbors.neighborhoods import shares
from love_thy_neighbors.relational import RelationalModel
from love_thy_neighbors.training.losses import logistic

RELATIONS = ["tags", "sets"]


def made(seed: int = 0, members: int = 1) -> RelationalModel:
    torch.manual_seed(seed)
    model = RelationalModel(dim=7, labels=4, relations=RELATIONS, hidden=5, members=members).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    return torch.randn(3, 7), torch.randn(3, 2, 7) * mask.unsqueeze(-1), mask


def scores_in_numpy(
    model: RelationalModel, x: np.ndarray, neighbors: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """neighbors: for each relation the features [k, d] of the image's neighbours, and their similarities [k]."""
    W = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    there = sum(len(z) > 0 for z, _ in neighbors)
    image = "W_x" if there and model.complete else "W_0"
    v = [np.maximum(0, W[f"{image}.weight"] @ x + W[f"{image}.bias"])]
    for r, (z, s) in enumerate(neighbors):
        z_r = (s[:, None] * z).sum(axis=0) / (0.3 + s.sum())
        v_r = np.maximum(0, W[f"W_r.{r}.weight"] @ z_r + W[f"W_r.{r}.bias"])
        v.append(v_r if len(z) else np.zeros_like(v_r))
    v[1:] = [v_r * np.sqrt(len(neighbors) / max(1, there)) for v_r in v[1:]]
    return W["W_y.weight" if there and model.complete else "W_p.weight"] @ np.concatenate(v) + W["b_y"]


@pytest.mark.parametrize("complete", [True, False])
def test_the_model_is_its_equations(complete: bool) -> None:
    model = made()
    model.complete = complete
    x, z, s = torch.randn(3, 7), torch.randn(3, 2, 4, 7), torch.rand(3, 2, 4)
    present = torch.tensor([[4, 2], [1, 0], [0, 0]]).unsqueeze(-1) > torch.arange(4)
    s = s * present
    z_r = (shares(s, 0.3).unsqueeze(-1) * z).sum(dim=2)
    scores = model(x, z_r, present.any(dim=-1)).detach().numpy()
    for row in range(3):
        own = [(z[row, r][present[row, r]].numpy(), s[row, r][present[row, r]].numpy()) for r in range(2)]
        np.testing.assert_allclose(scores[row], scores_in_numpy(model, x[row].numpy(), own), rtol=1e-4, atol=1e-5)


def test_without_neighbours_it_is_its_image_tower() -> None:
    model = made()
    mlp = VisualMLP(dim=7, labels=4, hidden=5).eval()
    mlp.W_x.load_state_dict(model.W_0.state_dict())
    with torch.no_grad():
        mlp.W_y.weight.copy_(model.W_p.weight[:, :5])
        mlp.W_y.bias.copy_(model.b_y)
    x = torch.randn(3, 7)
    nobody = torch.zeros(3, 2, dtype=torch.bool)
    torch.testing.assert_close(model(x, torch.zeros(3, 2, 7), nobody), mlp(x))
    assert model.W_r[0].bias.any()  # relu(b_r) would not be zero


def test_the_score_is_the_sum_of_a_part_for_each_tower() -> None:
    model, (x, z, mask) = made(), inputs()
    v = model.towers(x, z, mask)
    parts = model.parts(v, mask)
    assert v.shape == (3, 3, 5)
    assert parts.shape == (3, 3, 4)
    torch.testing.assert_close(parts.sum(dim=1) + model.b_y, model(x, z, mask), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(parts[:2, 2], v[:2, 2] @ model.W_y.weight[:, 10:].T)
    assert not parts[1, 2].any()
    assert not parts[2, 1:].any()


def test_dropout_acts_on_every_tower_in_training_only() -> None:
    model = RelationalModel(dim=7, labels=4, relations=RELATIONS, hidden=64, dropout=0.5)
    x, z, mask = torch.randn(2, 7), torch.randn(2, 2, 7), torch.ones(2, 2, dtype=torch.bool)
    for tower in range(3):
        with torch.no_grad():  # this tower alone has a weight
            model.W_y.weight.zero_()[:, 64 * tower : 64 * (tower + 1)] = 1
        model.train()
        assert not torch.equal(model(x, z, mask), model(x, z, mask)), tower
        model.eval()
        assert torch.equal(model(x, z, mask), model(x, z, mask)), tower


def test_weights_start_as_in_he_et_al_and_biases_at_zero() -> None:
    torch.manual_seed(0)
    model = RelationalModel(dim=400, labels=50, relations=RELATIONS, hidden=300)
    for layer in (model.W_x, model.W_0, *model.W_r, model.W_y, model.W_p):
        assert abs(layer.weight.std().item() / (2 / layer.in_features) ** 0.5 - 1) < 0.03
    for bias in (model.W_x.bias, model.W_0.bias, *(layer.bias for layer in model.W_r), model.b_y):
        assert not bias.any()


def test_the_loss_is_that_of_all_relations_of_some_and_of_none() -> None:
    """In evaluation mode, without dropout, against the scores of `forward` for every choice of relations."""
    model, (x, z, mask) = made(), inputs()
    y = (torch.arange(12).reshape(3, 4) % 3 == 0).float()
    model.complete = False
    none = logistic(model(x, z, torch.zeros_like(mask)), y)
    torch.manual_seed(5)
    kept = mask & (torch.rand(mask.shape) < 0.5)
    some = logistic(model(x, z, kept), y)
    model.complete = True
    whole = logistic(model(x, z, mask), y)
    torch.manual_seed(5)
    loss = model.loss(x, z, mask, y, logistic)
    torch.testing.assert_close(loss, whole + some + none)
    assert whole != some != none

    def gradients(of: Tensor) -> list[Tensor]:
        weights = [model.W_r[0].weight, model.W_0.weight, model.W_p.weight]
        return list(torch.autograd.grad(of, weights, retain_graph=True))

    relation, *partial = gradients(loss)
    torch.testing.assert_close(relation, gradients(whole)[0] + 0.3 * gradients(some)[0])
    torch.testing.assert_close(partial, gradients(whole + some + none)[1:])


def test_without_views_there_is_one_matrix_for_all_images() -> None:
    model, (x, z, mask) = made(), inputs()
    model.views = 0
    for model.complete in (True, False):
        for seen in (mask, torch.zeros_like(mask)):
            scores = model.towers(x, z, seen).flatten(1) @ model.W_y.weight.T + model.b_y
            torch.testing.assert_close(model(x, z, seen), scores)
            torch.testing.assert_close(model.parts(model.towers(x, z, seen), seen).sum(dim=1) + model.b_y, scores)


def member(model: RelationalModel, place: int) -> RelationalModel:
    """One of the members as a model of its own."""
    single, units = made(), slice(5 * place, 5 * (place + 1))
    with torch.no_grad():
        mine, all_of_them = ((one.W_x, one.W_0, *one.W_r) for one in (single, model))
        for own, common in zip(mine, all_of_them, strict=True):
            own.weight.copy_(common.weight[units])
            own.bias.copy_(common.bias[units])
        for own, common in ((single.W_y, model.W_y), (single.W_p, model.W_p)):
            own.weight.copy_(common.weight.unflatten(1, (3, -1))[:, :, units].flatten(1))
        single.b_y.copy_(model.b_y)
    single.complete = model.complete
    return single


@pytest.mark.parametrize("complete", [True, False])
def test_members_are_models_of_their_own_whose_scores_are_averaged(complete: bool) -> None:
    model, (x, z, mask) = made(members=3), inputs()
    model.complete = complete
    singles = [member(model, place) for place in range(3)]
    mean = torch.stack([single(x, z, mask) for single in singles]).mean(dim=0)
    torch.testing.assert_close(model(x, z, mask), mean, rtol=1e-5, atol=1e-5)
    parts = torch.stack([single.parts(single.towers(x, z, mask), mask) for single in singles]).mean(dim=0)
    torch.testing.assert_close(model.parts(model.towers(x, z, mask), mask), parts, rtol=1e-5, atol=1e-5)


def test_each_member_learns_from_its_own_loss() -> None:
    """Gradients of the common model are those of each by itself."""
    model, (x, z, mask) = made(members=3), inputs()
    model.views = 0  # no chance in the loss
    y = (torch.arange(12).reshape(3, 4) % 3 == 0).float()
    loss = model.loss(x, z, mask, y, logistic)
    loss.backward()
    singles = [member(model, place) for place in range(3)]
    losses = []
    for place, single in enumerate(singles):
        single.views = 0
        losses.append(single.loss(x, z, mask, y, logistic))
        losses[-1].backward()
        units = slice(5 * place, 5 * (place + 1))
        torch.testing.assert_close(model.W_r[1].weight.grad[units], single.W_r[1].weight.grad)
        own = model.W_y.weight.grad.unflatten(1, (3, -1))[:, :, units].flatten(1)
        torch.testing.assert_close(own, single.W_y.weight.grad)
    torch.testing.assert_close(loss, torch.stack(losses).sum())


def test_weights_of_members_start_as_those_of_one_model() -> None:
    torch.manual_seed(0)
    model = RelationalModel(dim=400, labels=50, relations=RELATIONS, hidden=100, members=3)
    for layer in (model.W_y, model.W_p):
        assert abs(layer.weight.std().item() / (2 / 300) ** 0.5 - 1) < 0.03
    assert abs(model.W_x.weight.std().item() / (2 / 400) ** 0.5 - 1) < 0.03
