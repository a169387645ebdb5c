"""Image features phi(x) from a pretrained backbone, extracted in batches and continued where a run
was cut off.

Extraction works through the images in order. Finished rows stand in ``<partial>/features.npy`` and
their number in ``<partial>/progress.json``; both belong to a key made of everything the features
depend on, so that rows of a changed input are never mixed with old ones.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.backbones import Backbone, load_backbone
from love_thy_neighbors.decoding import Decoding, decoded_batches
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.extraction import Extraction, Precision
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
    """What a collection's card says of features that are extracted so on this machine."""
    return {
        **backbone.about,
        "sha256_of_weights": backbone.sha256,
        "preprocessing": backbone.preprocessing.at(how.size).text(how.fit),
        "precision": choose_precision(how.precision, choose_device(how.device)),
    }


def choose_device(name: str) -> torch.device:
    """``auto`` is the GPU if there is one; raises `UserError` for a device that this machine
    lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"device: '{name}' cannot be used on this machine; use auto or cpu.") from None
    return device


def choose_precision(name: Precision, device: torch.device) -> str:
    """``auto`` is bfloat16 on an NVIDIA GPU that has it, float16 on an older one, and float32 everywhere else."""
    if name != "auto":
        return name
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def chosen_backbone(how: Extraction) -> Backbone:
    """The backbone that ``how`` names, on its device, with its weights; raises `UserError` if it cannot be had."""
    return load_backbone(how.backbone, choose_device(how.device), how.weights)


def extract_features(
    files: Sequence[Path],
    how: Extraction,
    partial: Path,
    stop: Callable[[int, str], Exception] | None = None,
    backbone: Backbone | None = None,
) -> Extracted:
    """Features and thumbnails of ``files``, in their order; continues what ``partial`` holds of the
    same input.

    ``stop(row, reason)`` makes the exception that the first unusable image raises; without it such
    rows are zero and listed in ``rejected``. The same files give the same rows however often the
    run was cut off, since a batch always holds the same images.

    Raises `UserError` for a device or backbone that cannot be had, a batch that the GPU has no memory for, and a worker
    process that dies.
    """
    device = choose_device(how.device)
    backbone = backbone or chosen_backbone(how)
    state = _Partial.open(partial, _key(files, how, backbone), len(files), backbone.dim)
    thumbnails = state.thumbnails if how.thumbnail else None
    preprocessing = backbone.preprocessing.at(how.size)
    decoding = Decoding(preprocessing, how.fit, how.max_pixels, thumbnails, how.thumbnail)
    # Closed here and now when something goes wrong, so that no process outlives this function.
    decoded = closing(decoded_batches(files, state.done, how.batch_size, decoding, how.workers))
    bar = progress_bar(f"images ({device.type})", len(files), done=state.done)
    with bar as advance, decoded as batches, torch.inference_mode(), _exact_cudnn():
        for rows, pixels, reasons in batches:
            if stop and reasons:
                raise stop(*min(reasons.items()))
            values = _values(backbone, pixels, device, choose_precision(how.precision, device))
            values[[row - rows.start for row in reasons]] = 0
            state.add(rows, values, reasons)
            advance(len(rows))
    return Extracted(state.table, thumbnails, state.rejected, backbone, how)


def _values(backbone: Backbone, pixels: np.ndarray, device: torch.device, precision: str) -> np.ndarray:
    """Features float32 [B, d] of pixels uint8 [B, size, size, 3]."""
    low = torch.autocast(device.type, getattr(torch, precision)) if precision != "float32" else nullcontext()
    try:
        batch = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
        with low:
            return backbone.forward(batch).float().cpu().numpy()
    except torch.OutOfMemoryError:
        raise UserError(
            f"batch_size: the memory of {device} is too small for {len(pixels)} images in {backbone.name}; give fewer."
        ) from None


def _exact_cudnn() -> AbstractContextManager[None]:
    """The same convolution every time, in whole float32."""
    return torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)


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
    """The finished rows of an extraction, on disk."""

    folder: Path
    key: str
    table: np.memmap
    done: int
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
                return cls(folder, key, table, int(progress["done"]), rejected)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no usable beginning: start anew
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "thumbnails").mkdir(parents=True)
        table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, dim))
        return cls(folder, key, table, 0, {})

    def add(self, rows: range, values: np.ndarray, reasons: dict[int, str]) -> None:
        self.table[rows.start : rows.stop] = values
        self.table.flush()  # rows first, then the count that vouches for them
        self.done = rows.stop
        self.rejected.update(reasons)
        progress = {"key": self.key, "done": self.done, "rejected": self.rejected}
        write_json(self.folder / "progress.json", progress)
