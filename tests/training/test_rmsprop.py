"""The fused RMSProp gives PyTorch's numbers."""

import copy

import pytest
import torch
from torch import nn

from love_thy_neighbors.training.rmsprop import FusedRMSprop
from love_thy_neighbors.training.sparse_gradient import SparseGradientLinear, keep_gradients_sparse


def groups(model: nn.Module, l2: float) -> list[dict[str, object]]:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    return [{"params": matrices, "weight_decay": l2}, {"params": [p for p in model.parameters() if p.ndim == 1]}]


def train(
    optimizer_class: type[torch.optim.Optimizer], l2: float, steps: int, dtype: torch.dtype
) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4)).to(dtype)
    optimizer = optimizer_class(groups(model, l2), lr=1e-2, alpha=0.9)  # type: ignore[call-arg]
    x, y = torch.randn(32, 12, dtype=dtype), (torch.rand(32, 4) < 0.3).to(dtype)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(x), y).backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("l2", [0.0, 3e-3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # the second goes PyTorch's way
def test_weights_are_those_of_pytorch(l2: float, dtype: torch.dtype) -> None:
    ours, theirs = (train(one, l2, 50, dtype) for one in (FusedRMSprop, torch.optim.RMSprop))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_state_goes_on_in_pytorch_and_back() -> None:
    parameter, other = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3, 2))
    ours, theirs = FusedRMSprop([parameter], lr=0.1), torch.optim.RMSprop([other], lr=0.1)
    for optimizer, p in ((ours, parameter), (theirs, other)):
        p.grad = torch.full((3, 2), 0.5)
        optimizer.step()
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    for optimizer, p in ((ours, parameter), (theirs, other)):
        p.grad = torch.full((3, 2), -0.25)
        optimizer.step()
    torch.testing.assert_close(parameter, other)
    assert ours.state[parameter]["step"] == theirs.state[other]["step"] == 2


def test_a_parameter_without_gradient_stays() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = FusedRMSprop([used, unused], lr=0.1, weight_decay=0.5)
    used.grad = torch.ones(2)
    optimizer.step()
    assert (used != 1).all()
    assert (unused == 1).all()


class Towers(nn.Module):
    """Two hidden layers under dropout and a maximum over three, as in the model."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.others, self.scores = nn.Linear(12, 9), nn.Linear(12, 9), nn.Linear(18, 4)

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        v = torch.cat([torch.relu(self.image(x)), torch.relu(self.others(z)).amax(dim=1)], dim=1)
        return self.scores(nn.functional.dropout(v, 0.5))


def trained_towers(factored: bool, steps: int, threads: int = 1) -> Towers:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Towers()
    if factored:
        keep_gradients_sparse(model)
    optimizer = FusedRMSprop(groups(model, 3e-3), lr=1e-2, alpha=0.9)
    x, z, y = torch.randn(32, 12), torch.randn(32, 3, 12), (torch.rand(32, 4) < 0.3).float()
    try:
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(x, z), y).backward()
            optimizer.step()
    finally:
        torch.set_num_threads(before)
    return model


@pytest.mark.parametrize(
    "sparse", [0.0, 0.4, 1.0]
)  # always the product; by their share; always the sum of what is not zero
@pytest.mark.parametrize("threads", [1, 3, 20])  # 20: more than there are rows
def test_factors_give_the_weights_that_gradients_give(
    sparse: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("love_thy_neighbors.training.rmsprop.SPARSE", sparse)
    ours, theirs = trained_towers(True, 30, threads), trained_towers(False, 30)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert all(
        layer.weight.grad is None for layer in (ours.image, ours.others, ours.scores)
    )  # never multiplied out for autograd


def layer_with_factors(seed: int = 0) -> SparseGradientLinear:
    torch.manual_seed(seed)
    layer = nn.Linear(12, 9)
    keep_gradients_sparse(layer)
    assert isinstance(layer, SparseGradientLinear)
    return layer


def test_a_layer_that_is_used_twice_has_the_sum_of_both_gradients() -> None:
    a, b, layer = torch.randn(5, 12), torch.randn(2, 3, 12), layer_with_factors()
    plain = nn.Linear(12, 9)
    plain.load_state_dict(layer.state_dict())
    for one in (layer, plain):
        optimizer = FusedRMSprop(one.parameters(), lr=1e-2)
        (one(a).square().sum() + one(b).square().sum()).backward()
        optimizer.step()
    torch.testing.assert_close(layer.weight, plain.weight)
    torch.testing.assert_close(layer.bias, plain.bias)


def test_zero_grad_forgets_factors_too() -> None:
    layer = layer_with_factors()
    before = layer.weight.detach().clone()
    optimizer = FusedRMSprop([layer.weight], lr=0.1)
    layer(torch.randn(4, 12)).sum().backward()
    optimizer.zero_grad()
    optimizer.step()
    assert torch.equal(layer.weight, before)


def test_factors_pass_the_gradient_on_to_the_input() -> None:
    layer, x = layer_with_factors(), torch.randn(4, 12, requires_grad=True)
    layer(x).square().sum().backward()
    expected = 2 * (x.detach() @ layer.weight.T + layer.bias).detach() @ layer.weight.detach()
    torch.testing.assert_close(x.grad, expected)
