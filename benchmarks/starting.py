"""Time and memory of reading a large collection: python benchmarks/starting.py --images 1000000 --dim 16.

Makes a synthetic collection in a temporary folder, and opens it as train.py does (collection, split, labels and
features, without neighbours) in new processes: once without a cache, and twice with one. The first of these two writes
what the second maps. Prints a table, and last one line of JSON. Private memory is what the process alone holds, which
grows while the collection is opened; pages of mapped files are shared, and can be dropped. The peak includes both, and
the libraries. Exits with status 1 if the three do not see the same collection.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measured_process import measured
from rich.console import Console
from rich.table import Table

from love_thy_neighbors.collection.loading import Collection

STARTS = ("without a cache", "first with a cache", "second with a cache")


def opened(folder: Path, cache: Path | None) -> dict[str, Any]:
    """Open the collection in this process; seconds and memory, and a hash of what is in it."""
    import resource

    from love_thy_neighbors.runs.settings import CollectionSettings, NeighborhoodSettings, SplitSettings
    from love_thy_neighbors.training.data import NeighborhoodData

    before, since, cpu = private_mib(), time.perf_counter(), time.process_time()
    data = NeighborhoodData(
        CollectionSettings("synthetic", folder, None),
        SplitSettings(0, [0.6, 0.2, 0.2], "image", keep_unlabelled=False, discard_without_metadata=False),
        None,
        NeighborhoodSettings(3, 3, 3, "none", 0.0),
        cache=cache,
    )
    return {
        "seconds": round(time.perf_counter() - since, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "private_mib": round(private_mib() - before),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "content": content(data.collection),
    }


def content(collection: Collection) -> str:
    """A hash of all matrices and of some ids."""
    digest = hashlib.sha256()
    for matrix in (collection.labels, *collection.metadata.values()):
        for array in (matrix.indptr, matrix.indices, matrix.data):
            digest.update(memoryview(array).cast("B"))
    digest.update(repr(collection.ids[:: max(1, len(collection) // 100)].to_pylist()).encode())
    return digest.hexdigest()[:16]


def private_mib() -> float:
    """The memory that this process alone holds, without the pages of mapped files that it has not changed."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Anonymous:", "Swap:"))) / 1024


def main() -> int:
    """Make, open three times, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--collection", type=Path, help="a collection that is there already, instead of a new one")
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)  # what the new processes do
    options = parser.parse_args()
    if options.open:
        folder, cache = options.open
        print(json.dumps(opened(Path(folder), Path(cache) if cache else None)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        collection = options.collection or Path(place) / "collection"
        if options.collection is None:
            measured(
                "prepare.py", "source=synthetic", f"images={options.images}", f"dim={options.dim}", f"out={collection}"
            )
        found = {}
        for start, cache in zip(STARTS, ("", f"{place}/cache", f"{place}/cache"), strict=True):
            time.sleep(3)  # a file that was written a moment ago is not remembered
            command = [sys.executable, __file__, "--open", str(collection), cache]
            found[start] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    table = Table()
    for heading in ("start", "seconds", "processor seconds", "private MiB", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "start" else "right")
    for start, one in found.items():
        table.add_row(start, *(f"{one[key]:,}" for key in ("seconds", "cpu_seconds", "private_mib", "peak_mib")))
    Console().print(table)
    same = len({one["content"] for one in found.values()}) == 1
    images = json.loads((collection / "card.json").read_text())["images"] if options.collection else options.images
    print(json.dumps({"images": images, "same": same, **found}))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
