"""RMSProp's kernel for a GPU: in Triton's interpreter where Triton is installed, and what happens where it is not."""

import os
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import torch

from love_thy_neighbors.training import rmsprop
from love_thy_neighbors.training.rmsprop import FusedRMSprop

IN_THE_INTERPRETER = """
import torch
from love_thy_neighbors.training.rmsprop_gpu import check, update
check(torch.device("cpu"))
for lr in (0.01, torch.tensor(0.01)):
    p, state = torch.randn(37, 61), {"step": torch.zeros(()), "square_avg": torch.zeros(37, 61)}
    theirs = torch.nn.Parameter(p.clone())
    optimizer = torch.optim.RMSprop([theirs], lr=0.01, alpha=0.9, weight_decay=1e-3)
    for step in range(4):
        theirs.grad = torch.randn_like(p)
        optimizer.step()
        update(p, theirs.grad, state, {"lr": lr, "alpha": 0.9, "eps": 1e-8, "weight_decay": 1e-3})
    torch.testing.assert_close(p, theirs.detach(), rtol=1e-5, atol=1e-6)
    assert state["step"] == 4
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton comes with PyTorch for CUDA")
def test_the_kernel_gives_pytorch_s_weights() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", IN_THE_INTERPRETER], check=True, env=environment)


def stand_in(works: bool) -> ModuleType:
    """`rmsprop_gpu` with the kernel's arithmetic in PyTorch."""

    def check(device: torch.device) -> None:
        assert works, "no compiler"

    def update(p: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        g = g + group["weight_decay"] * p
        state["square_avg"].mul_(group["alpha"]).add_((1 - group["alpha"]) * g * g)
        state["step"] += 1
        p -= group["lr"] * g / (state["square_avg"].sqrt() + group["eps"])
        used.append(p.shape)

    used: list[Any] = []
    module: Any = ModuleType("rmsprop_gpu")
    module.check, module.update, module.used = check, update, used
    return module


@pytest.mark.parametrize(("works", "capturable"), [(True, True), (False, True), (True, False)])
def test_the_kernel_is_used_where_it_works(monkeypatch: pytest.MonkeyPatch, works: bool, capturable: bool) -> None:
    module: Any = stand_in(works)
    monkeypatch.setitem(sys.modules, "love_thy_neighbors.training.rmsprop_gpu", module)
    monkeypatch.setattr("love_thy_neighbors.training.rmsprop_gpu", module, raising=False)
    monkeypatch.setattr(rmsprop, "GPU", "cpu")
    rmsprop._gpu_kernel_works.cache_clear()
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 12).reshape(3, 4)) for _ in range(2))
    without = torch.nn.Parameter(torch.ones(2))  # without a gradient
    first = FusedRMSprop([ours, without], lr=0.1, alpha=0.9, weight_decay=0.01, capturable=capturable)
    second = torch.optim.RMSprop([theirs], lr=0.1, alpha=0.9, weight_decay=0.01)
    for number in range(3):
        for one in (ours, theirs):
            one.grad = torch.linspace(number, -1, 12).reshape(3, 4)
        first.step()
        second.step()
    rmsprop._gpu_kernel_works.cache_clear()
    torch.testing.assert_close(ours, theirs)
    assert without.tolist() == [1, 1]
    assert float(first.state[ours]["step"]) == 3
    assert bool(module.used) == (works and capturable)
