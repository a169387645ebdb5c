"""Eqs. 4-6 against NumPy, and what the optimiser may touch."""

import numpy as np
import pytest
import torch

from love_thy_neighbors.baselines.visual import VisualMLP, VisualOnly
from love_thy_neighbors.model import Dropout, NeighborhoodModel
from love_thy_neighbors.training.task import AnnotationTask


def scores_in_numpy(model: NeighborhoodModel, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    W = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    v_x = np.maximum(0, W["W_x.weight"] @ x + W["W_x.bias"])
    v_zi = [np.maximum(0, W["W_z.weight"] @ z_i + W["W_z.bias"]) for z_i in z]
    v_z = np.max(v_zi, axis=0) if v_zi else np.zeros_like(v_x)
    return W["W_y.weight"] @ np.concatenate([v_x, v_z]) + W["W_y.bias"]


def test_model_is_equations_4_to_6() -> None:
    torch.manual_seed(0)
    model = NeighborhoodModel(dim=7, labels=4, hidden=5).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    x, z = torch.randn(3, 7), torch.randn(3, 4, 7)
    mask = torch.tensor([[True, True, True, True], [True, False, True, False], [False] * 4])
    scores = model(x, z, mask).detach().numpy()
    for row in range(3):
        expected = scores_in_numpy(model, x[row].numpy(), z[row][mask[row]].numpy().reshape(-1, 7))
        np.testing.assert_allclose(scores[row], expected, rtol=1e-5, atol=1e-6)


def test_baselines_are_the_image_s_part_of_the_model() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 7)
    model = NeighborhoodModel(dim=7, labels=4, hidden=5).eval()
    mlp = VisualMLP(dim=7, labels=4, hidden=5).eval()
    mlp.W_x.load_state_dict(model.W_x.state_dict())
    with torch.no_grad():
        mlp.W_y.weight.copy_(model.W_y.weight[:, :5])
        mlp.W_y.bias.copy_(model.W_y.bias)
    alone = model(x, torch.zeros(3, 1, 7), torch.zeros(3, 1, dtype=torch.bool))
    torch.testing.assert_close(mlp(x), alone)
    linear = VisualOnly(dim=7, labels=4)
    torch.testing.assert_close(linear(x), x @ linear.W.weight.T + linear.W.bias)


def test_initialization_is_he_s_with_zero_biases() -> None:
    torch.manual_seed(0)
    model = NeighborhoodModel(dim=400, labels=50, hidden=300)
    for layer in (model.W_x, model.W_z, model.W_y):
        assert abs(layer.weight.std().item() / (2 / layer.in_features) ** 0.5 - 1) < 0.03
        assert not layer.bias.any()


def test_dropout_acts_on_both_hidden_states_in_training_only() -> None:
    torch.manual_seed(0)
    model = NeighborhoodModel(dim=7, labels=4, hidden=64, dropout=0.5)
    x, z, mask = torch.randn(2, 7), torch.randn(2, 3, 7), torch.ones(2, 3, dtype=torch.bool)
    assert not torch.equal(model(x, z, mask), model(x, z, mask))
    model.eval()
    assert torch.equal(model(x, z, mask), model(x, z, mask))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_dropout_is_pytorch_s_own_to_the_last_bit(p: float, training: bool, kind: torch.dtype) -> None:
    found = []
    for make in (Dropout, torch.nn.Dropout):
        torch.manual_seed(3)
        x = torch.linspace(-2, 2, 5000, dtype=kind).reshape(50, 100).requires_grad_()
        y = make(p).train(training)(x)
        y.sum().backward()
        found.append((y, x.grad, torch.get_rng_state() if training and p < 1 else y))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_l2_touches_the_three_matrices_and_no_bias() -> None:
    model = NeighborhoodModel(dim=3, labels=2, hidden=4)
    task = AnnotationTask(model, labels=2, m=1, train=1, test="exact", lr=0.1, decay=0.9, l2=0.5, n=1, seed=0)
    optimizer = task.configure_optimizers()
    strength = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    by_name = {name: strength[id(parameter)] for name, parameter in model.named_parameters()}
    matrices = {"W_x.weight", "W_z.weight", "W_y.weight"}
    assert by_name == {name: 0.5 if name in matrices else 0.0 for name in by_name}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
        torch.nn.init.ones_(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert bool((parameter < 1).all()) == (name in matrices)
