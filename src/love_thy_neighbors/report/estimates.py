"""Means over splits, and paired differences with a confidence interval that allows for overlapping splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.stats import t

from love_thy_neighbors.paper import Estimate

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """Mean paired difference over n splits, its 95 % interval, and the number of splits where it is above zero.

    One split has no interval: ``low`` and ``high`` are None.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    above: int


def estimate_of(values: Sequence[float]) -> Estimate:
    """The estimate from one value per split. Raises `statistics.StatisticsError` (a ValueError) without a value."""
    return Estimate(mean(values), stdev(values) if len(values) > 1 else None, len(values))


def paired_difference(
    ours: Mapping[int, float], theirs: Mapping[int, float], test_per_train: float
) -> Difference | None:
    """The difference ``ours - theirs`` over the splits that both have; None without a common split.

    Corrected resampled t-test (Nadeau and Bengio, Inference for the Generalization Error, 2003): the training and test
    sets of random splits overlap, so the differences d_i are not independent, and s^2 / n is too small a variance. With

        variance of the mean = (1 / n + n_test / n_train) * s^2,        t with n - 1 degrees of freedom,

    the interval is mean +- t * sqrt(variance). ``ours`` and ``theirs`` have a value for each split number;
    ``test_per_train`` is n_test / n_train.
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
