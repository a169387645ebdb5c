"""How long the paper's whole protocol takes, and in how much memory: python benchmarks/protocol.py.

Makes a collection of the paper's size in a temporary folder (190,253 images, 4,096 dimensions, 1.5 GiB) and runs
``train.py data=synthetic`` on it in a process of its own, nothing left out: neighbour lists of all parts, 10 epochs
of 110,000 images with validation, the test, and the same for the visual-only baseline. Prints a table and last one line
of JSON. Exits with status 1 if a run has not trained all its epochs or not tested all its images.
"""

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measured_process import measured
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
TEST_IMAGES = 40_253


def finished(run: Path) -> dict[str, Any]:
    """What a run folder says of itself: model, seconds of training, epochs, tested images and test mAP."""
    results = json.loads((run / "results.json").read_text())
    with (run / "metrics.csv").open() as file:
        epochs = sum(1 for _ in csv.DictReader(file))
    return {
        "model": results["model"],
        "train_s": round(results["wall_time_s"], 1),
        "epochs": epochs,
        "tested": len(np.load(run / "rows.npy")),
        "mAP_L": round(results["test"]["mAP_L"], 2),
        "mAP_I": round(results["test"]["mAP_I"], 2),
    }


def main() -> int:
    """Make, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images; the paper's 10")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured("prepare.py", "source=synthetic", f"out={folder / 'collection'}")
        places = [f"data.dir={folder / 'collection'}", f"logs={folder / 'runs'}", f"cache={folder / 'cache'}"]
        seconds, peak = measured("train.py", "data=synthetic", f"epochs={options.epochs}", *places)
        runs = sorted(
            (finished(path.parent) for path in (folder / "runs").glob("*/results.json")), key=lambda r: r["model"]
        )
    table = Table(title=f"train.py data=synthetic, {options.epochs} epochs: {seconds:.0f} s, peak {peak:,.0f} MiB")
    for heading in runs[0]:
        table.add_column(heading.replace("_", ", "), justify="left" if heading == "model" else "right")
    for run in runs:
        table.add_row(*(str(value) for value in run.values()))
    Console().print(table)
    print(json.dumps({"total_s": round(seconds, 1), "peak_mib": round(peak), "runs": runs}))
    whole = all(run["epochs"] == options.epochs and run["tested"] == TEST_IMAGES for run in runs)
    return 0 if whole and len(runs) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
