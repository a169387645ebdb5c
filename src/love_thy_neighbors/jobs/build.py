"""Data, task and Trainer from a checked config."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.neighbors.lists import NeighborQuery, Overlap
from love_thy_neighbors.runs.checkpoints import MODELS
from love_thy_neighbors.splits import Split
from love_thy_neighbors.training.cuda_graph import GraphedTask
from love_thy_neighbors.training.data import NeighborhoodData, split_collection
from love_thy_neighbors.training.task import AnnotationTask


def make_data(config: dict[str, Any]) -> NeighborhoodData:
    """The DataModule that a config describes."""
    query, test_query = _queries(config)
    data, values = config["data"], config["model"]["values"]
    voters = config["model"].get("voters")
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
        M=max(config["model"]["candidates"]["k"]) if voters else config["M"],
        train=config["neighborhoods"]["train"],
        test=config["neighborhoods"]["test"],
        fill="none" if voters else config["neighborhoods"]["fill"],
        drop=config["neighborhoods"]["drop"],
        values=None if values is None else (values["type"], values["tau"]),
        batch_size=config["batch_size"],
        seed=config["seed"],
        cache=Path(config["cache"]),
    )


def _queries(config: dict[str, Any]) -> tuple[NeighborQuery | None, NeighborQuery | None]:
    """Who the neighbours are in training and validation, and at test time."""
    model = config["model"]
    if "voters" in model:
        voters = NeighborQuery(model["voters"]["type"], model["voters"]["tau"], model["voters"]["pool"])
        return voters, voters
    return neighbor_queries(config) if model["neighbors"] else (None, None)


def neighbor_queries(config: dict[str, Any]) -> tuple[NeighborQuery, NeighborQuery]:
    """The same of a config that has no model, or one that looks at neighbours as the paper's does."""
    first, second = (
        NeighborQuery(
            config[key]["type"],
            config[key]["tau"],
            config["pool"],
            # Each split draws its own pair of vocabularies, so that their luck is part of the deviation over splits.
            None if config["overlap"] is None else Overlap(config["overlap"], key == "test_metadata", config["split"]),
        )
        for key in ("metadata", "test_metadata")
    )
    return first, second


def configured_split(config: dict[str, Any], collection: Collection) -> Split:
    """The split of ``collection`` that a config describes, without the DataModule."""
    return split_collection(
        collection,
        config["split"],
        config["data"]["split_sizes"],
        config["split_by"],
        config["keep_unlabelled"],
        config["data"]["discard_without_metadata"],
    )


def model_arguments(config: dict[str, Any], data: NeighborhoodData) -> dict[str, Any]:
    """What the model of a trained run is constructed with."""
    values = {} if data.bags is None else {"values": data.bags.width}
    return {
        "dim": data.dim,
        "labels": len(data.collection.label_names),
        **values,
        **config["model"]["arguments"],
    }


def make_task(config: dict[str, Any], arguments: dict[str, Any]) -> AnnotationTask:
    """The LightningModule that a config describes, around a new model built with ``arguments``."""
    kind = AnnotationTask if config["trainer"]["accelerator"] == "cpu" else GraphedTask
    return kind(
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
            max_epochs=config["epochs"],
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
