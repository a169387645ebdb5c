"""A made-up collection of any size: ``python prepare.py source=synthetic images=190253 dim=4096 seed=0
out=data/synthetic``.

It is for benchmarks and for trying the whole protocol at full size: it has about the counts of the paper's Table 1, and
neighbours help on it. Its numbers say nothing about photographs. The same images, dim and seed give the same collection
byte for byte on any number of threads; another version of NumPy may draw other numbers.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from love_thy_neighbors.disk import write_head
from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.rejects import Rejects
from love_thy_neighbors.sources.release import FinishedTable, Release
from love_thy_neighbors.sources.synthetic.metadata import FULL, Entries, made_up_entries
from love_thy_neighbors.sources.tables import list_column

NAME = "synthetic"  # of the collection and of its feature table
LEAST, MOST = 81, 2**22  # images: one for each label, and as many as Arrow has room for in a column of strings (2 GiB)
_PROTOTYPES, _BLOCK = 0xFEA70, 0xFEA71  # seeds of these draws
_ROWS = 1024  # images in a block; the draws depend on it
_ACTIVE = 0.1  # share of the dimensions in which a label's prototype is not zero
_STRENGTH = 6.0  # length of a prototype; the noise has standard deviation 1 in each dimension
_FALSE = 3  # labels that an image looks like but does not have
_THRESHOLD = 0.5  # is subtracted before negative values become 0, as 69 % of pure noise does

_WHAT = "Made up by a program: there are no photographs, and numbers on it say nothing about photographs."
_ABOUT = {
    "labels": "About as many images a label as in the paper's Table 1: 90 % near the label's home on a hidden line of "
    "topics, the others anywhere.",
    "tags": "A log-normal law with about the mean of Table 1; half of a tag's images are near its home.",
    "sets": "Albums: runs of one owner's images along the line of topics.",
    "groups": "A log-normal law with about the mean of Table 1; 70 % of a group's images are near its home.",
    "features": "max(0, s + e - 0.5), e standard normal. s is a sum of sparse prototypes: one of length up to 6, at "
    "random, for each of the image's labels and for three labels drawn at random.",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys of configs/source/synthetic.yaml; raises `UserError`."""

    images: int = FULL
    dim: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        for key, least in (("images", LEAST), ("dim", 1), ("seed", 0)):
            require_whole(key, getattr(self, key), least)
        if self.images > MOST:
            raise UserError(f"images: {self.images} is more than {MOST}, the most that can be made up; give fewer.")


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """Make up the images, and write their features into ``partial``."""
    partial.mkdir(parents=True, exist_ok=True)
    entries, owners = made_up_entries(options.images, options.seed)
    path = partial / "made_up.npy"
    write_features(path, entries["labels"], options.dim, options.seed)
    return Release(
        name=NAME,
        table=_table(entries, owners),
        rejects=Rejects(NAME, "image", "stop"),
        about=_about(options),
        features=FinishedTable(NAME, path, {"source": _WHAT, "how": _ABOUT["features"]}),
        published=TABLE_1 if options.images == FULL else {},
    )


def _about(options: Options) -> dict[str, Any]:
    return {
        "what": _WHAT,
        "source": {"program": "prepare.py source=synthetic", **asdict(options), "numpy": np.__version__},
        "licence": "none needed: made up",
        "labels": {"how": _ABOUT["labels"]},
        "metadata": {kind: {"how": _ABOUT[kind]} for kind in ("tags", "sets", "groups")},
        "owner": "made up; about one for 15 images",
    }


def _table(entries: dict[str, Entries], owners: np.ndarray) -> pa.Table:
    """The columns of ``images.parquet``; no Python string is made for an entry."""
    columns = {
        "id": _names("image", len(owners)),
        "owner": _names("owner", int(owners.max()) + 1).take(pa.array(owners)),
    }
    for kind in ("labels", "tags", "sets", "groups"):
        found = entries[kind]
        columns[kind] = list_column(found.offsets, found.codes, _names(kind.removesuffix("s"), found.values))
    return pa.table(columns)


def _names(word: str, number: int) -> pa.Array:
    """``word_000`` and so on, ``number`` of them, of equal length, so that their order is that of the numbers."""
    digits = pc.utf8_lpad(pa.array(np.arange(number)).cast(pa.string()), len(str(number - 1)), "0")
    return pc.binary_join_element_wise(f"made_up_{word}", digits, "_")


def write_features(path: Path, labels: Entries, dim: int, seed: int) -> None:
    """Write features float16 [N, dim] that show ``labels`` through noise, block by block.

    A feature vector shows the image's labels, each with a random strength from 0 to 1, and `_FALSE` other labels, drawn
    by frequency. A rare label looks like a false one, and only the neighbours tell them apart. The file is written, not
    memory-mapped, because mapped pages count as memory.
    """
    images = len(labels.offsets) - 1
    prototypes = _prototypes(np.random.default_rng([_PROTOTYPES, seed]), labels.values, dim)
    with path.open("wb") as file, progress_bar("made-up features", images) as advance:
        write_head(file, path, "<f2", (images, dim))
        for block, start in enumerate(range(0, images, _ROWS)):
            rows = slice(start, min(start + _ROWS, images))
            rng = np.random.default_rng([_BLOCK, seed, block])
            file.write(_features(rng, labels, rows, prototypes).astype("<f2").data)
            advance(rows.stop - rows.start)


def _prototypes(rng: np.random.Generator, labels: int, dim: int) -> np.ndarray:
    """One sparse, non-negative vector [L, dim] of length `_STRENGTH` for each label; float32."""
    active = max(1, round(_ACTIVE * dim))
    weights = np.zeros((labels, dim), dtype=np.float32)
    places = np.argsort(rng.random((labels, dim)), axis=1, kind="stable")[:, :active]
    np.put_along_axis(weights, places, rng.uniform(0.5, 1.5, (labels, active)).astype(np.float32), axis=1)
    return weights * (_STRENGTH / np.sqrt((weights**2).sum(axis=1, keepdims=True)))


def _features(rng: np.random.Generator, labels: Entries, rows: slice, prototypes: np.ndarray) -> np.ndarray:
    """Features [B, dim], float32, of the images ``rows``.

    The product is with a sparse matrix: BLAS may round differently on another number of threads.
    """
    number = rows.stop - rows.start
    offsets = labels.offsets[rows.start : rows.stop + 1]
    true = labels.codes[offsets[0] : offsets[-1]]
    false = labels.codes[rng.integers(0, len(labels.codes), number * _FALSE)]
    images = np.concatenate([np.repeat(np.arange(number), np.diff(offsets)), np.repeat(np.arange(number), _FALSE)])
    strengths = rng.random(len(images), dtype=np.float32)
    shown = sparse.csr_array((strengths, (images, np.concatenate([true, false]))), shape=(number, len(prototypes)))
    values = rng.standard_normal((number, prototypes.shape[1]), dtype=np.float32)
    values += shown @ prototypes
    values -= np.float32(_THRESHOLD)
    return np.maximum(values, 0, out=values)
