"""The files that a run writes while it trains: ``last.ckpt``, which holds everything, and the curves."""

import csv
import io
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from torch import Tensor

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.disk import reserve
from love_thy_neighbors.runs.results import CHECKPOINT, CURVES
from love_thy_neighbors.training.task import AnnotationTask

_STATE = ("identity", "best_epoch", "best_score", "best_weights", "curves", "seconds", "stopped")


class WholeCheckpoint(TorchCheckpointIO):
    """Writes a checkpoint completely or not at all.

    Lightning itself copies it from the system's temporary folder, which may be on another disk, and says nothing about
    a missing permission.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with written_whole(Path(path)) as temporary:
            reserve(temporary, content.getbuffer().nbytes)
            temporary.write_bytes(content.getbuffer())


class Snapshots(pl.Callback):
    """Keeps the weights of the epoch with the highest validation mAP_L (section 3.4), and makes the run resumable.

    The best weights and the curves are part of the callback's state. So ``last.ckpt``, which replaces its predecessor
    at the end of each epoch, is enough to continue, and best and last epoch always belong to the same training.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = identity  # to recognise the checkpoint of another run
        self.best_epoch = -1
        self.best_score = float("-inf")
        self.best_weights: dict[str, Tensor] = {}
        self.curves: list[dict[str, float]] = []
        self.seconds = 0.0  # of training so far, over all attempts
        self.stopped = False  # by another callback, before the last epoch
        self.started = False  # training, after a checkpoint was restored
        self._since = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = True

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        trainer.strategy.checkpoint_io = WholeCheckpoint()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning forgets it: a run that is killed after it was stopped early would train for another epoch.
        trainer.should_stop = self.stopped

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AnnotationTask)
        figures = pl_module.figures
        if figures["mAP_L"] > self.best_score:
            self.best_score, self.best_epoch = figures["mAP_L"], trainer.current_epoch
            self.best_weights = {
                key: value.detach().cpu().clone() for key, value in pl_module.model.state_dict().items()
            }
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        loss = float(trainer.callback_metrics["train/loss"])
        self.curves.append(
            {"epoch": trainer.current_epoch, "train/loss": loss}
            | {f"val/{key}": value for key, value in figures.items()}
        )
        self.stopped = trainer.should_stop
        # Curves first: if the run is killed between the two writes, the next attempt writes the same line again.
        if trainer.is_global_zero:
            self._write_curves()
        trainer.save_checkpoint(self.folder / CHECKPOINT)  # every process takes part

    def _write_curves(self) -> None:
        with (
            written_whole(self.folder / CURVES) as path,
            path.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(self.curves[0]))
            writer.writeheader()
            writer.writerows(self.curves)

    def state_dict(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update({key: state[key] for key in _STATE if key in state and key != "identity"})
