"""Means over splits, and paired differences with an interval that knows that random splits overlap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.stats import t

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """Mean and sample standard deviation (divisor n - 1; None for one value) of n values."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """The estimate from one value a split. Raises ValueError without a value."""
        if not values:
            raise ValueError("an estimate needs a value")
        return cls(mean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Difference:
    """Mean paired difference over n splits with its 95 % interval, and on how many splits it is above zero.

    ``low`` and ``high`` are None for one split, which gives no interval.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    above: int


def paired_difference(
    ours: Mapping[int, float], theirs: Mapping[int, float], test_per_train: float
) -> Difference | None:
    """The difference ``ours - theirs`` over the splits that both have, or None if they share none.

    Corrected resampled t-test (Nadeau and Bengio, Inference for the Generalization Error, 2003): the training and test
    sets of random splits overlap, so the differences d_i are not independent, and s^2 / n is too small a variance. With

        variance of the mean = (1 / n + n_test / n_train) * s^2,        t with n - 1 degrees of freedom,

    the interval is mean +- t * sqrt(variance).

    Args:
        ours, theirs: a figure for each split number.
        test_per_train: n_test / n_train, test images for each training image.
    """
    splits = sorted(ours.keys() & theirs.keys())
    if not splits:
        return None
    differences = [ours[split] - theirs[split] for split in splits]
    n, center, above = len(splits), mean(differences), sum(difference > 0 for difference in differences)
    if n == 1:
        return Difference(center, None, None, n, above)
    half = t.ppf((1 + CONFIDENCE) / 2, n - 1) * stdev(differences) * sqrt(1 / n + test_per_train)
    return Difference(center, center - float(half), center + float(half), n, above)
