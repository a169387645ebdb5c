"""One training job, from a checked config to ``results.json``.

A run folder holds

    config.yaml     the settings that the result depends on
    last.ckpt       the last epoch's state, best weights and curves: all that a killed run needs to go on
    metrics.csv     the curves, one line an epoch
    model.ckpt      the best epoch's model; `checkpoints.load_model` reads it
    scores.npy      float32 [N_test, L], label scores of the test images
    rows.npy        int64 [N_test], their row numbers in the collection
    neighbors.npy   int32 [N_test, M], row numbers of their nearest neighbours, -1 for none (not of visual baselines)
    results.json    figures for val and test in percent, config, wall time, versions; written last, so its presence
                    says that the job is finished
"""

import json
import logging
import platform
import warnings
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from love_thy_neighbors import tables
from love_thy_neighbors.atomic import write_json, write_npy, written_whole
from love_thy_neighbors.checkpoints import MODELS, read_checkpoint, save_model
from love_thy_neighbors.data import NeighborhoodData, hash_seed
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.identity import differences, identity, run_name
from love_thy_neighbors.loggers import close_loggers, log_result, make_loggers
from love_thy_neighbors.neighbor_lists import NeighborQuery
from love_thy_neighbors.processes import is_main_process
from love_thy_neighbors.snapshots import CHECKPOINT, CURVES, Snapshots
from love_thy_neighbors.task import AnnotationTask

log = logging.getLogger(__name__)

RESULTS = "results.json"
MODEL = "model.ckpt"
SCORES = "scores.npy"
ROWS = "rows.npy"
NEIGHBORS = "neighbors.npy"
PACKAGES = (
    "love-thy-neighbors",
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "scipy",
    "numba",
)


def train_and_compare(config: dict[str, Any], folder: Path, baseline: dict[str, Any] | None) -> float:
    """Do a job and, if need be, its baseline's; print config, table and places. Returns validation mAP_L."""
    _quieten()
    if is_main_process():
        tables.print_config(config)
    results = finish(config, folder, overwrite=config["overwrite"], resume=config["resume"], wait=False)
    compared = None
    if baseline is not None:
        place = Path(baseline["logs"]) / run_name(baseline)
        compared = finish(baseline, place, overwrite=False, resume=True, wait=True)
    if is_main_process():
        tables.print_results(results, compared)
        tables.print_places(folder)
    return results["val"]["mAP_L"]


def finish(config: dict[str, Any], folder: Path, *, overwrite: bool, resume: bool, wait: bool) -> dict[str, Any]:
    """The results of a job: read if it has finished, else computed.

    A lock on the folder keeps two processes from doing the same job at once; with ``wait`` the second one waits and
    then finds it finished. The lock is the operating system's, so that of a killed process is free again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=-1 if wait else 0) if is_main_process() else nullcontext()
    try:
        with lock:
            if _must_train(folder, overwrite):
                _train(config, folder, resume)
            elif is_main_process():
                tables.print_skipped(folder)
            return _read_results(folder / RESULTS)
    except Timeout:
        raise UserError(
            f"{folder}: another process is doing this very job; wait for it, or change a setting."
        ) from None


def _must_train(folder: Path, overwrite: bool) -> bool:
    """Whether the job is still to be done; in a distributed run the first process decides for all."""
    decision = [overwrite or not (folder / RESULTS).is_file()]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(decision)
    return decision[0]


def _read_results(path: Path) -> dict[str, Any]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        results["val"]["mAP_L"], results["test"]["mAP_L"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not a readable result ({type(error).__name__}: {error}); train again with overwrite=true."
        ) from None
    return results


def _train(config: dict[str, Any], folder: Path, resume: bool) -> None:
    data = make_data(config)
    arguments = {
        "dim": data.dim,
        "labels": len(data.collection.label_names),
        **config["model"]["arguments"],
    }
    torch.manual_seed(hash_seed(config["seed"]))
    task = make_task(config, arguments)
    checkpoint = _checkpoint(config, folder, resume, task)
    if is_main_process():
        _clear(folder, keep_checkpoint=checkpoint == folder / CHECKPOINT)
        with written_whole(folder / "config.yaml") as path:
            OmegaConf.save(OmegaConf.create(identity(config)), path)
    snapshots = Snapshots(folder, identity(config))
    loggers = make_loggers(config, folder)
    trainer = make_trainer(config, [snapshots], loggers, folder)
    try:
        _fit(trainer, task, data, checkpoint)
        task.model.load_state_dict(snapshots.best_weights)
        trainer.validate(task, datamodule=data, verbose=False)
        figures = {"val": task.figures}
        trainer.test(task, datamodule=data, verbose=False)
        figures["test"] = task.figures
        if trainer.is_global_zero:
            about = {"labels": list(data.collection.label_names), "config": identity(config)}
            save_model(folder / MODEL, config["model"]["name"], arguments, snapshots.best_weights, about)
            _write_results(folder, task, data.lists("test"), _results(config, figures, snapshots))
            log_result(loggers, figures)
        trainer.strategy.barrier()  # no process reads results.json before it is there
    finally:
        close_loggers(loggers)


def _fit(trainer: pl.Trainer, task: AnnotationTask, data: NeighborhoodData, checkpoint: Path | None) -> None:
    try:
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except MisconfigurationException as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from None
    except SystemExit:
        if trainer.interrupted:  # Lightning leaves without a word on Ctrl-C
            raise KeyboardInterrupt from None
        raise


def _write_results(folder: Path, task: AnnotationTask, lists: np.ndarray | None, results: dict[str, Any]) -> None:
    """Write what a reader of the run relies on; results.json, which says that the run is finished, last."""
    write_npy(folder / SCORES, task.scores.cpu().numpy())
    write_npy(folder / ROWS, task.rows.cpu().numpy())
    if lists is not None:
        write_npy(folder / NEIGHBORS, np.asarray(lists))
    write_json(folder / RESULTS, results)


def make_data(config: dict[str, Any]) -> NeighborhoodData:
    """The DataModule that a config describes."""
    query, test_query = None, None
    if config["model"]["neighbors"]:
        query, test_query = (
            NeighborQuery(config[key]["type"], config[key]["tau"], config["pool"])
            for key in ("metadata", "test_metadata")
        )
    data = config["data"]
    return NeighborhoodData(
        folder=Path(data["dir"]),
        backbone=data["backbone"],
        split=config["split"],
        sizes=data["split_sizes"],
        split_by=config["split_by"],
        keep_unlabelled=config["keep_unlabelled"],
        discard_without_metadata=data["discard_without_metadata"],
        query=query,
        test_query=test_query,
        m=config["m"],
        M=config["M"],
        train=config["neighborhoods"]["train"],
        test=config["neighborhoods"]["test"],
        fill=config["neighborhoods"]["fill"],
        drop=config["neighborhoods"]["drop"],
        batch_size=config["batch_size"],
        seed=config["seed"],
        cache=Path(config["cache"]),
    )


def make_task(config: dict[str, Any], arguments: dict[str, Any]) -> AnnotationTask:
    """The LightningModule that a config describes, around a new model built with ``arguments``."""
    return AnnotationTask(
        MODELS[config["model"]["name"]](**arguments),
        labels=arguments["labels"],
        m=config["m"],
        train=config["neighborhoods"]["train"],
        test=config["neighborhoods"]["test"],
        lr=config["lr"],
        decay=config["rmsprop_decay"],
        l2=config["l2"],
        n=config["top_n"],
        seed=config["seed"],
    )


def make_trainer(config: dict[str, Any], callbacks: list[Callback], loggers: list[Any], folder: Path) -> pl.Trainer:
    """Lightning's Trainer from the config group ``trainer``; a device that is not there is the user's mistake."""
    if config["trainer"]["enable_progress_bar"]:
        callbacks = [*callbacks, RichProgressBar(refresh_rate=10)]
    try:
        return instantiate(
            config["trainer"],
            callbacks=callbacks,
            logger=loggers or False,
            default_root_dir=str(folder),
            enable_checkpointing=False,  # Snapshots does it
            use_distributed_sampler=False,  # IndexBatches deals out its rows itself
        )
    except Exception as error:
        cause = error.__cause__
        if isinstance(cause, MisconfigurationException | ValueError | TypeError):
            raise UserError(f"trainer: {str(cause).splitlines()[0]}") from None
        raise


def _checkpoint(config: dict[str, Any], folder: Path, resume: bool, task: AnnotationTask) -> Path | None:
    """The checkpoint to go on from, checked against the model; None to start from scratch."""
    path = folder / CHECKPOINT
    if resume and path.is_file():
        try:
            read_checkpoint(path)
            return path
        except UserError as error:  # nothing is lost by starting again but time
            log.warning("%s Starting from the first epoch.", error)
    if config["ckpt_path"] is None:
        return None
    path = Path(config["ckpt_path"])
    saved = read_checkpoint(path)
    if not {"state_dict", "loops", "callbacks", "epoch"} <= saved.keys() or "Snapshots" not in saved["callbacks"]:
        raise UserError(f"{path}: not the last.ckpt of a run, which holds more than a model; give that one.")
    shapes = {key: tuple(value.shape) for key, value in saved["state_dict"].items()}
    for key, value in task.state_dict().items():
        if shapes.get(key) != tuple(value.shape):
            raise UserError(
                f"{path}: {key} is {shapes.get(key, 'missing')} there and {tuple(value.shape)} in this model; give the "
                "checkpoint of a run with the same collection, model and h."
            )
    other = differences(identity(config), saved["callbacks"]["Snapshots"]["identity"])
    if other:
        raise UserError(
            f"{path}: that run's settings differ in {', '.join(other)}; give a checkpoint of the same ones."
        )
    done = saved["epoch"] + 1
    if done > config["epochs"]:
        raise UserError(f"{path}: has {done} epochs already; give epochs={done} or more.")
    return path


def _clear(folder: Path, keep_checkpoint: bool) -> None:
    """Remove what an earlier attempt left, results first, so that nothing in the folder is of another run."""
    for unfinished in folder.glob(".*.tmp"):
        unfinished.unlink()
    for name in (RESULTS, MODEL, SCORES, ROWS, NEIGHBORS):
        (folder / name).unlink(missing_ok=True)
    if not keep_checkpoint:
        (folder / CHECKPOINT).unlink(missing_ok=True)
        (folder / CURVES).unlink(missing_ok=True)


def _results(config: dict[str, Any], figures: dict[str, Any], snapshots: Snapshots) -> dict[str, Any]:
    return {
        "collection": config["data"]["name"],
        "model": config["model"]["name"],
        "split": config["split"],
        "seed": config["seed"],
        **figures,
        "best_epoch": snapshots.best_epoch,
        "config": identity(config),
        "wall_time_s": round(snapshots.seconds, 1),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


def _quieten() -> None:
    """Lightning's notices on hardware and data loaders say nothing that the config does not."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
