"""The learning rate of an epoch, as a share of ``lr``."""

from collections.abc import Callable
from math import cos, pi


def constant(epoch: int, epochs: int) -> float:
    """1 in every epoch, as in the paper (section 3.4)."""
    return 1.0


def cosine(epoch: int, epochs: int) -> float:
    """(1 + cos(pi * epoch / epochs)) / 2: 1 in epoch 0, near 0 in the last one (Loshchilov and Hutter 2017).

    >>> [round(cosine(epoch, 4), 2) for epoch in range(4)]
    [1.0, 0.85, 0.5, 0.15]
    """
    return (1 + cos(pi * min(epoch, epochs) / epochs)) / 2


SCHEDULES: dict[str, Callable[[int, int], float]] = {"constant": constant, "cosine": cosine}
