"""The fused RMSProp gives PyTorch's numbers."""

import copy

import pytest
import torch
from torch import nn

from love_thy_neighbors.rmsprop import FusedRMSprop


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
