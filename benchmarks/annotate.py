"""Time and memory of annotating 100,000 photos whose features are present: python benchmarks/annotate.py [DIM ...]

For each length of a feature (default: 1280 and 4096) makes two made-up collections, trains a model on the smaller one
for three epochs, and runs annotate.py on the other, page included. The weights do not change how much there is to
compute. Checks that there is a row of scores for each photo. Prints a table, and last one line of JSON. Takes about
6 minutes and 2 GiB of disk. Exits with status 1 if 100,000 photos take more than 2 minutes or 2 GiB.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from measured_process import measured
from rich.console import Console
from rich.table import Table

PHOTOS = 100_000


def annotated(folder: Path, dim: int) -> dict[str, float]:
    """Seconds and memory of annotate.py for features of ``dim`` numbers."""
    measured("prepare.py", "source=synthetic", f"images={PHOTOS}", f"dim={dim}", f"out={folder}/new")
    measured("prepare.py", "source=synthetic", "images=6000", f"dim={dim}", f"out={folder}/labelled")
    places = (f"data.dir={folder}/labelled", f"logs={folder}/runs", f"cache={folder}/cache")
    measured("train.py", "data=collection", *places, "epochs=3", "baseline=null")
    (run,) = Path(folder, "runs").glob("collection-*")
    seconds, peak = measured("annotate.py", f"run={run}", f"collection={folder}/new", f"out={folder}/out")
    scores = np.load(folder / "out" / "scores.npy", mmap_mode="r")
    if len(scores) != PHOTOS or not np.isfinite(scores).all():
        raise SystemExit(f"scores.npy: {scores.shape}, not a finite row for each of {PHOTOS} photos")
    return {"dim": dim, "seconds": round(seconds, 1), "peak_mib": round(peak)}


def main() -> int:
    """Measure, print."""
    found = []
    for dim in [int(text) for text in sys.argv[1:]] or [1280, 4096]:
        with tempfile.TemporaryDirectory() as folder:
            found.append(annotated(Path(folder), dim))
    table = Table("numbers a feature", "seconds", "photos a second", "peak memory, MiB")
    for one in found:
        table.add_row(*(f"{x:,.0f}" for x in (one["dim"], one["seconds"], PHOTOS / one["seconds"], one["peak_mib"])))
    Console().print(table)
    print(json.dumps({"photos": PHOTOS, "found": found}))
    return int(any(one["seconds"] > 120 or one["peak_mib"] > 2048 for one in found))


if __name__ == "__main__":
    sys.exit(main())
