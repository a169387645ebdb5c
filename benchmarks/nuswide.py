"""Time and memory of reading NUS-WIDE at full size: python benchmarks/nuswide.py [--images 269648].

Writes a made-up release in the official layout into a temporary folder (81 label files, lists, tags, and metadata in
McAuley and Leskovec's XML; half a gigabyte), runs ``prepare.py source=nuswide`` on it with and without the metadata,
each in its own process, and compares the collection with the release. Prints a table and a line of JSON. Exits with
status 1 if the collection differs.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measured_process import measured
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
IMAGES, CONCEPTS, WORDS, SETS, GROUPS = 269_648, 81, 420_000, 165_000, 95_000
WITH_METADATA = 0.907  # share of the photos that are in the XML, which also has others


@dataclass(frozen=True)
class Lists:
    """Row i has ``codes[offsets[i]:offsets[i + 1]]``, increasing; code c is written as ``word % c``."""

    word: str
    offsets: np.ndarray
    codes: np.ndarray

    def of(self, row: int) -> list[str]:
        return [self.word % code for code in self.codes[self.offsets[row] : self.offsets[row + 1]].tolist()]


def lists(rng: np.random.Generator, rows: int, mean: float, values: int, word: str) -> Lists:
    """About ``mean`` values an image, with frequencies by Zipf's law."""
    lengths = rng.geometric(1 / (mean + 1), rows) - 1
    shares = 1 / np.arange(1, values + 1)
    codes = np.searchsorted(np.cumsum(shares / shares.sum()), rng.random(lengths.sum()))
    pairs = np.unique(np.repeat(np.arange(rows), lengths) * (values + 1) + codes)
    return Lists(word, np.searchsorted(pairs // (values + 1), np.arange(rows + 1)), pairs % (values + 1))


@dataclass(frozen=True)
class Made:
    """The release as it was written."""

    ids: np.ndarray
    labels: np.ndarray
    tags: Lists
    sets: Lists
    groups: Lists
    described: np.ndarray  # [N], photos that are in the XML


def write(folder: Path, images: int) -> Made:
    """Write the release into ``folder``/release and the metadata into ``folder``/photosNUS.xml."""
    rng = np.random.default_rng(0)
    ids = rng.choice(3_000_000_000, images, replace=False)
    ids[-6:] = ids[:6]  # as in the release
    frequency = np.minimum(0.28, 0.5 / np.arange(1, CONCEPTS + 1))
    labels = rng.random((images, CONCEPTS)) < frequency
    made = Made(
        ids,
        labels,
        lists(rng, images, 19, WORDS, "tag%d"),
        lists(rng, images, 2, SETS, "7215760%d"),
        lists(rng, images, 13, GROUPS, "%d@N00"),
        rng.random(images) < WITH_METADATA,
    )
    release = folder / "release"
    for name in ("ImageList", "ConceptsList", "Groundtruth/AllLabels", "NUS_WID_Tags"):
        (release / name).mkdir(parents=True)
    concepts = [f"concept{number:02}" for number in range(CONCEPTS)]
    (release / "ConceptsList" / "Concepts81.txt").write_text("\n".join(concepts) + "\n")
    for column, concept in enumerate(concepts):
        lines = np.full((images, 2), ord("\n"), dtype=np.uint8)
        lines[:, 0] = ord("0") + labels[:, column]
        (release / "Groundtruth" / "AllLabels" / f"Labels_{concept}.txt").write_bytes(lines.tobytes())
    with (release / "ImageList" / "Imagelist.txt").open("w") as file:
        file.writelines(f"folder{row // 400}\\{row % 400:04}_{id_}.jpg\n" for row, id_ in enumerate(ids.tolist()))
    with (release / "NUS_WID_Tags" / "All_Tags.txt").open("w") as file:
        file.writelines(f"{id_}\t{' '.join(made.tags.of(row))} \n" for row, id_ in enumerate(ids.tolist()))
    _write_xml(folder / "photosNUS.xml", made)
    return made


def _write_xml(path: Path, made: Made) -> None:
    comment = "<comment author='x' id='1'>what a wonderful picture, please add it to the group</comment>" * 3
    first_row = {id_: row for row, id_ in reversed(list(enumerate(made.ids.tolist())))}
    with path.open("w") as file:
        file.write("<?xml version='1.0' encoding='UTF-8'?>\n<photos>\n")
        for row, id_ in enumerate(made.ids.tolist()):
            if not made.described[row] or first_row[id_] != row:
                continue
            tags = "".join(f"<tag author='1' id='2'>{tag}</tag>" for tag in made.tags.of(row))
            albums = "".join(f"<set id='{set_}' title='an album'/>" for set_ in made.sets.of(row))
            pools = "".join(f"<pool id='{pool}' title='a group' url='/groups/x/'/>" for pool in made.groups.of(row))
            file.write(
                f"<photo id='{id_}' dateuploaded='1'><owner nsid='{id_ % 50_000}@N00' location='here'/><title>a photo"
                f"</title><description>long</description><tags>{tags}</tags><groups>{albums}{pools}</groups><labels>"
                f"<label source='NUS'>sky</label></labels><comments>{comment}</comments></photo>\n"
            )
        file.writelines(f"<photo id='9{number:011}'><tags/><groups/></photo>\n" for number in range(1000))
        file.write("</photos>\n")


def prepare(folder: Path, out: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and peak memory (MiB) for reading the release."""
    return measured("prepare.py", "source=nuswide", f"root={folder / 'release'}", f"out={out}", *arguments)


def same(out: Path, made: Made, with_metadata: bool) -> bool:
    """Whether the collection equals the release, value by value."""
    table = pq.read_table(out / "images.parquet")
    if table["id"].to_pylist() != [str(id_) for id_ in made.ids.tolist()]:
        return False
    rows, columns = np.nonzero(made.labels)
    labels = Lists("concept%02d", np.searchsorted(rows, np.arange(len(made.ids) + 1)), columns)
    expected = {"labels": labels, "tags": made.tags}
    if with_metadata:
        first_row = {id_: row for row, id_ in reversed(list(enumerate(made.ids.tolist())))}
        source = np.array([first_row[id_] for id_ in made.ids.tolist()])
        expected |= {"sets": taken(made.sets, source, made), "groups": taken(made.groups, source, made)}
    return all(equal(table[name].combine_chunks(), lists_) for name, lists_ in expected.items())


def taken(lists_: Lists, source: np.ndarray, made: Made) -> Lists:
    """Row i of the result is row ``source[i]`` of ``lists_``, or empty if the XML does not have that photo."""
    parts = [
        lists_.codes[lists_.offsets[row] : lists_.offsets[row + 1]] if made.described[row] else lists_.codes[:0]
        for row in source
    ]
    return Lists(lists_.word, np.cumsum([0, *map(len, parts)]), np.concatenate(parts))


def equal(column: pa.Array, lists_: Lists) -> bool:
    """Whether a list column has the same values as ``lists_``, in the same order."""
    names = pa.array([lists_.word % code for code in range(int(lists_.codes.max()) + 1)])
    codes = pc.index_in(column.flatten(), names).to_numpy(zero_copy_only=False)
    offsets = column.offsets.to_numpy()
    return np.array_equal(offsets - offsets[0], lists_.offsets) and np.array_equal(codes, lists_.codes)


def main() -> int:
    """Write, read, compare, print."""
    parser = argparse.ArgumentParser(description="the time and memory of reading NUS-WIDE")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"rows of the release (default {IMAGES})")
    images = parser.parse_args().images
    console, results = Console(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = write(folder, images)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) >> 20
        console.print(
            f"prepare.py source=nuswide: {images:,} rows, {len(made.tags.codes):,} tags, {size:,} MiB of files"
        )
        shown = Table()
        for heading in ("metadata", "seconds", "peak MiB", "exact"):
            shown.add_column(heading, justify="right")
        for metadata in (False, True):
            out = folder / f"collection{metadata}"
            arguments = [f"metadata={folder / 'photosNUS.xml'}"] if metadata else []
            seconds, peak = prepare(folder, out, *arguments)
            results.append((seconds, peak, same(out, made, metadata)))
            shown.add_row("XML" if metadata else "none", f"{seconds:.1f}", f"{peak:,.0f}", str(results[-1][2]))
        console.print(shown)
    summary: dict[str, Any] = {
        "seconds": round(max(seconds for seconds, *_ in results), 1),
        "peak_mib": round(max(peak for _, peak, _ in results)),
        "rows": images,
        "exact": all(exact for *_, exact in results),
    }
    print(json.dumps(summary))
    return 0 if summary["exact"] else 1


if __name__ == "__main__":
    sys.exit(main())
