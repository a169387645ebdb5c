"""RMSProp in one pass over the parameters (section 3.4)."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from love_thy_neighbors.compiled import compiled
from love_thy_neighbors.training.sparse_gradient import Factors

log = logging.getLogger(__name__)

# With a larger share of errors that are not zero the matrix product is faster (benchmarks/sparse_gradient.py).
SPARSE = 0.4
GPU = "cuda"  # tests set another


class FusedRMSprop(torch.optim.RMSprop):
    """``torch.optim.RMSprop`` with weight decay, its update done in one pass where parameters are float32 on the CPU.

        g <- g + l2 * p;    v <- alpha * v + (1 - alpha) * g^2;    p <- p - lr * g / (sqrt(v) + eps)

    PyTorch passes over the parameters once for each operation and allocates memory at every step; on a CPU that took
    longer than the arithmetic of the network. A gradient may also be given by its factors
    (`sparse_gradient.SparseGradientLinear`); each row is then summed, used and dropped. State and results equal
    PyTorch's but for rounding in the last bit. On a GPU with Triton, ``capturable`` parameters are updated by one
    kernel each (`rmsprop_gpu`). PyTorch updates all others. There is no momentum and no centring.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self._step_on_gpu():
            return loss
        if not all(_in_one_pass(p, "cpu") for group in self.param_groups for p in group["params"]):
            super().step()
            return loss
        for group in self.param_groups:
            settings: list[Any] = [np.float32(group[key]) for key in ("lr", "alpha", "eps", "weight_decay")]
            for parameter in group["params"]:
                self._update(parameter, settings)
        return loss

    def _step_on_gpu(self) -> bool:
        """A step by `rmsprop_gpu`; False, and nothing is done, if the parameters or the machine are not for it."""
        groups = self.param_groups
        fits = all(group["capturable"] and _in_one_pass(p, GPU) for group in groups for p in group["params"])
        if not fits or not _gpu_kernel_works():
            return False
        from love_thy_neighbors.training.rmsprop_gpu import update  # without CUDA there is no Triton

        for group in groups:
            for p in group["params"]:
                if p.grad is not None:
                    update(p.detach(), p.grad, self._state(p), group)
        return True

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.factors = []

    def _update(self, parameter: torch.Tensor, settings: list[Any]) -> None:
        """One parameter's update. A layer that is used twice in a step has two pairs of factors."""
        factors: list[Factors] = getattr(parameter, "factors", [])
        if len(factors) == 1 and parameter.grad is None and _are_sparse(factors[0]):
            _update_from_factors(parameter, self._mean_square(parameter), factors[0], settings)
            return
        gradients = [one.product() for one in factors]
        if parameter.grad is not None:
            gradients.append(parameter.grad)
        if gradients:
            gradient = gradients[0] if len(gradients) == 1 else torch.stack(gradients).sum(0)
            p, g, v = (_flat(t) for t in (parameter, gradient, self._mean_square(parameter)))
            _update_all(p, g, v, *settings)

    def _mean_square(self, parameter: torch.Tensor) -> torch.Tensor:
        state = self._state(parameter)
        state["step"] += 1
        return state["square_avg"]

    def _state(self, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        state = self.state[parameter]
        if not state:  # as torch.optim.RMSprop begins
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["square_avg"] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
        return state


@lru_cache(maxsize=1)
def _gpu_kernel_works() -> bool:
    try:
        from love_thy_neighbors.training import rmsprop_gpu

        rmsprop_gpu.check(torch.device(GPU))
    except Exception as error:  # Triton is missing, has no compiler, does not know the card: whatever it is
        log.info("RMSProp on the GPU is PyTorch's: %s", str(error).splitlines()[:1])
        return False
    return True


def _in_one_pass(parameter: torch.Tensor, device: str) -> bool:
    if parameter.device.type != device or parameter.dtype != torch.float32 or not parameter.is_contiguous():
        return False
    return parameter.grad is None or (parameter.grad.layout == torch.strided and parameter.grad.is_contiguous())


def _are_sparse(factors: Factors) -> bool:
    return int(factors.error.count_nonzero()) <= SPARSE * factors.error.numel()


def _flat(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().view(-1).numpy()


def _update_from_factors(
    parameter: torch.Tensor, mean_square: torch.Tensor, factors: Factors, settings: list[Any]
) -> None:
    """Update the rows of W [out, in] on torch's number of threads, each an equal share of the rows."""
    threads = min(torch.get_num_threads(), len(parameter))
    bounds = [len(parameter) * share // threads for share in range(threads + 1)]
    p, v, error, x = (t.detach().numpy() for t in (parameter, mean_square, factors.error, factors.input))
    lr, alpha, eps, l2 = settings

    def update(share: int) -> None:
        _update_rows(p, v, error, x, lr, alpha, eps, l2, bounds[share], bounds[share + 1])

    others = [_threads(threads - 1).submit(update, share) for share in range(1, threads)]
    update(0)
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _threads(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rmsprop")


@compiled(error_model="numpy")
def _update_all(
    p: np.ndarray, g: np.ndarray, v: np.ndarray, lr: np.float32, alpha: np.float32, eps: np.float32, l2: np.float32
) -> None:
    rest = np.float32(1) - alpha
    for i in range(p.size):
        gradient = g[i] + l2 * p[i]
        mean_square = alpha * v[i] + rest * gradient * gradient
        v[i] = mean_square
        p[i] -= lr * gradient / (np.sqrt(mean_square) + eps)


@compiled(error_model="numpy")
def _update_rows(
    p: np.ndarray,
    v: np.ndarray,
    error: np.ndarray,
    x: np.ndarray,
    lr: np.float32,
    alpha: np.float32,
    eps: np.float32,
    l2: np.float32,
    start: int,
    stop: int,
) -> None:
    """The update of rows ``start`` to ``stop`` of p and v [out, in] by the gradient E^T X, E [B, out] and X [B, in]."""
    gradient = np.empty(x.shape[1], np.float32)
    some = np.empty(len(x), np.int64)
    for unit in range(start, stop):
        count = 0
        for image in range(len(x)):
            if error[image, unit] != 0:
                some[count] = image
                count += 1
        gradient[:] = 0
        single = count % 4
        for place in range(single):
            a = some[place]
            for k in range(gradient.size):
                gradient[k] += error[a, unit] * x[a, k]
        for place in range(single, count, 4):  # four at once: a quarter of the passes over ``gradient``
            a, b, c, d = some[place], some[place + 1], some[place + 2], some[place + 3]
            error_a, error_b, error_c, error_d = error[a, unit], error[b, unit], error[c, unit], error[d, unit]
            for k in range(gradient.size):
                gradient[k] += error_a * x[a, k] + error_b * x[b, k] + error_c * x[c, k] + error_d * x[d, k]
        _update_all(p[unit], gradient, v[unit], lr, alpha, eps, l2)
