"""Fit a model by gradient descent on one split, and evaluate its best epoch."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.build import make_callbacks, make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.jobs.keep_model import Scored, keep_model, other_conditions
from love_thy_neighbors.runs.checkpoints import difference, read_checkpoint
from love_thy_neighbors.runs.identity import differences, identity
from love_thy_neighbors.runs.printing import print_loss, print_profile
from love_thy_neighbors.runs.results import CHECKPOINT, begin, write_results
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.training.batches import hash_seed
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.divergence import divergence
from love_thy_neighbors.training.last_checkpoint import PARTS, fault
from love_thy_neighbors.training.loggers import close_loggers, log_result, make_loggers
from love_thy_neighbors.training.processes import is_main_process, release_large_blocks
from love_thy_neighbors.training.snapshots import Snapshots
from love_thy_neighbors.training.task import AnnotationTask

log = logging.getLogger(__name__)


def train(settings: Settings, folder: Path, resume: bool, role: str = "") -> None:
    """Train a model, or with ``resume`` continue its training, and write its results into ``folder``.

    role: what the model is for, if it is not the one that was asked for; shown in the progress bar.
    """
    training = settings.training
    assert training is not None
    release_large_blocks()
    data = make_data(settings)
    arguments = model_arguments(settings, data)
    torch.manual_seed(hash_seed(settings.seed))
    task = make_task(settings, arguments)
    checkpoint = _checkpoint(settings, folder, resume, task)
    if is_main_process():
        begin(folder, settings, keep_checkpoint=checkpoint == folder / CHECKPOINT)
    snapshots = Snapshots(folder, identity(settings))
    loggers = make_loggers(settings, folder)
    title = ", ".join(filter(None, (settings.model.name, role)))
    # The snapshot is last: it saves the other callbacks' states of this very epoch.
    trainer = make_trainer(training, [*make_callbacks(training, loggers), snapshots], loggers, folder, title)
    try:
        failure = _fit(trainer, task, data, checkpoint)
        if failure is not None:
            assert checkpoint is not None
            return _without(checkpoint, failure, settings, folder, role)
        task.model.load_state_dict(snapshots.best_weights)
        figures, scored = _judged(trainer, task, data)
        if trainer.is_global_zero:
            arrays = tested_arrays(task, data)
            task.to(trainer.strategy.root_device)
            others, model = other_conditions(settings, task, data), (arguments, snapshots.best_weights)
            confidence = keep_model(folder, settings, data, model, scored, figures["test"], others)
            further = {"confidence": confidence, **_course(snapshots, arguments["labels"])}
            write_results(folder, settings, snapshots.seconds, arrays, **figures, **further)
            log_result(loggers, figures)
            _print_diagnosis(trainer, snapshots)
        trainer.strategy.barrier()  # no process reads results.json before it is written
    finally:
        close_loggers(loggers)


def _fit(
    trainer: pl.Trainer, task: AnnotationTask, data: NeighborhoodData, checkpoint: Path | None
) -> Exception | None:
    """Train; returns the error of a checkpoint that Lightning cannot restore, and raises any other."""
    try:
        with _lightning_errors(trainer):
            trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except Exception as error:
        snapshots = next(one for one in vars(trainer)["callbacks"] if isinstance(one, Snapshots))
        if checkpoint is None or snapshots.started or isinstance(error, UserError):
            raise
        return error
    return None


def _judged(
    trainer: pl.Trainer, task: AnnotationTask, data: NeighborhoodData
) -> tuple[dict[str, dict[str, float]], dict[str, Scored]]:
    """Figures and scores of the validation and the test images."""
    figures, scored = {}, {}
    for part, judge in {"val": trainer.validate, "test": trainer.test}.items():
        judge(task, datamodule=data, verbose=False)
        figures[part], scored[part] = task.figures, _scored(task, data)
    return figures, scored


def _course(snapshots: Snapshots, labels: int) -> dict[str, Any]:
    """How the training went, for results.json."""
    found = divergence([line["train/loss"] for line in snapshots.curves], labels)
    return {"best_epoch": snapshots.best_epoch, **({} if found is None else {"divergence": found})}


def _without(checkpoint: Path, error: Exception, settings: Settings, folder: Path, role: str) -> None:
    """Train from the first epoch, after Lightning could not restore the run's own checkpoint; another is an error."""
    reason = f"{checkpoint}: cannot be continued from ({type(error).__name__})"
    if checkpoint != folder / CHECKPOINT:
        raise UserError(f"{reason}; give the last.ckpt of a run as it was written.") from None
    _warn_of_start(f"{reason}.")
    train(settings, folder, resume=False, role=role)


def _print_diagnosis(trainer: pl.Trainer, snapshots: Snapshots) -> None:
    """Print what debug=profiler and debug=overfit ask for: where the time went, and how far the training loss fell."""
    profiler = vars(trainer)["profiler"]  # set outside the class, so type checkers do not know it
    if not isinstance(profiler, PassThroughProfiler):
        print_profile(profiler.summary())
    if vars(trainer)["overfit_batches"]:
        print_loss([line["train/loss"] for line in snapshots.curves])


def _scored(task: AnnotationTask, data: NeighborhoodData) -> Scored:
    """What the last validation or test has scored."""
    return task.scores.cpu(), data.labels[task.rows].cpu(), task.rows.cpu().numpy()


def tested_arrays(task: AnnotationTask, data: NeighborhoodData) -> dict[str, np.ndarray | None]:
    """Scores of the test images, their row numbers and their neighbours, None for a model without."""
    scores, rows = task.scores.cpu().numpy(), task.rows.cpu().numpy()
    return {"scores": scores, "rows": rows, "neighbors": data.lists("test")}


@contextmanager
def _lightning_errors(trainer: pl.Trainer) -> Iterator[None]:
    """Raise a `UserError` for a wrong setting of Trainer or callback, and KeyboardInterrupt after Ctrl-C or SIGTERM."""
    try:
        yield
    except MisconfigurationException as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from None
    except RuntimeError as error:
        if not str(error).startswith("Early stopping conditioned on metric"):  # Lightning raises no class of its own
            raise
        known = sorted(key for key in trainer.callback_metrics if key.startswith(("val/", "train/")))
        raise UserError(f"callbacks: EarlyStopping.monitor must be one of {', '.join(known)}.") from None
    except SystemExit as leaving:
        # Lightning exits without a message. submitit exits with a status of its own, to queue the job again.
        if trainer.interrupted and leaving.code in (1, None):
            raise KeyboardInterrupt from None
        raise


def _checkpoint(settings: Settings, folder: Path, resume: bool, task: AnnotationTask) -> Path | None:
    """The checkpoint to continue from, checked against the model; None to start at the first epoch."""
    path, training = folder / CHECKPOINT, settings.training
    assert training is not None
    if resume and path.is_file():
        try:
            _check(path, settings, training.epochs, task)
            return path
        except UserError as error:  # starting again costs time alone
            _warn_of_start(str(error))
    if training.checkpoint is not None:
        _check(training.checkpoint, settings, training.epochs, task)
    return training.checkpoint


_OF_THE_COLLECTION = "data (another collection, or this one before an update)"


def _warn_of_start(sentence: str) -> None:
    log.warning("%s Starting from the first epoch.", sentence)


def _check(path: Path, settings: Settings, epochs: int, task: AnnotationTask) -> None:
    """Raise `UserError` unless a training of ``epochs`` with these settings can continue from the checkpoint."""
    saved = read_checkpoint(path)
    callbacks = saved.get("callbacks")
    if not {*PARTS} <= saved.keys() or not isinstance(callbacks, dict) or "Snapshots" not in callbacks:
        raise UserError(f"{path}: not the last.ckpt of a run, which holds more than a model; give that one.")
    unlike = difference(task.state_dict(), saved["state_dict"])
    if unlike is not None:
        raise UserError(f"{path}: {unlike}; give the checkpoint of a run with the same collection, model and h.")
    wrong = fault(saved, task)
    if wrong is not None:
        raise UserError(f"{path}: damaged, its {wrong}; give the last.ckpt of a run as it was written.")
    other = differences(identity(settings), callbacks["Snapshots"]["identity"])
    if other:
        listed = ", ".join(_OF_THE_COLLECTION if key == "data" else key for key in other)
        raise UserError(f"{path}: that run's settings differ in {listed}; give a checkpoint of the same ones.")
    if saved["epoch"] + 1 > epochs:
        done = saved["epoch"] + 1
        raise UserError(f"{path}: has {done} epochs already; give epochs={done} or more.")
