"""Extracts image features phi(x) with a pretrained backbone, in batches; continues an interrupted extraction.

Finished rows are stored in ``<partial>/features.npy``, and their numbers in ``<partial>/progress.json`` together with a
hash of everything that the features depend on. If the input changes, the hash differs and the extraction starts again.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.disk import new_table
from love_thy_neighbors.features.backbones import Backbone, load_backbone, table_name
from love_thy_neighbors.features.decoding import Decoding, decoded_batches
from love_thy_neighbors.features.images import file_stamp
from love_thy_neighbors.features.network import choose_device, choose_precision, compute_features, exact_cudnn
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.ownership import known_names, remove_own
from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.progress import progress_bar

SAME = ("sha256_of_weights", "preprocessing", "precision")  # keys of the card that decide what features are
_NAMES = known_names(r"features\.npy", r"progress\.json", "thumbnails/", r"thumbnails/\d+\.webp")


@dataclass(frozen=True)
class Extracted:
    """``table`` float32 [N, d], memory-mapped; ``thumbnails`` is a folder of ``<row>.webp``; ``rejected`` maps rows to
    reasons. Rejected images have a row of zeros and no thumbnail. ``card`` is the entry of the features in the card.
    """

    table: np.ndarray
    thumbnails: Path | None
    rejected: dict[int, str]
    backbone: Backbone
    card: dict[str, Any]


def chosen_backbone(how: Extraction) -> Backbone:
    """The backbone that ``how`` names, on its device, with its weights; raises `UserError` if it is not available.

    With a cluster this copy only describes the features.
    """
    return load_backbone(how.backbone, choose_device("cpu" if how.engine.name == "ray" else how.device), how.weights)


def with_device(how: Extraction) -> Extraction:
    """``how`` with the device and the precision that 'auto' means on this machine, or on the workers of a cluster."""
    if how.engine.name == "ray":  # late: Ray is slow to import, and optional
        from love_thy_neighbors.features.on_ray import resolved

        return resolved(how)
    device = choose_device(how.device)
    return replace(how, device=str(device), precision=choose_precision(how.precision, device))


def described(backbone: Backbone, how: Extraction) -> dict[str, Any]:
    """The entry in the card of features that ``backbone`` makes; ``how`` is what `with_device` returns.

    Two tables with the same values of `SAME` may be put together.
    """
    # The name of a table has no '/', so a network whose name has one could not be found again.
    full = {"backbone": how.backbone} if backbone.name == table_name(how.backbone) != how.backbone else {}
    return (
        backbone.about
        | full
        | {
            "sha256_of_weights": backbone.sha256,
            "preprocessing": backbone.preprocessing.at(how.size).text(how.fit),
            "precision": how.precision,
        }
    )


def extract_features(
    files: Sequence[Path],
    how: Extraction,
    partial: Path,
    refuse: Callable[[int, str], None] | None = None,
    backbone: Backbone | None = None,
) -> Extracted:
    """Features and thumbnails of ``files``, in their order; continues the extraction in ``partial`` for the same input.

    ``refuse(row, reason)`` is told of each unusable image as soon as it is known, of those that an interrupted run has
    found first; it may raise. The rows of unusable images are zero and listed in ``rejected``. An interrupted and
    continued run gives the same rows, because a batch always holds the same images.

    Raises `UserError` if the device or backbone is not available, the GPU has too little memory for a batch, or a
    worker process dies.
    """
    how, on_ray = with_device(how), how.engine.name == "ray"
    backbone = backbone or chosen_backbone(how)
    card = described(backbone, how)
    state = _Partial.open(partial, _key(files, how, backbone, card), len(files), backbone.dim)
    for row, reason in sorted(state.rejected.items()):
        if refuse:
            refuse(row, reason)
    thumbnails = state.thumbnails if how.thumbnail else None
    if on_ray:  # late: Ray is slow to import, and optional
        from love_thy_neighbors.features.on_ray import BATCHES, extract_on_cluster

        missing = state.missing(BATCHES * how.batch_size)
        found = extract_on_cluster(files, missing, how, backbone, state.thumbnails)
    else:
        found = _extract(files, state.done, how, backbone, thumbnails)
    bar = progress_bar(f"images ({'ray' if on_ray else torch.device(how.device).type})", len(files), done=state.count)
    # The generator is closed on errors too, so that no process outlives this function.
    with bar as advance, closing(found) as blocks:
        for rows, values, reasons in blocks:
            for row, reason in sorted(reasons.items()):
                if refuse:
                    refuse(row, reason)
            values[[row - rows.start for row in reasons]] = 0
            state.add(rows, values, reasons)
            advance(len(rows))
    return Extracted(state.table, thumbnails, state.rejected, backbone, card)


def _extract(
    files: Sequence[Path], done: int, how: Extraction, backbone: Backbone, thumbnails: Path | None
) -> Generator[tuple[range, np.ndarray, dict[int, str]]]:
    """Yield the rows of each batch from row ``done`` on, their features, and the reasons of the unusable rows."""
    decoding = Decoding(backbone.preprocessing.at(how.size), how.fit, how.max_pixels, thumbnails, how.thumbnail)
    decoded = closing(decoded_batches(files, done, how.batch_size, decoding, how.workers))
    with decoded as batches, torch.inference_mode(), exact_cudnn():
        for rows, pixels, reasons in batches:
            yield rows, compute_features(backbone, pixels, torch.device(how.device), how.precision), reasons


def _key(files: Sequence[Path], how: Extraction, backbone: Backbone, card: dict[str, Any]) -> str:
    """A hash of everything that the features depend on; of a file, its path, size and time of change."""
    settings = (how.max_pixels, how.thumbnail, how.batch_size, card)
    made_by = (backbone.name, asdict(backbone.preprocessing), Image.__version__)
    digest = hashlib.sha256(json.dumps([settings, made_by]).encode())
    for file in files:
        digest.update(file_stamp(file))
    return digest.hexdigest()


@dataclass
class _Partial:
    """The finished rows of an extraction, on disk: the rows before ``done``, and ``later`` blocks {start: stop}."""

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
        """Continue the extraction in ``folder`` if its key is ``key``, else start again."""
        path = folder / "features.npy"
        try:
            progress = read_json(folder / "progress.json")
            if progress["key"] == key:
                table = np.lib.format.open_memmap(path, mode="r+")
                rejected = {int(row): reason for row, reason in progress["rejected"].items()}
                later = {int(start): int(stop) for start, stop in progress["later"].items()}
                return cls(folder, key, table, int(progress["done"]), later, rejected)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing usable: start again
        remove_own(folder, _NAMES)
        (folder / "thumbnails").mkdir(parents=True)
        table = new_table(path, np.float32, (rows, dim))
        return cls(folder, key, table, 0, {}, {})

    @property
    def count(self) -> int:
        return self.done + sum(stop - start for start, stop in self.later.items())

    def missing(self, block: int) -> list[range]:
        """The unfinished rows, in blocks of at most ``block`` rows."""
        blocks, at = [], self.done
        for start in [*sorted(self.later), len(self.table)]:
            blocks += [range(first, min(first + block, start)) for first in range(at, start, block)]
            at = self.later.get(start, start)
        return blocks

    def add(self, rows: range, values: np.ndarray, reasons: dict[int, str]) -> None:
        self.table[rows.start : rows.stop] = values
        self.table.flush()  # the rows must be on disk before progress.json says so
        if rows.start >= self.done:
            self.later[rows.start] = rows.stop
        while self.done in self.later:
            self.done = self.later.pop(self.done)
        self.rejected.update(reasons)
        progress = {"key": self.key, "done": self.done, "later": self.later, "rejected": self.rejected}
        write_json(self.folder / "progress.json", progress)
