"""Data, task and Trainer from the settings of a job."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.callbacks import Callback, Checkpoint, LearningRateMonitor
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.checkpoints import model_class
from love_thy_neighbors.runs.settings import NeighborSettings, Settings, TrainingSettings
from love_thy_neighbors.training.bar import NamedBar
from love_thy_neighbors.training.cuda_graph import CudaGraphTask
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.lightnings_slurm import KeptSigterm, process_plugins
from love_thy_neighbors.training.task import AnnotationTask


def make_data(settings: Settings) -> NeighborhoodData:
    """The data module of a job."""
    model, training = settings.model, settings.training
    neighborhoods = settings.neighborhoods
    if model.voters is not None:
        neighborhoods = replace(neighborhoods, fill="none")
    batches = {} if training is None else {"batch_size": training.batch_size}
    neighbors = _neighbors(settings)
    return NeighborhoodData(
        settings.collection,
        settings.split,
        neighbors,
        neighborhoods,
        model.values,
        cache=settings.neighbors.cache,
        relational=model.relational,
        seed=settings.seed,
        **batches,
    )


def _neighbors(settings: Settings) -> NeighborSettings | None:
    """Who the model's neighbours are: those of the settings, its own voters, or none."""
    model = settings.model
    if model.voters is not None:
        assert model.voters_pool is not None
        votes = {"M": max(model.candidates["k"]), "pool": model.voters_pool, "overlap": None}
        return replace(settings.neighbors, metadata=model.voters, test_metadata=model.voters, **votes)
    return settings.neighbors if model.neighbors else None


def model_arguments(settings: Settings, data: NeighborhoodData) -> dict[str, Any]:
    """The arguments of the model's class: the sizes of its inputs and outputs, and those of its config."""
    sizes: dict[str, Any] = {} if data.bags is None else {"values": data.bags.width}
    if data.relational:
        sizes["relations"] = data.relations
    return {"dim": data.dim, "labels": len(data.collection.label_names), **sizes, **settings.model.arguments}


def make_task(settings: Settings, arguments: dict[str, Any]) -> AnnotationTask:
    """The LightningModule of a job, around a new model that is made with ``arguments``."""
    training, neighborhoods = settings.training, settings.neighborhoods
    assert training is not None
    kind = AnnotationTask if training.trainer["accelerator"] == "cpu" else CudaGraphTask
    try:
        model = model_class(settings.model.target)(**arguments)
    except TypeError as error:
        raise UserError(f"model.arguments: {settings.model.target} cannot be made with them ({error}).") from None
    return kind(
        model,
        labels=arguments["labels"],
        m=neighborhoods.m,
        train=neighborhoods.train,
        test=neighborhoods.test,
        lr=training.lr,
        decay=training.rmsprop_decay,
        l2=training.l2,
        n=settings.top_n,
        seed=settings.seed,
        schedule=training.schedule,
        loss=training.loss,
    )


def make_callbacks(training: TrainingSettings, loggers: list[Any]) -> list[Callback]:
    """The callbacks of the config group ``callbacks``. Raises `UserError` for one that cannot be made or used."""
    made: list[Callback] = []
    for name, config in training.callbacks.items():
        try:
            callback = instantiate(dict(config))
        except Exception as error:
            cause = str(error.__cause__ or error).splitlines()[0]
            raise UserError(f"callbacks.{name}: cannot be made ({cause}); see configs/callbacks.") from None
        if not isinstance(callback, Callback):
            raise UserError(f"callbacks.{name}: {config['_target_']} is not a callback of Lightning.")
        if isinstance(callback, Checkpoint):
            raise UserError(
                f"callbacks.{name}: last.ckpt and the model of the best epoch are always written; leave it out."
            )
        if isinstance(callback, LearningRateMonitor) and not loggers:
            raise UserError(f"callbacks.{name}: needs a logger; give logger=wandb or logger=tensorboard.")
        made.append(callback)
    return made


def make_trainer(
    training: TrainingSettings, callbacks: list[Callback], loggers: list[Any], folder: Path, title: str = "model"
) -> pl.Trainer:
    """Lightning's Trainer from the config group ``trainer``, whose bars begin with ``title``.

    Raises `UserError` for a device that is missing.
    """
    if training.trainer["enable_progress_bar"]:
        callbacks = [*callbacks, NamedBar(title)]
    callbacks = [*callbacks, KeptSigterm()]
    arguments = dict(training.trainer)
    torch.set_float32_matmul_precision("high" if arguments.pop("tf32", False) else "highest")
    try:
        return instantiate(
            arguments,
            max_epochs=training.epochs,
            callbacks=callbacks,
            logger=loggers or False,
            default_root_dir=str(folder),
            enable_checkpointing=False,  # Snapshots does it
            use_distributed_sampler=False,  # IndexBatches divides its rows itself
            plugins=process_plugins(training.trainer),
        )
    except Exception as error:
        cause = error.__cause__
        if isinstance(cause, MisconfigurationException) and "No supported gpu" in str(cause):
            raise UserError(
                "trainer.accelerator=gpu: this machine has no GPU that torch can use; give trainer=cpu, or install a "
                "torch made for your GPU (python -c 'import torch; print(torch.cuda.is_available())' says True then)."
            ) from None
        if isinstance(cause, MisconfigurationException | ValueError | TypeError):
            raise UserError(f"trainer: {str(cause).splitlines()[0]}") from None
        raise
