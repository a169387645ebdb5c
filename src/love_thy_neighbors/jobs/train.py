"""Fit a model by gradient descent on one split, and evaluate its best epoch."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.runs.checkpoints import read_checkpoint, save_model
from love_thy_neighbors.runs.identity import differences, identity
from love_thy_neighbors.runs.results import CHECKPOINT, MODEL, begin, write_results
from love_thy_neighbors.training.batches import hash_seed
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.loggers import close_loggers, log_result, make_loggers
from love_thy_neighbors.training.processes import give_large_blocks_back, is_main_process
from love_thy_neighbors.training.snapshots import Snapshots
from love_thy_neighbors.training.task import AnnotationTask

log = logging.getLogger(__name__)


def train(config: dict[str, Any], folder: Path, resume: bool) -> None:
    """Train the model of a config, or with ``resume`` train it on, and write its results into ``folder``."""
    give_large_blocks_back()
    data = make_data(config)
    arguments = model_arguments(config, data)
    torch.manual_seed(hash_seed(config["seed"]))
    task = make_task(config, arguments)
    checkpoint = _checkpoint(config, folder, resume, task)
    if is_main_process():
        begin(folder, config, keep_checkpoint=checkpoint == folder / CHECKPOINT)
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
            arrays = tested_arrays(task, data)
            write_results(folder, config, snapshots.seconds, arrays, **figures, best_epoch=snapshots.best_epoch)
            log_result(loggers, figures)
        trainer.strategy.barrier()  # no process reads results.json before it is there
    finally:
        close_loggers(loggers)


def tested_arrays(task: AnnotationTask, data: NeighborhoodData) -> dict[str, np.ndarray | None]:
    """Scores of the test images, their row numbers and their neighbours, None for a model without."""
    scores, rows = task.scores.cpu().numpy(), task.rows.cpu().numpy()
    return {"scores": scores, "rows": rows, "neighbors": data.lists("test")}


def _fit(trainer: pl.Trainer, task: AnnotationTask, data: NeighborhoodData, checkpoint: Path | None) -> None:
    try:
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except MisconfigurationException as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from None
    except SystemExit as leaving:
        # Lightning leaves without a word on Ctrl-C and SIGTERM; submitit, to queue the job again, by its own status.
        if trainer.interrupted and leaving.code in (1, None):
            raise KeyboardInterrupt from None
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
