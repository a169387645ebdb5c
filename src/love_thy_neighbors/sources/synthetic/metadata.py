"""Labels, tags, sets and groups of made-up images.

All images have a place on a hidden line of topics; images near each other are about the same things. A label, tag or
group has a home on the line: part of its images are near the home, the others anywhere. An owner has a home too, and a
set (album) is a run of one owner's images along the line.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from love_thy_neighbors.paper import TABLE_1

FULL = 190_253  # images in the paper's collection, which Table 1 counts
# Seeds: the draws of one kind do not depend on those of another.
_PLACES, _OWNERS, _SETS, _LABELS, _TAGS, _GROUPS = range(0xFA6E0, 0xFA6E6)
_IMAGES_PER_OWNER = 15
_ROUNDS = 20  # of replacing values that an image has twice


@dataclass(frozen=True)
class Homes:
    """How the values of one kind are spread over the line of topics, which has length 1.

    A share ``topical`` of a value's images is near its home: within ``reach``, and within half of ``crowd`` times the
    value's share of all entries, so that a frequent value finds enough images. An image takes values from up to
    ``blur`` beside its own place.
    """

    topical: float
    reach: float
    crowd: float
    blur: float


@dataclass(frozen=True)
class Kind:
    """What Table 1 leaves open about labels, tags, sets or groups.

    An image has ``least`` to about ``most`` values, a value has at most about ``share`` of all images. With N images
    there are V (N / FULL) ** ``growth`` values: 0 keeps all values, 1 keeps the images per value.
    """

    least: int
    most: int
    growth: float
    share: float
    homes: Homes
    seed: int


# New tags and groups appear more slowly than images do (Heaps' law); albums grow as images do.
KINDS = {
    "labels": Kind(1, 13, 0, 0.36, Homes(topical=0.9, reach=0.003, crowd=2, blur=0.002), _LABELS),
    "tags": Kind(1, 80, 0.5, 0.1, Homes(topical=0.5, reach=0.005, crowd=3, blur=0.002), _TAGS),
    "groups": Kind(0, 120, 0.75, 0.1, Homes(topical=0.7, reach=0.01, crowd=3, blur=0.005), _GROUPS),
}
_OWNER_HOMES = Homes(topical=0.95, reach=0.01, crowd=2, blur=0)
_MOST_SETS = 20  # of an image


@dataclass(frozen=True)
class Entries:
    """The values of every image: image i has ``codes[offsets[i]:offsets[i + 1]]``, increasing.

    Shapes: ``offsets`` [N + 1] and ``codes`` [E], int64; ``values`` is how many values there are.
    """

    offsets: np.ndarray
    codes: np.ndarray
    values: int


def made_up_entries(images: int, seed: int) -> tuple[dict[str, Entries], np.ndarray]:
    """Labels, tags, sets and groups of ``images`` made-up images, and the owner [N] of each; always the same for the
    same arguments."""
    places = np.random.default_rng([_PLACES, seed]).permutation(images) / images
    entries = {}
    for name, kind in KINDS.items():
        rng = np.random.default_rng([kind.seed, seed])
        values, (mean, median), (_, median_per_image) = TABLE_1[name]
        total = _scaled(values * mean, images)
        per_image = long_tailed(images, total, total / images / median_per_image, kind.least, kind.most)
        number = number_of_values(name, images)
        per_value = long_tailed(number, total, mean / median, 1, kind.share * images)
        entries[name] = linked(rng, places, rng.permutation(per_image), per_value, kind.homes)
    rng = np.random.default_rng([_OWNERS, seed])
    owned = long_tailed(max(1, images // _IMAGES_PER_OWNER), images, 3, 1, max(_IMAGES_PER_OWNER, images / 100))
    owners = linked(rng, places, np.ones(images, dtype=np.int64), owned, _OWNER_HOMES).codes
    entries["sets"] = _albums(np.random.default_rng([_SETS, seed]), places, owners)
    return entries, owners


def number_of_values(name: str, images: int) -> int:
    """How many labels, tags, sets or groups a collection of ``images`` has."""
    growth = KINDS[name].growth if name in KINDS else 1
    return max(1, round(TABLE_1[name][0] * (images / FULL) ** growth))


def _scaled(count: float, images: int) -> int:
    return round(count * images / FULL)


def long_tailed(number: int, total: int, skew: float, least: int, most: float) -> np.ndarray:
    """``number`` counts that add up to ``total``, the largest first: quantiles of a log-normal law with mean / median =
    ``skew``, cut at about ``most``, and none below ``least``."""
    sigma = np.sqrt(2 * np.log(max(skew, 1.01)))
    weights = np.exp(-sigma * ndtri((np.arange(number) + 0.5) / number))
    weights = np.minimum(weights / weights.mean(), most * number / total)
    counts = least + (weights * ((total - least * number) / weights.sum())).astype(np.int64)
    counts[: total - counts.sum()] += 1
    return counts


def linked(
    rng: np.random.Generator, places: np.ndarray, per_image: np.ndarray, per_value: np.ndarray, homes: Homes
) -> Entries:
    """Give image i, which is at ``places[i]``, ``per_image[i]`` values, and value v about ``per_value[v]`` images.

    Two lists have the same length E: each image once for each of its values, and each value once for each of its
    images, both sorted along the line. Entry k of the one list gets entry k of the other. If an image gets a value
    twice, one of the two is replaced by a value from nearby, in each round from a wider neighbourhood. Every value
    keeps an image.

    Shapes: ``places`` and ``per_image`` [N], ``per_value`` [V]; both counts have the same sum E.
    """
    images, values = np.repeat(np.arange(len(per_image)), per_image), np.repeat(np.arange(len(per_value)), per_value)
    total = len(values)
    at = places[images] + homes.blur * rng.uniform(-1, 1, total)
    reach = homes.reach + homes.crowd / 2 * per_value / total
    near = rng.random(len(per_value))[values] + reach[values] * rng.uniform(-1, 1, total)
    wanted = np.where(rng.random(total) < homes.topical, near, rng.random(total))
    images = images[np.argsort(at, kind="stable")]
    values = values[np.argsort(wanted, kind="stable")]
    for step in range(_ROUNDS):
        pairs = images * len(per_value) + values
        order = np.argsort(pairs, kind="stable")
        twice = order[1:][pairs[order[1:]] == pairs[order[:-1]]]
        if not len(twice):
            break
        distance = min(total, 64 << step)
        values[twice] = values[np.clip(twice + rng.integers(-distance, distance + 1, len(twice)), 0, total - 1)]
    return _entries(images, values, len(per_image), len(per_value))


def _entries(images: np.ndarray, values: np.ndarray, rows: int, width: int) -> Entries:
    """The pairs (image, value) [E], sorted, each once."""
    pairs = np.sort(images * width + values)
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    return Entries(np.searchsorted(pairs, np.arange(rows + 1) * width), pairs % width, width)


def _albums(rng: np.random.Generator, places: np.ndarray, owners: np.ndarray) -> Entries:
    """Sets: runs of one owner's images along the line of topics.

    An image in k sets is in k layers of its owner. Some layers are cut into many short runs, down to one image, others
    into few. The number of cuts gives the number of sets.
    """
    images = len(places)
    values, (mean, _), (per_image, median) = TABLE_1["sets"]
    counts = long_tailed(images, _scaled(values * mean, images), per_image / median, 0, _MOST_SETS)
    # Owners differ in how many sets they put a photo in, more than the photos of one owner do.
    habit = rng.random(int(owners.max()) + 1)[owners] + 0.2 * rng.random(images)
    sets_of = np.empty(images, dtype=np.int64)
    sets_of[np.argsort(-habit, kind="stable")] = counts
    order = np.lexsort((places, owners))
    rows = np.repeat(order, sets_of[order])
    layer = np.arange(len(rows)) - np.repeat(np.cumsum(sets_of[order]) - sets_of[order], sets_of[order])
    along = np.lexsort((layer, owners[rows]))  # stable: within a layer the images stay in their order on the line
    rows, layer = rows[along], layer[along]
    starts = (np.diff(owners[rows], prepend=-1) != 0) | (np.diff(layer, prepend=-1) != 0)
    inner = np.flatnonzero(~starts)
    fineness = rng.random(int(starts.sum()))[np.cumsum(starts)[inner] - 1] + 0.3 * rng.random(len(inner))
    cuts = max(0, number_of_values("sets", images) - int(starts.sum()))
    starts[inner[np.argsort(fineness, kind="stable")[:cuts]]] = True
    return _entries(rows, np.cumsum(starts) - 1, images, int(starts.sum()))
