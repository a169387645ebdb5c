"""The time of exact neighbours by metadata: python benchmarks/jaccard.py [--images 110000 --tau 5000].

Searches the neighbours of all images of a made-up collection (counts as in the paper's Table 1: 14.2 tags per image,
of which the tau most frequent count; half the images of a tag are near its topic) with `nearest_by_jaccard`, with
sparse-dot-topn, and with SciPy's product of sparse matrices on a sample of blocks; scikit-learn and usearch search a
smaller sample. Times of samples are scaled up. Then the same for sets, groups and the embedded collection. Compilation
is not counted. Samples of our lists are compared with brute force. Prints tables, and last one line of JSON, where
``scipy_s`` is the time of the products only. Exits with status 1 if a list is not exact.

``--growth`` measures instead how our time and memory grow with the number of images.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from sparse_dot_topn import sp_matmul_topn
from usearch import index as usearch

from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.neighbors.jaccard import nearest_by_jaccard
from love_thy_neighbors.neighbors.vocabularies import top_vocabulary
from love_thy_neighbors.sources.synthetic.metadata import made_up_entries

ROOT = Path(__file__).resolve().parents[1]
CORES = len(os.sched_getaffinity(0))
REPEATS, OTHER_REPEATS = 3, 2  # runs of ours and of sparse-dot-topn, in turns; the shortest counts
CHECKED = 200  # queries compared with brute force
BLOCK = 1_000  # queries per product with SciPy
SCIPY_SHARE, USEARCH_QUERIES, SKLEARN_QUERIES, SKLEARN_IMAGES = 0.1, 300, 2, 10_000

# Runs in a separate process, so that its peak memory is that of the interpreter, the metadata and the search.
SEARCH = """
import sys, time
import numpy as np
from scipy import sparse
from love_thy_neighbors.neighbors.jaccard import nearest_by_jaccard
metadata, depth = sparse.load_npz(sys.argv[1]), int(sys.argv[2])
few, rows = np.arange(min(100, metadata.shape[0])), np.arange(metadata.shape[0])
nearest_by_jaccard(metadata, few, few, depth)
started, used = time.monotonic(), time.process_time()
nearest_by_jaccard(metadata, rows, rows, depth)
print(time.monotonic() - started, time.process_time() - used)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def made_up(images: int, tau: int) -> dict[str, sparse.csr_matrix]:
    """The tau most frequent tags, the sets and the groups of a made-up collection."""
    found = {}
    for kind, entries in made_up_entries(images, seed=0)[0].items():
        ones = np.ones(len(entries.codes), dtype=np.uint8)
        found[kind] = sparse.csr_matrix((ones, entries.codes, entries.offsets), shape=(images, entries.values))
    return {"tags": most_frequent(found["tags"], tau), "sets": found["sets"], "groups": found["groups"]}


def most_frequent(tags: sparse.csr_matrix, tau: int) -> sparse.csr_matrix:
    return tags[:, top_vocabulary(tags, np.arange(tags.shape[0]), tau)]


def seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


def ours(metadata: sparse.csr_matrix, depth: int) -> np.ndarray:
    rows = np.arange(metadata.shape[0])
    return nearest_by_jaccard(metadata, rows, rows, depth)


def topn(metadata: sparse.csr_matrix, depth: int) -> sparse.csr_matrix:
    """The images that share most values, including the image itself: not the nearest by Jaccard distance."""
    counts = metadata.astype(np.float32)
    return sp_matmul_topn(counts, counts.T.tocsr(), top_n=depth + 1, n_threads=CORES)


def both(metadata: sparse.csr_matrix, depth: int, repeats: int) -> tuple[float, float]:
    """The shortest times in seconds of ours and of sparse-dot-topn, which run in turns."""
    few = metadata[:100]
    ours(few, depth), topn(few, depth)
    times = [(seconds(lambda: ours(metadata, depth)), seconds(lambda: topn(metadata, depth))) for _ in range(repeats)]
    least = np.min(times, axis=0)
    return float(least[0]), float(least[1])


def scipy_seconds(metadata: sparse.csr_matrix, depth: int, share: float) -> tuple[float, float]:
    """Seconds of the products, and of products and lists, from a share of the blocks."""
    counts, sizes = metadata.astype(np.float32), np.diff(metadata.indptr)
    transposed = counts.T.tocsr()
    starts = np.arange(0, len(sizes), BLOCK)
    sample = starts[:: max(1, round(1 / share))]
    products = lists = 0.0
    for start in sample:
        began = time.monotonic()
        shared = counts[start : start + BLOCK] @ transposed
        products += time.monotonic() - began
        queries = np.repeat(np.arange(start, start + shared.shape[0]), np.diff(shared.indptr))
        similar = shared.data / (sizes[queries] + sizes[shared.indices] - shared.data)
        for first, stop in zip(shared.indptr[:-1], shared.indptr[1:], strict=True):
            if stop - first > depth:
                shared.indices[first + np.argpartition(-similar[first:stop], depth)[: depth + 1]]
        lists += time.monotonic() - began
    scale = len(starts) / len(sample)
    return products * scale, lists * scale


def usearch_seconds(metadata: sparse.csr_matrix, depth: int, sample: np.ndarray) -> float:
    packed = np.vstack(
        [np.packbits(metadata[i : i + 10_000].toarray() > 0, axis=1) for i in range(0, metadata.shape[0], 10_000)]
    )
    tanimoto = usearch.MetricKind.Tanimoto

    def search(queries: np.ndarray) -> object:
        return usearch.search(packed, packed[queries], depth + 1, metric=tanimoto, exact=True, threads=CORES)

    search(sample[:2])
    return seconds(lambda: search(sample)) * metadata.shape[0] / len(sample)


def sklearn_seconds(metadata: sparse.csr_matrix, depth: int) -> float:
    dense = metadata[:SKLEARN_IMAGES].toarray() > 0
    fitted = NearestNeighbors(n_neighbors=depth + 1, algorithm="brute", metric="jaccard", n_jobs=CORES).fit(dense)
    share = SKLEARN_QUERIES / metadata.shape[0] * len(dense) / metadata.shape[0]
    return seconds(lambda: fitted.kneighbors(dense[:SKLEARN_QUERIES])) / share


def brute_force(metadata: sparse.csr_matrix, queries: np.ndarray, depth: int) -> np.ndarray:
    """Lists from all pairs; different fractions of such small numbers are different as doubles too."""
    sizes = np.diff(metadata.indptr).astype(np.int64)
    shared = (metadata[queries].astype(np.int32) @ metadata.astype(np.int32).T.tocsr()).toarray()
    similar = shared / np.maximum(1, sizes[queries][:, None] + sizes - shared)
    similar[np.arange(len(queries)), queries] = 0
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :depth]
    return np.where(np.take_along_axis(similar, nearest, axis=1) > 0, nearest, -1)


def is_exact(metadata: sparse.csr_matrix, depth: int) -> bool:
    rows = np.random.default_rng(0).choice(metadata.shape[0], min(CHECKED, metadata.shape[0]), replace=False)
    return bool((ours(metadata, depth)[rows] == brute_force(metadata, rows, depth)).all())


def in_a_process(metadata: sparse.csr_matrix, depth: int) -> tuple[float, float, float]:
    """Seconds, core-seconds and peak memory (MiB) of ours, in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metadata.npz"
        sparse.save_npz(path, metadata, compressed=False)
        command = [sys.executable, "-c", SEARCH, str(path), str(depth)]
        # The child reads its own peak: the parent's view of it would include the parent's memory.
        printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return float(printed[0]), float(printed[1]), int(printed[2]) / 1024


def table(title: str, *headings: str) -> Table:
    made = Table(title=title)
    for place, heading in enumerate(headings):
        made.add_column(heading, justify="right" if place else "left")
    return made


def compare(images: int, tau: int, depth: int) -> dict[str, float | bool]:
    """All programs on tags, then ours and sparse-dot-topn on the other types and on the embedded collection."""
    console, metadata = Console(width=120), made_up(images, tau)
    tags, sample = metadata["tags"], np.random.default_rng(1).permutation(images)[:USEARCH_QUERIES]
    our_s, topn_s = both(tags, depth, REPEATS)
    products_s, lists_s = scipy_seconds(tags, depth, SCIPY_SHARE)
    exact = is_exact(tags, depth)
    shown = table(
        f"{depth} nearest of {images:,} images, {tags.nnz / images:.1f} of {tags.shape[1]:,} tags an image; "
        f"{platform.machine()}, {CORES} cores",
        *("", "seconds", "times ours", "measured on"),
    )
    whole, part = f"all, least of {REPEATS}", f"{SCIPY_SHARE:.0%} of the queries, scaled up"
    for name, taken, measured in (
        ("nearest_by_jaccard", our_s, whole),
        ("sparse-dot-topn (by shared tags: not exact)", topn_s, whole),
        ("SciPy, products alone", products_s, part),
        ("SciPy, products and lists", lists_s, part),
        ("usearch, exact Tanimoto", usearch_seconds(tags, depth, sample), f"{len(sample)} queries, scaled up"),
        (
            "scikit-learn, brute force",
            sklearn_seconds(tags, depth),
            f"{SKLEARN_QUERIES} queries, {min(SKLEARN_IMAGES, images):,} images, scaled up",
        ),
    ):
        shown.add_row(name, f"{taken:,.2f}", f"{taken / our_s:,.1f}", measured)
    console.print(shown)
    collection = load_collection(ROOT / "data" / "openclipart")
    others = {f"made-up {kind}": metadata[kind] for kind in ("sets", "groups")}
    others |= {f"Open Clip Art, {kind}": matrix for kind, matrix in collection.metadata.items()}
    shown = table("other metadata", "", "images", "values", "an image", "ours, s", "sparse-dot-topn, s", "exact")
    for name, matrix in others.items():
        times, same = both(matrix, depth, OTHER_REPEATS), is_exact(matrix, depth)
        exact &= same
        cells = (f"{matrix.shape[0]:,}", f"{matrix.shape[1]:,}", f"{matrix.nnz / matrix.shape[0]:.1f}")
        shown.add_row(name, *cells, *(f"{taken:.3f}" for taken in times), "yes" if same else "NO")
    console.print(shown)
    return {
        "ours_s": round(our_s, 3),
        "sparse_dot_topn_s": round(topn_s, 3),
        "scipy_s": round(products_s, 2),
        "exact": exact,
        "peak_mib": round(in_a_process(tags, depth)[-1]),
    }


def growth(sizes: list[int], tau: int, depth: int) -> dict[str, dict[str, object]]:
    """Seconds and peak memory of ours for each number of images, and the exponent b of a * images ** b.

    The exponent is fitted on core-seconds, which other running programs change least.
    """
    shown = table("", "", *(f"{images:,}" for images in sizes), "exponent")
    found: dict[str, list[tuple[float, ...]]] = {}
    for images in sizes:
        for kind, matrix in made_up(images, tau).items():
            found.setdefault(kind, []).append(in_a_process(matrix, depth))
    result: dict[str, dict[str, object]] = {}
    for kind, measured in found.items():
        columns = [list(column) for column in zip(*measured, strict=True)]
        exponent = round(float(np.polyfit(np.log(sizes), np.log(columns[1]), 1)[0]), 2) if len(sizes) > 1 else None
        for what, column, last in zip(
            ("seconds", "core_seconds", "peak_mib"), columns, ("", exponent, ""), strict=True
        ):
            shown.add_row(f"{kind}, {what}", *(f"{number:,.2f}" for number in column), f"{last}")
            result.setdefault(kind, {})[what] = [round(number, 2) for number in column]
        result[kind]["exponent"] = exponent
    Console(width=120).print(shown)
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=110_000)
    parser.add_argument("--tau", type=int, default=5_000, help="how many tags, the most frequent, count")
    parser.add_argument("--neighbors", type=int, default=20, help="neighbours an image")
    parser.add_argument(
        "--growth",
        type=int,
        nargs="*",
        metavar="IMAGES",
        help="measure growth instead, over 50,000, 100,000, 200,000 and 400,000 images or those named (5 minutes)",
    )
    asked = parser.parse_args()
    if asked.growth is not None:
        sizes = asked.growth or [50_000, 100_000, 200_000, 400_000]
        print(json.dumps({"images": sizes, **growth(sizes, asked.tau, asked.neighbors)}))
        return 0
    result = compare(asked.images, asked.tau, asked.neighbors)
    print(json.dumps(result))
    return 0 if result["exact"] else 1


if __name__ == "__main__":
    sys.exit(main())
