"""Values that a checkpoint may hold in place of others; see `damaged_values.ODD`."""

from collections.abc import Callable
from typing import Any

import torch
from damaged_values import ODD

ODD_TENSORS: tuple[Callable[[], Any], ...] = (
    *ODD,
    lambda: (1, "a"),
    lambda: {7: {}},
    lambda: torch.zeros(()),
    lambda: torch.zeros(0),
    lambda: torch.zeros(8, 16),
    lambda: torch.zeros(8, 16, dtype=torch.int64),
    lambda: torch.zeros(8, 16, dtype=torch.complex64),
    lambda: torch.zeros(8, 16, dtype=torch.float16),
    lambda: torch.zeros(1).expand(10**6, 10**6),  # a single number that stands for a trillion
    lambda: torch.zeros(1).expand(8, 16),
    lambda: torch.zeros(16, 8).T,
    lambda: torch.eye(8).to_sparse(),
    lambda: torch.full((8, 16), float("nan")),
    lambda: torch.nn.Parameter(torch.zeros(8)),
)
