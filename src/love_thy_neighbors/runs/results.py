"""The files of a finished run that other programs read, and the head of each ``results.json``."""

import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from love_thy_neighbors.atomic import write_json, write_npy, written_whole
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.identity import identity
from love_thy_neighbors.runs.settings import Settings

RESULTS = "results.json"
BASELINE_RUN = "baseline_run"  # key of results.json: the folder name of the run that this one is compared with
MODEL = "model"  # a folder, see model_folder
CHECKPOINT = "last.ckpt"
CURVES = "metrics.csv"
ARRAYS = (
    "scores",
    "rows",
    "neighbors",
    "image_part",
    "neighborhood_part",
    "bias",
    "W_y",
    "probability",
    "chance",
)
PACKAGES = ("love-thy-neighbors", "torch", "pytorch-lightning", "torchmetrics", "numpy", "scipy", "numba")


def begin(folder: Path, settings: Settings, keep_checkpoint: bool = False) -> None:
    """Write ``config.yaml`` and remove the files of an earlier attempt, but its checkpoint with ``keep_checkpoint``."""
    for unfinished in folder.glob(".*.tmp"):
        unfinished.unlink()
    for name in (RESULTS, "model.ckpt", *(f"{array}.npy" for array in ARRAYS)):  # results first
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / MODEL, ignore_errors=True)
    if not keep_checkpoint:
        (folder / CHECKPOINT).unlink(missing_ok=True)
        (folder / CURVES).unlink(missing_ok=True)
    with written_whole(folder / "config.yaml") as path:
        OmegaConf.save(OmegaConf.create(identity(settings)), path)


def write_results(
    folder: Path, settings: Settings, seconds: float, arrays: Mapping[str, np.ndarray | None], **figures: Any
) -> None:
    """Write a run's arrays (None is skipped), and last ``results.json``: a run that has it is finished."""
    for name, array in arrays.items():
        if array is not None:
            write_npy(folder / f"{name}.npy", np.asarray(array))
    kept = identity(settings)
    head = {
        "measure": settings.measure,
        "collection": settings.collection.name,
        "collection_dir": str(settings.collection.folder.absolute()),
        "model": settings.model.name if "model" in kept else None,
        "split": kept.get("split"),
        "seed": kept.get("seed"),
    }
    versions = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    foot = {"config": kept, "wall_time_s": round(seconds, 1), "versions": versions}
    write_json(folder / RESULTS, head | figures | foot)


def record_baseline(folder: Path, name: str) -> None:
    """Add to a finished run's ``results.json`` the folder name of the run that it is compared with."""
    results = read_results(folder)
    if results.get(BASELINE_RUN) != name:  # a file that stays as it is keeps its time
        write_json(folder / RESULTS, results | {BASELINE_RUN: name})


def read_results(folder: Path) -> dict[str, Any]:
    """The content of a finished run's ``results.json``; raises `UserError` if it is damaged."""
    path = folder / RESULTS
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        results[results["measure"]] if results["measure"] != "annotation" else results["test"]["mAP_L"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        pass_on_refusal(path, error)
        raise UserError(
            f"{path}: not a readable result ({type(error).__name__}: {error}); do the job again with overwrite=true."
        ) from None
    return dict(results)
