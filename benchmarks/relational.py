"""An epoch of the relational model beside one of the paper's: python benchmarks/relational.py [--images 190253].

Makes a collection of the paper's size in a temporary folder (190,253 images, 4,096 dimensions, 1.5 GiB), then runs
``train.py data=synthetic`` for both models, each in a process of its own, with the neighbour lists made before. The
relational model has three types, lists of 100 that are thinned in every epoch, and M = 24. Prints a table and last one
line of JSON. Exits with status 1 if a run has not trained all its epochs.
"""

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from measured_process import measured
from rich.console import Console
from rich.table import Table

LISTS = {
    "neighborhood": ("metadata=tags", "M=6"),
    "relational": ("metadata=all", "M=24", "deep=100"),
}


def compared(folder: Path, images: int, epochs: int) -> list[dict[str, Any]]:
    """Both models' seconds an epoch with validation, and the peak of memory of the whole run."""
    measured("prepare.py", "source=synthetic", f"images={images}", f"out={folder / 'collection'}")
    places = ["data=synthetic", f"data.dir={folder / 'collection'}", f"cache={folder / 'cache'}"]
    places.append("data.split_sizes=[0.578,0.21,0.212]")  # 110,000, 40,000 and 40,253 of 190,253
    rows = []
    for model, keys in LISTS.items():
        lists, _ = measured("neighbors.py", *places, *keys)
        how = (f"model={model}", f"epochs={epochs}", "baseline=null", f"logs={folder / 'runs'}")
        _, peak = measured("train.py", *places, *how)
        (results,) = (folder / "runs").glob(f"*-{model}-*/results.json")
        with (results.parent / "metrics.csv").open() as file:
            trained = sum(1 for _ in csv.DictReader(file))
        seconds = json.loads(results.read_text())["wall_time_s"] / epochs
        rows.append({"model": model, "lists_s": lists, "epoch_s": seconds, "peak_mib": peak, "epochs": trained})
    return rows


def main() -> int:
    """Make, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=190_253, help="images of the collection; the paper's 190,253")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the training images")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = compared(Path(folder), options.images, options.epochs)
    table = Table(title=f"{options.images:,} images: an epoch with validation")
    for heading in ("model", "lists, s", "epoch, s", "peak, MiB"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in rows:
        table.add_row(row["model"], f"{row['lists_s']:.1f}", f"{row['epoch_s']:.1f}", f"{row['peak_mib']:,.0f}")
    Console().print(table)
    ratio = rows[1]["epoch_s"] / rows[0]["epoch_s"]
    print(json.dumps({"images": options.images, "ratio": round(ratio, 2), "runs": rows}))
    return 0 if all(row["epochs"] == options.epochs for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
