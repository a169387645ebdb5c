"""A linear layer whose weight gradient may stay what it is made of, for an optimiser that needs no more.

    dL/dW = E^T X,   E [B, out] the gradient of the layer's output, X [B, in] its input

Dropout, ReLU and the maximum over a neighborhood let most errors be zero: of m neighbours one gives a hidden unit's
maximum, of those units dropout keeps half. `rmsprop.FusedRMSprop` sums up what is not zero, and uses it while it is in
the processor's cache. The matrix product, blind to zeros, would write 8 MB a tower that the optimiser then reads again.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Factors(NamedTuple):
    """A gradient E^T X that nobody has multiplied out. Shapes: E [B, out], X [B, in]."""

    error: Tensor
    input: Tensor

    def product(self) -> Tensor:
        """The gradient itself [out, in]."""
        return self.error.t() @ self.input


class FactoredLinear(nn.Linear):
    """``nn.Linear``, but backward leaves `Factors` in ``weight.factors``, a list, and ``weight.grad`` None."""

    def forward(self, x: Tensor) -> Tensor:
        """x W^T + b. Shapes: x [..., in] -> [..., out]."""
        if torch.is_grad_enabled():
            return _KeepFactors.apply(x, self.weight, self.bias)
        return super().forward(x)


def keep_factors(model: nn.Module) -> None:
    """Make every ``nn.Linear`` of a model a `FactoredLinear`; its parameters and their names stay.

    Whoever looks for gradients (clipping, DDP) finds none then, so it is for a training loop to call that knows who
    looks.
    """
    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = FactoredLinear


class _KeepFactors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight = weight
        return nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, None, Tensor]:
        (x,), weight = ctx.saved_tensors, ctx.weight
        factors = Factors(error.flatten(0, -2).contiguous(), x.flatten(0, -2).contiguous())
        weight.factors = [*getattr(weight, "factors", ()), factors]
        return error @ weight if ctx.needs_input_grad[0] else None, None, factors.error.sum(0)
