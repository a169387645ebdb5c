"""Who has which made-up label, tag, set and group.

All images stand on one hidden line of topics, in random order of their rows, and neighbours on the line are about the
same things. A label, tag or group has a home on the line; part of its images lie near the home and the others anywhere.
An owner has a home too, and an album is a run of one owner's images along the line. How many images each value has and
how many values each image has is fixed beforehand (see `synthetic_counts`), so both come out exactly.
"""

from dataclasses import dataclass

import numpy as np

from love_thy_neighbors.sources.synthetic.counts import images_per_value, number_of_values, spread, values_per_image

# Keeps the draws apart, so that one kind's do not depend on another's.
_PLACES, _OWNERS, _SETS, _LABELS, _TAGS, _GROUPS = range(0xFA6E0, 0xFA6E6)
_OWNER_SHARE, _OWNER_MEDIAN, _OWNER_LARGEST = 1 / 15, 5, 500  # owners an image; images of an owner
_ROUNDS = 300  # of exchanges that remove values an image has twice; 30 to 90 are needed


@dataclass(frozen=True)
class Homes:
    """How values of one kind lie on the line of topics, which has length 1.

    A share ``topical`` of a value's images lies near its home: within ``reach`` and half of ``crowd`` times the value's
    share of all entries of the kind, so that a frequent value has room. ``blur`` is how far from its own place an image
    takes values.
    """

    topical: float
    reach: float
    crowd: float
    blur: float


LABEL_HOMES = Homes(topical=0.9, reach=0.003, crowd=2, blur=0.002)
TAG_HOMES = Homes(topical=0.5, reach=0.005, crowd=3, blur=0.002)
GROUP_HOMES = Homes(topical=0.7, reach=0.01, crowd=3, blur=0.005)
OWNER_HOMES = Homes(topical=0.95, reach=0.01, crowd=2, blur=0.0)


@dataclass(frozen=True)
class Entries:
    """The values of every image: image i has ``codes[offsets[i]:offsets[i + 1]]``, increasing.

    Shapes: ``offsets`` [N + 1] and ``codes`` [E], int64; ``values`` is how many values there are.
    """

    offsets: np.ndarray
    codes: np.ndarray
    values: int


def made_up_entries(images: int, seed: int) -> tuple[dict[str, Entries], np.ndarray]:
    """Labels, tags, sets and groups of ``images`` made-up images, and the owner [N] of each.

    The same arguments give the same entries.
    """
    places = np.random.default_rng([_PLACES, seed]).permutation(images) / images
    owners = _owners(np.random.default_rng([_OWNERS, seed]), places)
    drawn = {"labels": (_LABELS, LABEL_HOMES), "tags": (_TAGS, TAG_HOMES), "groups": (_GROUPS, GROUP_HOMES)}
    entries = {}
    for kind, (number, homes) in drawn.items():
        rng = np.random.default_rng([number, seed])
        counts = rng.permutation(values_per_image(kind, images))
        entries[kind] = linked(rng, places, counts, images_per_value(kind, images), homes)
    entries["sets"] = _albums(np.random.default_rng([_SETS, seed]), places, owners)
    return entries, owners


def linked(
    rng: np.random.Generator, places: np.ndarray, counts: np.ndarray, sizes: np.ndarray, homes: Homes
) -> Entries:
    """Give image i, which is at ``places[i]``, ``counts[i]`` different values, and value v ``sizes[v]`` images.

    Every image stands on the line once for each value that it is to get, every value once for each image; the k-th of
    the one and the k-th of the other go together. Where an image gets a value twice, it exchanges one of the two with
    an image near it.

    Shapes: ``places`` and ``counts`` [N], ``sizes`` [V], with equal sums.
    """
    images, values = np.repeat(np.arange(len(counts)), counts), np.repeat(np.arange(len(sizes)), sizes)
    total = len(values)
    at = places[images] + homes.blur * rng.uniform(-1, 1, total)
    reach = homes.reach + homes.crowd / 2 * sizes / total
    near = rng.random(len(sizes))[values] + reach[values] * rng.uniform(-1, 1, total)
    wanted = np.where(rng.random(total) < homes.topical, near, rng.random(total))
    images = images[np.argsort(at, kind="stable")]
    values = values[np.argsort(wanted, kind="stable")]
    return _entries(images, _without_repeats(rng, images, values), len(counts), len(sizes))


def _without_repeats(rng: np.random.Generator, images: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values`` [E] so exchanged within the list that no (image, value) is there twice.

    In a tiny collection a few repeats may be left, which no exchange removes.
    """
    values, width = values.copy(), int(values.max()) + 1
    pairs = images * width + values
    order = np.argsort(pairs, kind="stable")
    known, made = pairs[order], np.empty(0, dtype=np.int64)  # pairs given up stay in `known`: a little too strict
    twice = order[1:][known[1:] == known[:-1]]
    for step in range(_ROUNDS):
        if not len(twice):
            break
        reach = min(len(values), 64 << step)  # near ones first: they are about the same topics
        other = np.clip(twice + rng.integers(-reach, reach + 1, len(twice)), 0, len(values) - 1)
        new = images[[twice, other]] * width + values[[other, twice]]
        good = ~(_is_in(other, np.sort(twice)) | (_is_in(new, known) | _is_in(new, made)).any(axis=0))
        good[good] = _once(other[good]) & _once(new[:, good]).all(axis=0)
        one, two = twice[good], other[good]
        values[one], values[two] = values[two], values[one]
        made = np.sort(np.concatenate([made, new[:, good].ravel()]))
        twice = twice[~good]
    return values


def _is_in(asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of ``asked`` are in the sorted ``known`` [n]; NumPy's own test is many times slower here."""
    if not len(known):
        return np.zeros(asked.shape, dtype=bool)
    return known[np.searchsorted(known, asked).clip(max=len(known) - 1)] == asked


def _once(numbers: np.ndarray) -> np.ndarray:
    """Which of ``numbers`` occur only once; of the same shape."""
    _, place, count = np.unique(numbers, return_inverse=True, return_counts=True)
    return (count[place] == 1).reshape(numbers.shape)


def _entries(images: np.ndarray, values: np.ndarray, rows: int, width: int) -> Entries:
    """The pairs (image, value) [E] by image, each once."""
    pairs = np.sort(images * width + values)
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    offsets = np.searchsorted(pairs, np.arange(rows + 1) * width)
    return Entries(offsets, pairs % width, width)


def _owners(rng: np.random.Generator, places: np.ndarray) -> np.ndarray:
    """The owner [N] of each image: some have hundreds, half of them at most five."""
    images = len(places)
    number = max(1, round(images * _OWNER_SHARE))
    sizes = spread(number, images, 1, _OWNER_MEDIAN, min(_OWNER_LARGEST, max(_OWNER_MEDIAN, images // 10)))
    return linked(rng, places, np.ones(images, dtype=np.int64), sizes, OWNER_HOMES).codes


def _albums(rng: np.random.Generator, places: np.ndarray, owners: np.ndarray) -> Entries:
    """Sets: each holds images of one owner that lie next to each other on the line.

    An image that is in k sets stands in k layers of its owner's. A layer is cut into albums: some finely, down to an
    image an album, others not at all. How fine is so chosen that the number of sets is right.
    """
    images = len(places)
    number = number_of_values("sets", images)
    # Owners differ in how many albums they put a photo in, more than the photos of one owner do.
    habit = rng.random(int(owners.max()) + 1)[owners] + 0.2 * rng.random(images)
    counts = np.empty(images, dtype=np.int64)
    counts[np.argsort(-habit, kind="stable")] = values_per_image("sets", images)
    order = np.lexsort((places, owners))
    rows = np.repeat(order, counts[order])
    layer = np.arange(len(rows)) - np.repeat(np.cumsum(counts[order]) - counts[order], counts[order])
    along = np.lexsort((layer, owners[rows]))  # stable: within a layer the images stay in their order on the line
    rows, layer = rows[along], layer[along]
    starts = np.diff(owners[rows], prepend=-1) != 0
    starts |= np.diff(layer, prepend=-1) != 0
    segment = np.cumsum(starts) - 1
    inner = np.flatnonzero(~starts)
    fine = rng.random(segment[-1] + 1)[segment[inner]] + 0.3 * rng.random(len(inner))
    cuts = max(0, number - int(starts.sum()))
    starts[inner[np.argsort(fine, kind="stable")[:cuts]]] = True
    return _entries(rows, np.cumsum(starts) - 1, images, int(starts.sum()))
