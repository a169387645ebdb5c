"""A linear layer that keeps its weight gradient as a product that is not multiplied out.

    dL/dW = E^T X,   E [B, out] the gradient of the layer's output, X [B, in] its input

Most entries of E are zero: of m neighbours only one gives a hidden unit's maximum, and dropout keeps half of the units.
`rmsprop.FusedRMSprop` adds up only the entries that are not zero, one row of the gradient at a time, in the processor's
cache. A full matrix product would write 8 MB a tower, which the optimiser would read again.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Factors(NamedTuple):
    """The factors of a gradient E^T X. Shapes: E [B, out], X [B, in]."""

    error: Tensor
    input: Tensor

    def product(self) -> Tensor:
        """The gradient itself [out, in]."""
        return self.error.t() @ self.input


class SparseGradientLinear(nn.Linear):
    """``nn.Linear`` whose backward pass appends `Factors` to ``weight.factors`` and leaves ``weight.grad`` None."""

    def forward(self, x: Tensor) -> Tensor:
        """x W^T + b. Shapes: x [..., in] -> [..., out]."""
        if torch.is_grad_enabled():
            return _KeepFactors.apply(x, self.weight, self.bias)
        return super().forward(x)


def keep_gradients_sparse(model: nn.Module) -> None:
    """Make every ``nn.Linear`` of a model a `SparseGradientLinear`; its parameters and their names stay.

    ``weight.grad`` is None then. So this is not for a run that clips gradients or sums them over processes.
    """
    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = SparseGradientLinear


class _KeepFactors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight, ctx.has_bias = weight, bias is not None
        return nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        (x,), weight = ctx.saved_tensors, ctx.weight
        factors = Factors(error.flatten(0, -2).contiguous(), x.flatten(0, -2).contiguous())
        weight.factors = [*getattr(weight, "factors", ()), factors]
        of_input = error @ weight if ctx.needs_input_grad[0] else None
        return of_input, None, factors.error.sum(0) if ctx.has_bias else None
