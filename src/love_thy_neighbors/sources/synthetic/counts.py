"""How many images each made-up value has, and how many values each made-up image: the paper's Table 1 as sequences of
whole numbers."""

from dataclasses import dataclass

import numpy as np

from love_thy_neighbors.paper import TABLE_1

FULL = 190_253  # images in the paper's collection, which Table 1 counts


@dataclass(frozen=True)
class Law:
    """What Table 1 leaves open about one kind of value: labels, tags, sets or groups.

    ``least`` and ``most`` are numbers of values that an image has. With fewer images the number of values shrinks with
    their number to the power ``growth``: 0 keeps all values, 1 keeps images per value. ``smallest`` and ``largest`` are
    numbers of images that a value has at full size, and no value has more than ``share`` of the images; sets have none
    of the three, since how an owner's photos are cut into albums decides their sizes.
    """

    least: int
    most: int
    growth: float
    smallest: int = 1
    largest: int = 1
    share: float = 1


# Labels go from 53 images (map) to 68,000. New tags and groups turn up more slowly than images do (Heaps' law), while
# albums are as many more as there are images.
LAWS = {
    "labels": Law(least=1, most=13, growth=0, smallest=53, largest=68_000, share=0.5),
    "tags": Law(least=1, most=80, growth=0.5, smallest=45, largest=17_000, share=0.2),
    "sets": Law(least=0, most=20, growth=1),
    "groups": Law(least=0, most=120, growth=0.75, smallest=1, largest=20_000, share=0.2),
}


def number_of_values(kind: str, images: int) -> int:
    """How many labels, tags, sets or groups a collection of ``images`` has: V (images / FULL) ** growth."""
    return max(1, round(TABLE_1[kind][0] * (images / FULL) ** LAWS[kind].growth))


def images_per_value(kind: str, images: int) -> np.ndarray:
    """Counts [V] of the images that each label, tag or group has, the largest first.

    At `FULL` their mean and median are those of Table 1; with fewer images they fall as values get fewer, not below 1.
    """
    law, (_, (_, median), _) = LAWS[kind], TABLE_1[kind]
    fewer = (images / FULL) ** (1 - law.growth)
    smallest, middle, largest = (max(1, round(count * fewer)) for count in (law.smallest, median, law.largest))
    largest = max(middle, min(largest, int(law.share * images)))
    return spread(number_of_values(kind, images), _total(kind, images), smallest, middle, largest)


def values_per_image(kind: str, images: int) -> np.ndarray:
    """Counts [N] of the labels, tags, sets or groups that each of N = ``images`` has, the largest first.

    Their mean and median are those of Table 1 whatever ``images`` is.
    """
    law, (_, _, (_, median)) = LAWS[kind], TABLE_1[kind]
    return spread(images, _total(kind, images), law.least, round(median), law.most)


def _total(kind: str, images: int) -> int:
    values, (mean, _), _ = TABLE_1[kind]
    return round(values * mean * images / FULL)


def spread(number: int, total: int, smallest: int, middle: int, largest: int) -> np.ndarray:
    """``number`` counts from ``largest`` over ``middle`` down to ``smallest`` that add up to ``total``.

    The k-th largest is, for k up to the middle rank h = (number + 1) // 2,

        1 + count = (1 + largest) * ((1 + middle) / (1 + largest)) ** x, where x = (log k / log h) ** p

    p = 1 is Zipf's law; p is so chosen that the sum is right. From h on counts fall geometrically. What rounding leaves
    over goes to those after the largest. Where ``total`` cannot be had like this, the largest and the middle give way;
    raises `ValueError` if it cannot be had at all.

    Shapes: [number] int64, not increasing but for that last correction.
    """
    if total < number * smallest:
        raise ValueError(f"{number} counts of {smallest} or more do not add up to {total}")
    upper = (number + 1) // 2
    x = np.log(np.arange(1, upper + 1)) / np.log(max(2, upper))
    top, mid, bottom = np.log1p([largest, middle, smallest])
    below = np.linspace(mid, bottom, number - upper + 1)[1:]

    def counts(p: float) -> np.ndarray:
        curve = np.concatenate([top + (mid - top) * x**p, below])
        return np.rint(np.expm1(curve)).astype(np.int64)

    low, high = 1e-3, 1e3
    for _ in range(40):  # the sum grows with p
        p = (low * high) ** 0.5
        low, high = (p, high) if counts(p).sum() <= total else (low, p)
    return _settled(counts(low), total, smallest, middle, largest)


def _settled(counts: np.ndarray, total: int, smallest: int, middle: int, largest: int) -> np.ndarray:
    """``counts`` with the sum ``total``: those between the largest and the median are changed by 1, as often as needed,
    and the others only if that is not enough."""
    inner = slice(1, (len(counts) + 1) // 2)
    while gap := total - int(counts.sum()):
        room = np.flatnonzero(counts[inner] < largest if gap > 0 else counts[inner] > middle) + 1
        if not len(room):
            room = np.flatnonzero(counts > smallest) if gap < 0 else np.arange(len(counts))
        counts[room[: abs(gap)]] += np.sign(gap)
    return counts
