"""RMSProp on a GPU with one kernel a parameter, in place of PyTorch's five (section 3.4).

In Triton, which comes with PyTorch for CUDA. `rmsprop.FusedRMSprop` imports this module where it is needed.
"""

from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 1024  # entries a program
TOLERANCE = 1e-5


@triton.jit
def _kernel(p_at, g_at, v_at, step_at, lr, alpha, rest, eps, l2, size, LR_IS_TENSOR: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    p = tl.load(p_at + place, mask=inside, other=0.0)
    v = tl.load(v_at + place, mask=inside, other=0.0)
    g = tl.load(g_at + place, mask=inside, other=0.0) + l2 * p
    v = alpha * v + rest * g * g
    rate = tl.load(lr) if LR_IS_TENSOR else lr
    tl.store(v_at + place, v, mask=inside)
    tl.store(p_at + place, p - rate * g / (tl.sqrt(v) + eps), mask=inside)
    if tl.program_id(0) == 0:
        tl.store(step_at, tl.load(step_at) + 1)


def update(
    parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, torch.Tensor], group: dict[str, Any]
) -> None:
    """The update of `rmsprop.FusedRMSprop`, in place, and one more in ``state['step']``, which is on the device.

    All tensors are float32 and contiguous. The learning rate may be a tensor on the device, which a recorded graph
    reads anew at each replay.
    """
    size = parameter.numel()
    _kernel[(triton.cdiv(size, BLOCK),)](
        *(parameter, gradient, state["square_avg"], state["step"]),
        *(group["lr"], group["alpha"], 1 - group["alpha"], group["eps"], group["weight_decay"], size),
        LR_IS_TENSOR=isinstance(group["lr"], torch.Tensor),
        BLOCK=BLOCK,
    )


def check(device: torch.device) -> None:
    """Raise an exception, of whatever kind, unless the kernel works on the device and its result is right."""
    p, g = torch.linspace(-1, 1, 2 * BLOCK + 1, device=device), torch.linspace(2, -1, 2 * BLOCK + 1, device=device)
    state = {"square_avg": g.abs(), "step": torch.zeros((), device=device)}
    group = {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.01}
    decayed = g + 0.01 * p
    mean_square = 0.9 * g.abs() + 0.1 * decayed**2
    expected = p - 0.1 * decayed / (mean_square.sqrt() + 1e-8)
    update(p, g, state, group)
    torch.testing.assert_close(p, expected, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(state["square_avg"], mean_square, rtol=TOLERANCE, atol=TOLERANCE)
