"""Losses of label scores (section 3.4, and Ridnik et al. 2021), each a sum over labels and a mean over images."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

Loss = Callable[[Tensor, Tensor], Tensor]

EXPONENT, CLIP = 2, 0.05  # gamma- and the probability margin; gamma+ is 0


def logistic(scores: Tensor, y: Tensor) -> Tensor:
    """Mean over images of  sum over labels of  log(1 + exp(-(2y - 1) s))  (section 3.4).

    Shapes: scores [B, L], y [B, L] of zeros and ones -> a number.
    """
    return binary_cross_entropy_with_logits(scores, y, reduction="sum") / len(scores)


def asymmetric(scores: Tensor, y: Tensor) -> Tensor:
    """Mean over images of  sum over labels of  -y log(p) - (1 - y) w log(1 - q)  (Ridnik et al. 2021).

    Not in the paper. p = 1 / (1 + exp(-s)), q = max(p - 0.05, 0) and w = q^2, through which no gradient flows. A label
    that an image does not have counts little if its probability is low, and not at all if that is below 0.05.

    Shapes: as `logistic`.
    """
    q = (torch.sigmoid(scores) - CLIP).clamp(min=0)
    present, absent = -logsigmoid(scores), -torch.log1p(-q)
    return (y * present + (1 - y) * q.detach() ** EXPONENT * absent).sum() / len(scores)


LOSSES: dict[str, Loss] = {"logistic": logistic, "asymmetric": asymmetric}
