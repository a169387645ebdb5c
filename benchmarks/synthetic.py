"""Time and memory of writing a made-up collection of the paper's size: python benchmarks/synthetic.py.

Runs ``prepare.py source=synthetic`` at full size (190,253 images, 4,096 dimensions, 1.5 GiB in a temporary folder) in
its own process and counts labels and metadata. Prints a table beside the paper's Table 1, and last one line of
JSON. Exits with status 1 if a number of values is not that of Table 1.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from measured_process import measured
from rich.console import Console
from rich.table import Table

from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.sources.tables import encoded

ROOT = Path(__file__).resolve().parents[1]


def counted(out: Path) -> dict[str, dict[str, Any]]:
    """The number of values, and mean, median, minimum and maximum of images per value and values per image, by kind."""
    table = pq.read_table(out / "images.parquet")
    counts = {}
    for kind in TABLE_1:
        rows, codes, values = encoded(table[kind])
        sides = {
            "images_per_value": np.bincount(codes, minlength=len(values)),
            "values_per_image": np.bincount(rows, minlength=table.num_rows),
        }
        counts[kind] = {"values": len(values)} | {
            side: {
                "mean": round(float(found.mean()), 1),
                "median": float(np.median(found)),
                "min": int(found.min()),
                "max": int(found.max()),
            }
            for side, found in sides.items()
        }
    return counts


def shown(counts: dict[str, dict[str, Any]]) -> Table:
    """The counts beside the paper's."""
    table = Table()
    for heading in ("", "values", "paper", "images per value", "paper", "values per image", "paper"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, (values, *published) in TABLE_1.items():
        cells = [kind, f"{counts[kind]['values']:,}", f"{values:,}"]
        for side, paper in zip(("images_per_value", "values_per_image"), published, strict=True):
            found = counts[kind][side]
            cells += [f"{found['mean']:g} / {found['median']:g}", " / ".join(f"{number:g}" for number in paper)]
        table.add_row(*cells)
    return table


def main() -> int:
    """Make, count, print."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak = measured("prepare.py", "source=synthetic", f"out={folder}/collection")
        counts = counted(Path(folder) / "collection")
    console = Console()
    console.print(f"prepare.py source=synthetic: {seconds:.1f} s, peak {peak:,.0f} MiB")
    console.print(shown(counts))
    console.print("per value and per image: mean / median", style="dim")
    print(json.dumps({"seconds": round(seconds, 1), "peak_mib": round(peak), **counts}))
    return 0 if all(counts[kind]["values"] == TABLE_1[kind][0] for kind in TABLE_1) else 1


if __name__ == "__main__":
    sys.exit(main())
