"""Lightning's progress bar with the name of the model that is trained: a command trains several, one after another."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.markup import escape

from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.visible import visible


class NamedBar(RichProgressBar):
    """A bar for an epoch, ``visual_only, the baseline: epoch 3 of 60``, and one for validation and test."""

    def __init__(self, title: str) -> None:
        super().__init__(refresh_rate=10)
        self.title = escape(visible(title))  # Lightning reads square brackets as Rich's signs

    def _get_train_description(self, current_epoch: int) -> str:  # Lightning has no public way
        return f"{self.title}: epoch {current_epoch + 1} of {self.trainer.max_epochs}"

    @property
    def total_train_batches(self) -> int | float:
        return super().total_train_batches if self._steps_a_call == 1 else self._data.batches["train"].steps_an_epoch

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        steps = min((batch_idx + 1) * self._steps_a_call, int(self.total_train_batches))
        super().on_train_batch_end(trainer, pl_module, outputs, batch, steps - 1)

    @property
    def _data(self) -> NeighborhoodData:
        return vars(self.trainer)["datamodule"]

    @property
    def _steps_a_call(self) -> int:
        return max(1, self._data.steps_a_call)

    @property
    def validation_description(self) -> str:
        return f"{self.title}: validation"

    @property
    def test_description(self) -> str:
        return f"{self.title}: test"
