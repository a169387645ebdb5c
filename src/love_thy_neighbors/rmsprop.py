"""RMSProp in one pass over the parameters (section 3.4), for the CPU."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import torch

_LARGE = 1 << 18  # elements; below, handing over to a thread takes longer than the update


class FusedRMSprop(torch.optim.RMSprop):
    """``torch.optim.RMSprop`` with weight decay, its update done in one pass where parameters are float32 on the CPU.

        g <- g + l2 * p;    v <- alpha * v + (1 - alpha) * g^2;    p <- p - lr * g / (sqrt(v) + eps)

    PyTorch goes over the parameters once for each operation, through memory that it asks for and gives back at every
    step; on a CPU that took longer than the network's own arithmetic. State and figures are PyTorch's, but for the
    rounding of the last bit. Parameters elsewhere are updated by PyTorch itself. Momentum and centring are not offered.

    A large parameter is cut into as many pieces as PyTorch has threads, which would have nothing to do, and these are
    updated beside each other. That changes no figure.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if not all(_in_one_pass(p) for group in self.param_groups for p in group["params"]):
            return super().step(closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            settings = tuple(np.float32(group[key]) for key in ("lr", "alpha", "eps", "weight_decay"))
            for parameter in group["params"]:
                if parameter.grad is not None:
                    arrays = [_flat(t) for t in (parameter, parameter.grad, self._mean_square(parameter))]
                    _update_in_pieces(arrays, settings)
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


def _update_in_pieces(arrays: list[np.ndarray], settings: tuple[np.float32, ...]) -> None:
    threads = torch.get_num_threads() if arrays[0].size >= _LARGE else 1
    mine, *others = zip(*(np.array_split(array, threads) for array in arrays), strict=True)
    waiting = [_helpers(os.getpid(), threads - 1).submit(_update, *piece, *settings) for piece in others]
    _update(*mine, *settings)
    for piece in waiting:
        piece.result()


@lru_cache(maxsize=1)
def _helpers(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads that sleep between steps. They belong to one process: a forked one has to start its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="rmsprop")


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _update(
    p: np.ndarray, g: np.ndarray, v: np.ndarray, lr: np.float32, alpha: np.float32, eps: np.float32, l2: np.float32
) -> None:
    rest = np.float32(1) - alpha
    for i in range(p.size):
        gradient = g[i] + l2 * p[i]
        mean_square = alpha * v[i] + rest * gradient * gradient
        v[i] = mean_square
        p[i] -= lr * gradient / (np.sqrt(mean_square) + eps)
