"""Image features phi(x) from a pretrained backbone, extracted in batches and continued where a run
was cut off.

Extraction works through the images in order, on a cluster nearly so. Finished rows stand in ``<partial>/features.npy``
and which they are in ``<partial>/progress.json``; both belong to a key made of everything the features
depend on, so that rows of a changed input are never mixed with old ones.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.features.backbones import Backbone, load_backbone
from love_thy_neighbors.features.decoding import Decoding, decoded_batches
from love_thy_neighbors.features.network import choose_device, choose_precision, exact_cudnn, forwarded
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.progress import progress_bar


@dataclass(frozen=True)
class Extracted:
    """``table`` float32 [N, d], memory-mapped; ``thumbnails`` holds ``<row>.webp``; ``rejected``
    maps row to reason.

    The rows of rejected images are zero and have no thumbnail.
    """

    table: np.ndarray
    thumbnails: Path | None
    rejected: dict[int, str]
    backbone: Backbone
    how: Extraction

    def card(self) -> dict[str, Any]:
        """What a collection's card says of these features."""
        return describe(self.backbone, self.how)


def describe(backbone: Backbone, how: Extraction) -> dict[str, Any]:
    """What a collection's card says of features that are extracted so."""
    how = _settled(how)
    return {
        **backbone.about,
        "sha256_of_weights": backbone.sha256,
        "preprocessing": backbone.preprocessing.at(how.size).text(how.fit),
        "precision": how.precision if how.precision != "auto" else choose_precision("auto", choose_device(how.device)),
    }


def chosen_backbone(how: Extraction) -> Backbone:
    """The backbone that ``how`` names, on its device, with its weights; raises `UserError` if it cannot be had.

    With a cluster it is loaded here only to know what it is.
    """
    return load_backbone(how.backbone, choose_device("cpu" if how.engine.name == "ray" else how.device), how.weights)


def _settled(how: Extraction) -> Extraction:
    """``how`` with a device and a precision that do not depend on this machine, where other machines do the work."""
    if how.engine.name == "local":
        return how
    from love_thy_neighbors.features.on_ray import settled  # Ray takes a second, and may not be installed

    return settled(how)


def extract_features(
    files: Sequence[Path],
    how: Extraction,
    partial: Path,
    stop: Callable[[int, str], Exception] | None = None,
    backbone: Backbone | None = None,
) -> Extracted:
    """Features and thumbnails of ``files``, in their order; continues what ``partial`` holds of the
    same input.

    ``stop(row, reason)`` makes the exception that the first unusable image raises (with a cluster, one of the block
    that is finished first); without it such rows are zero and listed in ``rejected``. The same files give the same rows
    however often the run was cut off, since a batch always holds the same images.

    Raises `UserError` for a device or backbone that cannot be had, a batch that the GPU has no memory for, and a worker
    process that dies.
    """
    how = _settled(how)
    backbone = backbone or chosen_backbone(how)
    state = _Partial.open(partial, _key(files, how, backbone), len(files), backbone.dim)
    thumbnails = state.thumbnails if how.thumbnail else None
    if how.engine.name == "ray":
        from love_thy_neighbors.features.on_ray import BATCHES, extracted_on_cluster

        missing = state.missing(BATCHES * how.batch_size)
        found = extracted_on_cluster(files, missing, how, backbone, state.thumbnails)
    else:
        found = _extracted(files, state.done, how, backbone, thumbnails, stop)
    where = "ray" if how.engine.name == "ray" else choose_device(how.device).type
    bar = progress_bar(f"images ({where})", len(files), done=state.count)
    # Closed here and now when something goes wrong, so that no process outlives this function.
    with bar as advance, closing(found) as blocks:
        for rows, values, reasons in blocks:
            if stop and reasons:
                raise stop(*min(reasons.items()))
            values[[row - rows.start for row in reasons]] = 0
            state.add(rows, values, reasons)
            advance(len(rows))
    return Extracted(state.table, thumbnails, state.rejected, backbone, how)


def _extracted(
    files: Sequence[Path],
    done: int,
    how: Extraction,
    backbone: Backbone,
    thumbnails: Path | None,
    stop: Callable[[int, str], Exception] | None,
) -> Generator[tuple[range, np.ndarray, dict[int, str]]]:
    """Yield, from row ``done`` on and in order, a batch's rows, their features and the reasons of unusable ones."""
    device = choose_device(how.device)
    precision = choose_precision(how.precision, device)
    decoding = Decoding(backbone.preprocessing.at(how.size), how.fit, how.max_pixels, thumbnails, how.thumbnail)
    decoded = closing(decoded_batches(files, done, how.batch_size, decoding, how.workers))
    with decoded as batches, torch.inference_mode(), exact_cudnn():
        for rows, pixels, reasons in batches:
            if stop and reasons:  # before the network takes its time
                raise stop(*min(reasons.items()))
            yield rows, forwarded(backbone, pixels, device, precision), reasons


def _key(files: Sequence[Path], how: Extraction, backbone: Backbone) -> str:
    """A digest of everything the rows depend on; a file counts by its path, size and time of
    change."""
    settings = (how.max_pixels, how.thumbnail, how.batch_size, describe(backbone, how))
    made_by = (backbone.name, asdict(backbone.preprocessing), Image.__version__)
    digest = hashlib.sha256(json.dumps([settings, made_by]).encode())
    for file in files:
        try:
            found = file.stat()
            line = f"{file}\0{found.st_size}\0{found.st_mtime_ns}\n"
        except OSError:
            line = f"{file}\0missing\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@dataclass
class _Partial:
    """The finished rows of an extraction, on disk: those before ``done``, and from each key of ``later`` up to its
    value."""

    folder: Path
    key: str
    table: np.memmap
    done: int
    later: dict[int, int]
    rejected: dict[int, str]

    @property
    def thumbnails(self) -> Path:
        return self.folder / "thumbnails"

    @classmethod
    def open(cls, folder: Path, key: str, rows: int, dim: int) -> "_Partial":
        """Continue ``folder`` if its key is ``key``, else start it anew."""
        path = folder / "features.npy"
        try:
            progress = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
            if progress["key"] == key:
                table = np.lib.format.open_memmap(path, mode="r+")
                rejected = {int(row): reason for row, reason in progress["rejected"].items()}
                later = {int(start): int(stop) for start, stop in progress.get("later", {}).items()}
                return cls(folder, key, table, int(progress["done"]), later, rejected)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no usable beginning: start anew
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "thumbnails").mkdir(parents=True)
        table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, dim))
        return cls(folder, key, table, 0, {}, {})

    @property
    def count(self) -> int:
        return self.done + sum(stop - start for start, stop in self.later.items())

    def missing(self, block: int) -> list[range]:
        """Blocks of at most so many rows that are not finished."""
        blocks, at = [], self.done
        for start in [*sorted(self.later), len(self.table)]:
            blocks += [range(first, min(first + block, start)) for first in range(at, start, block)]
            at = self.later.get(start, start)
        return blocks

    def add(self, rows: range, values: np.ndarray, reasons: dict[int, str]) -> None:
        self.table[rows.start : rows.stop] = values
        self.table.flush()  # rows first, then the count that vouches for them
        if rows.start >= self.done:
            self.later[rows.start] = rows.stop
        while self.done in self.later:
            self.done = self.later.pop(self.done)
        self.rejected.update(reasons)
        progress = {"key": self.key, "done": self.done, "later": self.later, "rejected": self.rejected}
        write_json(self.folder / "progress.json", progress)
