"""Extracts features on a Ray cluster, for `extraction.extract_features`, in blocks of whole batches.

Each worker loads the network once and reads the pictures by their paths, so every node must see them under the same
paths. Features and thumbnails come back to the program, which writes them. On CPUs the rows are the same bit for bit as
without a cluster, because a batch holds the same images and the network uses the same number of threads.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import ray
import torch

from love_thy_neighbors.cluster.ray_workers import Needs, connect, run_on_cluster
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import Backbone, load_backbone
from love_thy_neighbors.features.decoding import Decoding, decode, make_batch
from love_thy_neighbors.features.network import choose_precision, compute_features, exact_cudnn
from love_thy_neighbors.features.settings import Extraction

BATCHES = 8  # batches in a block: seconds of work on a CPU, and enough for a GPU

_Rows = tuple[range, np.ndarray, dict[int, str]]  # rows, features float32 [B, d], reasons of unusable rows


class _Shared(NamedTuple):
    how: Extraction
    sha256: str  # of the weights, the same on every worker
    threads: int


def resolved(how: Extraction) -> Extraction:
    """``how`` with the device and the precision of the workers: GPUs if the cluster has any."""
    connect(how.engine)
    device = ("cuda" if ray.cluster_resources().get("GPU") else "cpu") if how.device == "auto" else how.device
    precision: Any = choose_precision(how.precision, torch.device("cpu"))
    if how.precision == "auto" and device != "cpu":  # only a node with the GPU knows
        asked: Any = ray.remote(num_gpus=1)(choose_precision)
        precision = ray.get(asked.remote("auto", torch.device("cuda")))
    return replace(how, device=device, precision=precision)


def extract_on_cluster(
    files: Sequence[Path], missing: Sequence[range], how: Extraction, backbone: Backbone, thumbnails: Path
) -> Generator[_Rows]:
    """Write the thumbnails of each ``missing`` block and yield its rows, in the order in which blocks finish.

    Raises `UserError` if a worker has other weights than ``backbone``, and the errors of `run_on_cluster`.
    """
    threads = torch.get_num_threads()
    shared = _Shared(how, backbone.sha256, threads)
    cores = max(int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"])
    needs = Needs(min(threads, cores)) if how.device == "cpu" else Needs(1, 1)

    def argument(rows: range) -> tuple[range, list[Path]]:
        return rows, [files[row] for row in rows]

    for rows, (values, reasons, pictures) in run_on_cluster(how.engine, _load, shared, missing, needs, argument):
        for name, content in pictures.items():
            (thumbnails / name).write_bytes(content)
        yield rows, np.array(values), reasons


def _load(shared: _Shared) -> Callable[[tuple[range, list[Path]]], Any]:
    how = replace(shared.how, device="cpu" if shared.how.device == "cpu" else "cuda")  # a worker sees only its own GPU
    torch.set_num_threads(shared.threads)
    backbone = load_backbone(how.backbone, torch.device(how.device), how.weights)
    if backbone.sha256 != shared.sha256:
        raise UserError(
            f"weights: a node of the cluster has other weights of {how.backbone}; give weights=FILE that all nodes see."
        )
    return partial(_extract, how, backbone)


def _extract(
    how: Extraction, backbone: Backbone, block: tuple[range, list[Path]]
) -> tuple[np.ndarray, dict[int, str], dict[str, bytes]]:
    """Features [B, d] of a block's files, the reasons of its unusable rows, and its thumbnails by file name."""
    rows, files = block
    values, reasons = [], dict[int, str]()
    with TemporaryDirectory() as folder, ThreadPoolExecutor(max(1, how.workers)) as pool:
        thumbnails = Path(folder) if how.thumbnail else None
        preprocessing = backbone.preprocessing.at(how.size)
        decoding = Decoding(preprocessing, how.fit, how.max_pixels, thumbnails, how.thumbnail)
        squares = [pool.submit(decode, decoding, file, row) for row, file in zip(rows, files, strict=True)]
        with torch.inference_mode(), exact_cudnn():
            for start in range(0, len(rows), how.batch_size):
                some = slice(start, start + how.batch_size)
                _, pixels, bad = make_batch(rows[some], [square.result for square in squares[some]], decoding)
                values.append(compute_features(backbone, pixels, torch.device(how.device), how.precision))
                reasons |= bad
        pictures = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return np.concatenate(values), reasons, pictures
