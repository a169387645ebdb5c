"""RMSProp in one pass over the parameters (section 3.4), for the CPU."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch


class FusedRMSprop(torch.optim.RMSprop):
    """``torch.optim.RMSprop`` with weight decay, its update done in one pass where parameters are float32 on the CPU.

        g <- g + l2 * p;    v <- alpha * v + (1 - alpha) * g^2;    p <- p - lr * g / (sqrt(v) + eps)

    PyTorch goes over the parameters once for each operation, through memory that it asks for and gives back at every
    step; on a CPU that took longer than the network's own arithmetic. State and figures are PyTorch's, but for the
    rounding of the last bit. Parameters elsewhere are updated by PyTorch itself. Momentum and centring are not offered.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if not all(_in_one_pass(p) for group in self.param_groups for p in group["params"]):
            return super().step(closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, alpha, eps, l2 = (np.float32(group[key]) for key in ("lr", "alpha", "eps", "weight_decay"))
            for parameter in group["params"]:
                if parameter.grad is not None:
                    p, g, v = (_flat(t) for t in (parameter, parameter.grad, self._mean_square(parameter)))
                    _update(p, g, v, lr, alpha, eps, l2)
        return loss

    def _mean_square(self, parameter: torch.Tensor) -> torch.Tensor:
        state = self.state[parameter]
        if not state:  # as torch.optim.RMSprop begins
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["square_avg"] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
        state["step"] += 1
        return state["square_avg"]


def _in_one_pass(parameter: torch.Tensor) -> bool:
    if parameter.device.type != "cpu" or parameter.dtype != torch.float32 or not parameter.is_contiguous():
        return False
    return parameter.grad is None or (parameter.grad.layout == torch.strided and parameter.grad.is_contiguous())


def _flat(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().view(-1).numpy()


@numba.njit(cache=True, error_model="numpy")
def _update(
    p: np.ndarray, g: np.ndarray, v: np.ndarray, lr: np.float32, alpha: np.float32, eps: np.float32, l2: np.float32
) -> None:
    rest = np.float32(1) - alpha
    for i in range(p.size):
        gradient = g[i] + l2 * p[i]
        mean_square = alpha * v[i] + rest * gradient * gradient
        v[i] = mean_square
        p[i] -= lr * gradient / (np.sqrt(mean_square) + eps)
