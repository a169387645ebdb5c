"""A folder that has grown: python benchmarks/updating.py [--photos 5000] [--new 50].

Makes small JPEGs, a collection of all but the new ones, and then times in turn, each three times:

- ``prepare.py source=folder ... update=true`` with the new photos,
- ``prepare.py source=folder`` on a folder with the new photos alone,
- the reading of the whole folder: names, metadata and content of all photos, in this process.

The first should take no longer than the other two together. Also timed: an update after all files have got another time
(as after copying them), so that all content is read again. Checks that the updated collections have the right features.
Prints a table of the quickest times, and at the end one line of JSON.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measured_process import measured
from PIL import Image
from rich.console import Console
from rich.table import Table

from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import folder as source
from love_thy_neighbors.sources.contents import hashed

REPEATS = 3
OLD = 1_600_000_000  # seconds since 1970: the photos are not of today


def write_photos(folder: Path, numbers: range) -> None:
    """Smooth random pictures of 320 x 240 pixels with some noise, about 20 kB each, 100 a folder."""
    for number in numbers:
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((320, 240), Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = np.clip(pixels + rng.integers(-10, 11, pixels.shape), 0, 255).astype(np.uint8)
        path = folder / f"{number // 100:03}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(path, quality=85)
        os.utime(path, (OLD, OLD))


def prepare(photos: Path, out: Path, *keys: str) -> float:
    """The seconds that prepare.py takes."""
    return measured("prepare.py", "source=folder", f"root={photos}", f"out={out}", *keys)[0]


def reading(photos: Path, partial: Path) -> float:
    """The seconds that it takes to read all names, metadata and content."""
    started = time.monotonic()
    release = source.read(source.Options(root=photos), Extraction(), partial)
    assert release.files is not None
    hashed(release.table["file"].to_pylist(), release.files, {})
    return time.monotonic() - started


def features_of(folder: Path) -> dict[str, np.ndarray]:
    """The feature of each file of a collection."""
    found = load_collection(folder)
    return dict(zip(found.files.to_pylist(), np.asarray(found.features.table, np.float32), strict=True))


def check(updated: Path, first: Path, alone: Path) -> None:
    """End the benchmark unless the updated collection has the features of the two that it was made of.

    The new photos stand in other batches, so their last bits may differ.
    """
    ours, before, new = (features_of(folder) for folder in (updated, first, alone))
    kept = all(np.array_equal(ours[name], feature) for name, feature in before.items())
    made = all(np.allclose(ours[name], feature, rtol=2e-3, atol=2e-3) for name, feature in new.items())
    if not kept or not made or ours.keys() != before.keys() | new.keys():
        raise SystemExit("the updated collection has not the features of the two that it was made of")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=5000, help="photos in the whole folder")
    parser.add_argument("--new", type=int, default=50, help="of these, photos that are new")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        photos, alone, first = place / "photos", place / "alone", place / "first"
        write_photos(photos, range(asked.photos - asked.new))
        at_first = prepare(photos, first)
        for folder in (photos, alone):
            write_photos(folder, range(asked.photos - asked.new, asked.photos))

        def update(number: int) -> float:
            out = Path(shutil.copytree(first, place / f"updated{number}"))
            return prepare(photos, out, "update=true")

        work: dict[str, Callable[[int], float]] = {
            "update=true": update,
            "the new photos alone": lambda number: prepare(alone, place / f"alone{number}"),
            "reading the whole folder": lambda number: reading(photos, place / "partial"),
        }
        times = {what: [one(0)] for what, one in work.items()}
        for number in range(1, REPEATS):
            for what, one in work.items():
                times[what].append(one(number))
        found = {what: min(several) for what, several in times.items()}
        for path in photos.rglob("*.jpg"):
            os.utime(path, (OLD + 1, OLD + 1))
        found["update=true, all times changed"] = update(REPEATS)
        found["all photos but the new ones, at first"] = at_first
        for number in range(REPEATS + 1):
            check(place / f"updated{number}", first, place / "alone0")
    size = f"{asked.photos:,} photos, {asked.new} of them new"
    shown = Table(title=f"{size}; {platform.machine()}, {os.cpu_count()} cores")
    for heading in ("what", "seconds"):
        shown.add_column(heading, justify="left" if heading == "what" else "right")
    for what, seconds in found.items():
        shown.add_row(what, f"{seconds:.1f}")
    Console().print(shown)
    limit = found["the new photos alone"] + found["reading the whole folder"]
    print(json.dumps({what: round(seconds, 1) for what, seconds in found.items()} | {"limit": round(limit, 1)}))


if __name__ == "__main__":
    main()
