"""The files of a finished run that other programs read, and the head of each ``results.json``."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from omegaconf import OmegaConf

from love_thy_neighbors.atomic import write_json, write_npy, written_whole
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import remove_own, remove_remains, require_own
from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.runs.identity import identity
from love_thy_neighbors.runs.settings import Settings

RESULTS = "results.json"
BASELINE_RUN = "baseline_run"  # key of results.json: the folder name of the run that this one is compared with
CONFIG = "config.yaml"
MODEL = "model"  # a folder, see model_folder
CHECKPOINT = "last.ckpt"
CURVES = "metrics.csv"
ARRAYS = (
    "scores",
    "rows",
    "neighbors",
    "image_part",
    "neighborhood_part",
    "relation_parts",
    "bias",
    "W_y",
    "probability",
    "chance",
)
_KEYS = {CONFIG: {"measure", "data"}, RESULTS: {"measure", "config"}}  # that tell a run's files from others
_LARGEST = 64 << 20  # bytes of a file that is looked at
PACKAGES = ("love-thy-neighbors", "torch", "pytorch-lightning", "torchmetrics", "numpy", "scipy", "numba")


def begin(folder: Path, settings: Settings, keep_checkpoint: bool = False) -> None:
    """Write ``config.yaml`` and remove the files of an earlier attempt, but its checkpoint with ``keep_checkpoint``.

    Raises `UserError`, and removes nothing, if ``folder`` is not a run's and has files of these names, or if somebody
    keeps other files in ``model/``.
    """
    from love_thy_neighbors.runs.model_folder import NAMES  # torch takes seconds to import

    training = (CHECKPOINT, CURVES)
    # Lightning writes it by itself in a job of SLURM, and prefers it to the model that it is given.
    foreign = [path.name for path in sorted(folder.glob("hpc_ckpt_*.ckpt"))]
    results = (RESULTS, "model.ckpt", *(f"{array}.npy" for array in ARRAYS), *foreign)  # results first
    _require_run(folder, (*results, MODEL, CONFIG) if keep_checkpoint else (*results, MODEL, CONFIG, *training))
    require_own(folder / MODEL, NAMES)
    for name in (*results, MODEL, CONFIG, *training):
        remove_remains(folder / name)
    (folder / f".{CHECKPOINT}.tmp").unlink(missing_ok=True)  # of versions before 0.2
    for name in results if keep_checkpoint else (*results, *training):
        (folder / name).unlink(missing_ok=True)
    remove_own(folder / MODEL, NAMES)
    with written_whole(folder / CONFIG) as path:
        OmegaConf.save(OmegaConf.create(identity(settings)), path)


def _require_run(folder: Path, names: Sequence[str]) -> None:
    """Raise `UserError` if ``folder`` has any of ``names``, but neither the config nor the results of a run."""
    there = [name for name in names if os.path.lexists(folder / name)]
    if there and not any(_is_mapping(folder / name, keys) for name, keys in _KEYS.items()):
        raise UserError(
            f"{folder} holds {', '.join(there[:5])}, which a run would replace, but it is not a run's folder (it has "
            f"no {CONFIG} of a run); move them away, or give another folder."
        )


def _is_mapping(path: Path, keys: set[str]) -> bool:
    """Whether the YAML or JSON file ``path`` is a mapping that has ``keys``."""
    try:
        if path.stat().st_size > _LARGEST:
            return False
        values = read_json(path) if path.suffix == ".json" else yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False
    return isinstance(values, dict) and keys <= values.keys()


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
        remove_remains(folder / RESULTS)
        write_json(folder / RESULTS, results | {BASELINE_RUN: name})


def read_results(folder: Path) -> dict[str, Any]:
    """The content of a finished run's ``results.json``; raises `UserError` if it is damaged."""
    path = folder / RESULTS
    try:
        results = read_json(path)
        results[results["measure"]] if results["measure"] != "annotation" else results["test"]["mAP_L"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        pass_on_refusal(path, error)
        raise UserError(
            f"{path}: not a readable result ({type(error).__name__}: {error}); do the job again with overwrite=true."
        ) from None
    return dict(results)
