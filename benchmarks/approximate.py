"""Recall and time of approximate neighbours by tags: python benchmarks/approximate.py [--images ...].

Two methods choose candidates instead of comparing all pairs of images; the candidates are ranked by exact Jaccard
similarity:

- *rarest*: looks up a query's tags in the inverted index, the rarest first, until they have C images in total (but at
  least one tag). So the work per query does not grow with the number of images.
- *MinHash*: images are candidates if one of b bands of r hash minima is equal, at most CAP per band. Two images of
  similarity s have an equal band with probability s ** r.

The tags are made up (counts as in the paper's Table 1, the tau most frequent); smaller collections are random parts of
the largest one. So the vocabulary is fixed, as in the paper, and posting lists grow with the number of images. Queries
are a sample of the images. Recall at k is the share of the first k entries of the exact list that the approximate list
has; images with the similarity of the k-th count as equal, because ties are frequent. Times are of one core, scaled
up from the sample to all images; the tables of bands are built for all images. Exact lists come from
`nearest_by_jaccard`. Prints tables, and at the end one line of JSON.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numba
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import sparse

sys.path.insert(0, str(Path(__file__).parent))
from jaccard import most_frequent

from love_thy_neighbors.neighbors.jaccard import nearest_by_jaccard
from love_thy_neighbors.sources.synthetic.metadata import made_up_entries

SAMPLE, DEPTH, CAP = 2_000, 20, 500
TIMED = 5  # the exact list of every 5th image is timed
LIMITS = (1_000, 4_000, 16_000, 64_000)  # C
BANDS = ((32, 1), (32, 2), (64, 2), (128, 3), (256, 3))  # (b, r)


def made_up_tags(images: int, tau: int) -> sparse.csr_matrix:
    tags = made_up_entries(images, seed=0)[0]["tags"]
    ones = np.ones(len(tags.codes), dtype=np.uint8)
    return most_frequent(sparse.csr_matrix((ones, tags.codes, tags.offsets), shape=(images, tags.values)), tau)


@numba.njit(cache=True)
def similarity(indptr: np.ndarray, indices: np.ndarray, a: int, b: int) -> float:
    """Jaccard similarity of two rows with sorted values."""
    i, j, shared = indptr[a], indptr[b], 0
    while i < indptr[a + 1] and j < indptr[b + 1]:
        if indices[i] == indices[j]:
            shared, i, j = shared + 1, i + 1, j + 1
        elif indices[i] < indices[j]:
            i += 1
        else:
            j += 1
    union = indptr[a + 1] - indptr[a] + indptr[b + 1] - indptr[b] - shared
    return shared / union if union else 0.0


@numba.njit(cache=True)
def consider(
    best: np.ndarray, marked: np.ndarray, size: int, indptr: np.ndarray, indices: np.ndarray, image: int
) -> None:
    """Insert the similarity of an image to the query, whose ``size`` values are ``marked``, into the best [depth].

    Two images are at most (smaller size) / (larger size) similar, which rejects most images at once.
    """
    values = indices[indptr[image] : indptr[image + 1]]
    if min(size, len(values)) <= best[-1] * max(size, len(values)):
        return
    shared = 0
    for value in values:
        shared += marked[value]
    similar = shared / (size + len(values) - shared)
    if similar > best[-1]:
        place = len(best) - 1
        while place > 0 and best[place - 1] < similar:
            best[place] = best[place - 1]
            place -= 1
        best[place] = similar


@numba.njit(cache=True)
def by_rarest(indptr, indices, starts, postings, queries, limit, depth):  # type: ignore[no-untyped-def]
    """Similarities [Q, depth] of the best candidates, descending, and the number of candidates [Q]."""
    best, looked = np.zeros((len(queries), depth)), np.zeros(len(queries), np.int64)
    seen, marked = np.full(len(indptr) - 1, -1, np.int32), np.zeros(indices.max() + 1, np.uint8)
    for q in range(len(queries)):
        query = queries[q]
        values = indices[indptr[query] : indptr[query + 1]]
        marked[values] = 1
        lengths = starts[values + 1] - starts[values]
        entries = 0
        for place in np.argsort(lengths):
            if entries > 0 and entries + lengths[place] > limit:
                break
            entries += lengths[place]
            for image in postings[starts[values[place]] : starts[values[place] + 1]]:
                if seen[image] != q and image != query:
                    seen[image] = q
                    looked[q] += 1
                    consider(best[q], marked, len(values), indptr, indices, image)
        marked[values] = 0
    return best, looked


@numba.njit(cache=True)
def band_keys(indptr, indices, hashes, r):  # type: ignore[no-untyped-def]
    """Keys [b, N] of the bands: ``hashes`` [b * r, T] random numbers for the values; 0 for an image without values."""
    images, bands = len(indptr) - 1, len(hashes) // r
    keys = np.zeros((bands, images), np.uint64)
    for band in range(bands):
        for image in range(images):
            if indptr[image] == indptr[image + 1]:
                continue
            key = np.uint64(1469598103934665603)
            for row in hashes[band * r : band * r + r]:
                least = row[indices[indptr[image]]]
                for value in indices[indptr[image] + 1 : indptr[image + 1]]:
                    least = min(least, row[value])
                key = (key ^ np.uint64(least)) * np.uint64(1099511628211)
            keys[band, image] = key
    return keys


@numba.njit(cache=True)
def by_bands(indptr, indices, keys, ordered, order, queries, cap, depth):  # type: ignore[no-untyped-def]
    """Like `by_rarest`; ``ordered`` [b, N] are the sorted ``keys`` [b, N] and ``order`` [b, N] their images."""
    best, looked = np.zeros((len(queries), depth)), np.zeros(len(queries), np.int64)
    seen, marked = np.full(len(indptr) - 1, -1, np.int32), np.zeros(indices.max() + 1, np.uint8)
    for q in range(len(queries)):
        query = queries[q]
        values = indices[indptr[query] : indptr[query + 1]]
        if len(values) == 0:
            continue
        marked[values] = 1
        for band in range(len(keys)):
            key = keys[band, query]
            first = np.searchsorted(ordered[band], key)
            for place in range(first, min(first + cap, len(order[band]))):
                if ordered[band, place] != key:
                    break
                image = order[band, place]
                if seen[image] != q and image != query:
                    seen[image] = q
                    looked[q] += 1
                    consider(best[q], marked, len(values), indptr, indices, image)
        marked[values] = 0
    return best, looked


def recall(best: np.ndarray, exact: np.ndarray, k: int) -> float:
    """The share of entries of ``best`` that reach the k-th exact similarity, over queries that have neighbours.

    Shapes: both [Q, depth], similarities in descending order, 0 where there is no neighbour.
    """
    there = np.minimum((exact > 0).sum(axis=1), k)
    last = exact[np.arange(len(exact)), np.maximum(there, 1) - 1]
    right = np.minimum(((best >= last[:, None]) & (best > 0)).sum(axis=1), there)
    return float((right / np.maximum(there, 1))[there > 0].mean())


def exact_lists(tags: sparse.csr_matrix, queries: np.ndarray) -> tuple[np.ndarray, float]:
    """Similarities of the exact lists [Q, depth], and core-seconds for all images, estimated from a part of them."""
    rows = np.arange(tags.shape[0])

    def timed(queries: np.ndarray) -> float:
        since = time.process_time()
        nearest_by_jaccard(tags, queries, rows, DEPTH, threads=1)
        return time.process_time() - since

    index = min(timed(rows[:1]) for _ in range(2))  # the part that does not depend on the number of queries
    taken = index + (timed(rows[::TIMED]) - index) * TIMED
    found = np.zeros((len(queries), DEPTH))
    for q, nearest in enumerate(nearest_by_jaccard(tags, queries, rows, DEPTH)):
        for place, image in enumerate(nearest[nearest >= 0]):
            found[q, place] = similarity(tags.indptr, tags.indices, queries[q], image)
    return found, taken


def measured(tags: sparse.csr_matrix, queries: np.ndarray) -> dict[str, list[float]]:
    """For each method: core-seconds for all images, candidates per query, recall at 6 and at 20."""
    images = tags.shape[0]
    exact, taken = exact_lists(tags, queries)
    found = {"exact": [taken, float(images), 1.0, 1.0]}

    def note(name: str, built: float, since: float, best: np.ndarray, looked: np.ndarray) -> None:
        taken = built + (time.process_time() - since) / len(queries) * images
        found[name] = [taken, float(looked.mean()), recall(best, exact, 6), recall(best, exact, 20)]

    index = tags.tocsc()
    rows, columns = tags.indptr, tags.indices
    starts, postings = index.indptr, index.indices
    for limit in LIMITS:
        since = time.process_time()
        note(f"rarest, C = {limit:,}", 0, since, *by_rarest(rows, columns, starts, postings, queries, limit, DEPTH))
    for b, r in BANDS:
        since = time.process_time()
        hashes = np.random.default_rng(0).integers(0, 2**63, (b * r, tags.shape[1]), dtype=np.uint64)
        keys = band_keys(rows, columns, hashes, r)
        order = np.argsort(keys, axis=1)
        ordered = np.take_along_axis(keys, order, axis=1)
        built, since = time.process_time() - since, time.process_time()
        found_by_bands = by_bands(rows, columns, keys, ordered, order, queries, CAP, DEPTH)
        note(f"MinHash, b = {b}, r = {r}", built, since, *found_by_bands)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[50_000, 100_000, 200_000, 400_000])
    parser.add_argument("--tau", type=int, default=5_000, help="how many tags, the most frequent, count")
    asked = parser.parse_args()
    console, rng, results = Console(width=120), np.random.default_rng(1), []
    every = made_up_tags(max(asked.images), asked.tau)
    measured(every[:3_000], np.arange(10))  # compiles
    for images in asked.images:
        tags = every[np.sort(rng.choice(every.shape[0], images, replace=False))]
        queries = np.sort(rng.choice(images, min(SAMPLE, images), replace=False))
        results.append(measured(tags, queries))
        table = Table(title=f"{images:,} images, {tags.nnz / images:.1f} of {tags.shape[1]:,} tags an image; one core")
        for place, heading in enumerate(("", "core-seconds", "candidates", "recall at 6", "recall at 20")):
            table.add_column(heading, justify="right" if place else "left")
        for name, (taken, looked, *recalls) in results[-1].items():
            table.add_row(name, f"{taken:,.1f}", f"{looked:,.0f}", *(f"{one:.3f}" for one in recalls))
        console.print(table)
    shown: dict[str, object] = {"images": asked.images}
    for name in results[0]:
        columns = [[round(number, 3) for number in one] for one in zip(*(each[name] for each in results), strict=True)]
        shown[name] = dict(zip(("core_s", "candidates", "recall_6", "recall_20"), columns, strict=True))
        if len(results) > 1:
            shown[name]["exponent"] = round(float(np.polyfit(np.log(asked.images), np.log(columns[0]), 1)[0]), 2)  # type: ignore[index]
            print(f"{name}: core-seconds grow with images to the power {shown[name]['exponent']}")  # type: ignore[index]
    print(json.dumps(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
