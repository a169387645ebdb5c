"""Runs the quick benchmarks and keeps their figures for the next version: python benchmarks/record.py, or make bench.

Each program's line of JSON is added to ``docs/benchmarks.json``, with date, version and machine. A later run of the
same version on the same machine replaces it. Then two pictures are drawn of all that the file holds: time against the
number of images, and time against the number of cores. Takes three minutes on 2 cores. Close other programs before.
``--draw`` draws alone.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.plain_json import read_json

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs" / "benchmarks.json"
IMAGES = ("25000", "50000", "100000", "200000")
ON_ALL_CORES = (
    ("metrics.py",),
    ("sparse_gradient.py",),
    ("euclidean.py", "--queries", "6000", "--images", "6000"),
    ("jaccard.py", "--growth", *IMAGES),
)
ON_SOME_CORES = (("jaccard.py", "--growth", "100000"), ("train_step.py", "--steps", "300"))
SAME = ("version", "machine", "cores", "program", "arguments")  # of two records of which the later one is kept

Entry = dict[str, Any]


def machine() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measured(program: str, arguments: tuple[str, ...], cores: int) -> Entry:
    """One program's record, on the first so many of the cores that this process may use."""
    usable = sorted(os.sched_getaffinity(0))[:cores]
    threads = ["--threads", str(cores)] if program == "train_step.py" else []
    command = [sys.executable, str(ROOT / "benchmarks" / program), *arguments, *threads]
    print(" ".join(command[1:]), f"on {cores} cores", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, usable)
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "version": version("love-thy-neighbors"),
        "machine": machine(),
        "cores": cores,
        "load": round(os.getloadavg()[0], 1),
        "program": program,
        "arguments": list(arguments),
        "seconds": round(time.monotonic() - started, 1),
        "figures": json.loads(done.stdout.splitlines()[-1]),
    }


def kept_with(kept: list[Entry], new: Entry) -> list[Entry]:
    """The records with one more, in place of that of the same version, machine and program."""
    return [one for one in kept if any(one[key] != new[key] for key in SAME)] + [new]


def write(entries: list[Entry]) -> None:
    """One record a line, so that a change is seen in a diff."""
    lines = ",\n".join(json.dumps(one) for one in entries)
    with written_whole(KEPT) as path:
        path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _figure(title: str, across: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.set(title=title, xlabel=across, ylabel="seconds", xscale="log", yscale="log")
    axis.grid(visible=True, which="both", linewidth=0.3)
    axis.yaxis.set_major_formatter("{x:g}")
    return figure, axis


def draw_images(entries: list[Entry], path: Path) -> None:
    """Seconds of the neighbour lists by tags, sets and groups against the number of images."""
    figure, axis = _figure("neighbour lists of all images, 20 nearest", "images")
    sizes: set[int] = set()
    for one in entries:
        found = one["figures"]
        if one["program"] == "jaccard.py" and len(found["images"]) > 1:
            for kind in ("tags", "sets", "groups"):
                name = f"{kind}, version {one['version']}, {one['cores']} cores"
                axis.plot(found["images"], found[kind]["seconds"], marker="o", label=name)
                sizes |= {*found["images"]}
    _ticks(axis, sizes)
    _save(figure, axis, path)


def draw_cores(entries: list[Entry], path: Path) -> None:
    """Seconds of 100,000 images' lists by tags, and of 1,000 training steps, against the number of cores."""
    figure, axis = _figure("time against cores", "cores")
    lines: dict[str, dict[int, float]] = {}
    for one in entries:
        found, name = one["figures"], f"version {one['version']}"
        if one["program"] == "jaccard.py" and found["images"] == [100_000]:
            lines.setdefault(f"lists by tags of 100,000 images, {name}", {})[one["cores"]] = found["tags"]["seconds"][0]
        if one["program"] == "train_step.py":
            lines.setdefault(f"1,000 training steps, {name}", {})[one["cores"]] = found["step_ms"]
    for name, times in lines.items():
        cores = sorted(times)
        axis.plot(cores, [times[count] for count in cores], marker="o", label=name)
    _ticks(axis, {count for times in lines.values() for count in times})
    _save(figure, axis, path)


def _ticks(axis: Any, places: set[int]) -> None:
    axis.set_xticks(sorted(places), [f"{one:,}" for one in sorted(places)])
    axis.set_xticks([], minor=True)


def _save(figure: Figure, axis: Any, path: Path) -> None:
    axis.legend(fontsize="small")
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def main() -> None:
    """Measure, keep, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="draw the figures of docs/benchmarks.json; measure nothing")
    asked = parser.parse_args()
    entries: list[Entry] = read_json(KEPT) if KEPT.is_file() else []
    if not asked.draw:
        most = len(os.sched_getaffinity(0))
        counts = sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})
        runs = [(*one, most) for one in ON_ALL_CORES] + [(*one, cores) for cores in counts for one in ON_SOME_CORES]
        for program, *arguments, cores in runs:
            entries = kept_with(entries, measured(program, tuple(arguments), cores))
            write(entries)  # after each: an interruption loses one
    draw_images(entries, KEPT.with_name("benchmarks-images.png"))
    draw_cores(entries, KEPT.with_name("benchmarks-cores.png"))


if __name__ == "__main__":
    main()
