"""Damaged files, one after the other, in a process of their own: a reader may refuse them, and must not do anything else.

    python tests/fuzz/fuzz_worker.py TARGET FIRST LAST SEED FOLDER

Prints the number of each case before it is tried, and a line beginning with ``FAILED`` for one that ended in anything
but a collection that loads or one sentence. What kills or stalls the process shows by its last number.
"""

import random
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import torch

from love_thy_neighbors.collection.card import read_card
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features import extraction as features
from love_thy_neighbors.features.extraction import Backbone
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.tables import statistics

HOW = Extraction(size=16, batch_size=4, workers=0, device="cpu", thumbnail=8, max_pixels=1_000_000)
MEMORY = 12 << 30  # address space in bytes; torch alone maps a third of it
SECONDS = 20  # a case that takes longer hangs
INTERESTING = (
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80",
    b"<",
    b"&",
    b'"',
    b"\r",
    b"\x00\x00",
)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """``content`` with up to 20 wounds: flipped bits, other bytes, pieces cut out, doubled or moved, a lost end."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 16, 200))
        match rng.randrange(7):
            case 0 if place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place : place + length] = rng.randbytes(length)
            case 2:
                value = rng.choice(INTERESTING)
                data[place : place + len(value)] = value
            case 3:
                del data[place : place + length]
            case 4:
                data[place:place] = data[place : place + length] * rng.choice((1, 3, 50))
            case 5:
                other = rng.randrange(len(data) + 1)
                data[place:place] = data[other : other + length]
            case 6 if rng.random() < 0.3:
                del data[place:]
    return bytes(data)


def main() -> None:
    from fuzz_targets import TARGETS

    target, first, last, seed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], Path(sys.argv[5])
    torch.set_num_threads(1)
    mean_colour = Backbone("mean_colour", 3, "0" * 64, lambda pixels: pixels.mean(dim=(2, 3)))
    features.load_backbone = lambda name, device, weights: mean_colour
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError(f"took over {SECONDS} s")))
    content, read = TARGETS[target](folder / "seed")
    counts = {"collections": 0, "sentences": 0}
    for number in range(first, last):
        print(number, flush=True)
        data = mutated(content, random.Random(f"{target} {seed} {number}"))
        signal.alarm(SECONDS)
        try:
            counts[tried(read, data, folder / "case")] += 1
        except BaseException:
            (folder / f"{target}-{number}.bin").write_bytes(data)
            print(f"FAILED {number}: {traceback.format_exc()!r}", flush=True)
        signal.alarm(0)
    print(f"done {counts}", flush=True)


def tried(read: Callable[[bytes, Path], None], data: bytes, folder: Path) -> str:
    """What came of one case: it is a failure if a refusal is no sentence, or leaves anything behind."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "out").mkdir(parents=True)
    try:
        read(data, folder)
    except UserError as error:
        text = str(error)
        assert "\n" not in text, f"a message of several lines: {text!r}"
        assert text.endswith("."), f"not a sentence: {text!r}"
        left = [path.name for path in (folder / "out").iterdir()]
        assert not left, f"left behind: {left}"
        return "sentences"
    mine = folder / "out" / "mine"
    if mine.exists() and read_card(mine)["features"]:
        load_collection(mine)
    elif mine.exists():
        statistics(pq.read_table(mine / "images.parquet"))
    return "collections"


def made(source: object, options: object, folder: Path) -> None:
    """Make the collection ``folder/out/mine``."""
    make(source.read, options, folder / "out" / "mine", False, HOW)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
