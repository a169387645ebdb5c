"""What a task logs while it trains."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from conftest import checked, settings
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.training.sparse_gradient import SparseGradientLinear


class Steps(pl.Callback):
    """The loss and the number of images of every step, and what Lightning has as the epoch's loss at its end."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, int]] = []
        self.epochs: list[tuple[float, float]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, _: int
    ) -> None:
        self.steps.append((float(outputs["loss"]), len(batch.rows)))

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        mean = sum(loss * images for loss, images in self.steps) / sum(images for _, images in self.steps)
        self.epochs.append((float(trainer.callback_metrics["train/loss"]), mean))
        self.steps = []


@pytest.mark.parametrize("limit", ["1.0", "2"])  # whole epochs, whose last batch is smaller, and shortened ones
def test_the_loss_of_an_epoch_is_the_mean_over_its_images(made_up: Path, tmp_path: Path, limit: str) -> None:
    places = f"data.dir={made_up}", f"cache={tmp_path}"
    how = "epochs=3", "h=8", "trainer.enable_progress_bar=false", f"trainer.limit_train_batches={limit}"
    config = checked(settings("data=collection", *places, *how))
    data, steps = make_data(config), Steps()
    task = make_task(config, model_arguments(config, data))
    make_trainer(config.training, [steps], [], tmp_path).fit(task, datamodule=data)
    assert len(steps.epochs) == 3
    for logged, mean in steps.epochs:
        assert logged == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize(
    ("how", "kept"),
    [
        ([], True),
        (["+trainer.gradient_clip_val=1.0"], False),
        (["+trainer.accumulate_grad_batches=2"], False),
        (["trainer.precision=bf16-mixed"], False),
    ],
    ids=["alone", "clipped", "accumulated", "bf16"],
)
def test_gradients_stay_factors_where_nobody_looks_at_them(
    made_up: Path, tmp_path: Path, how: list[str], kept: bool
) -> None:
    task = trained(made_up, tmp_path, [], *how)
    assert {type(layer) is SparseGradientLinear for layer in (task.model.W_x, task.model.W_z, task.model.W_y)} == {kept}


def test_a_callback_that_looks_at_gradients_sees_them(made_up: Path, tmp_path: Path) -> None:
    watch = Gradients()
    task = trained(made_up, tmp_path, [watch])
    assert watch.missing == set()
    assert all((task.state_dict()[name] != weight).any() for name, weight in watch.first.items())  # all were trained


def trained(made_up: Path, tmp_path: Path, callbacks: list[pl.Callback], *how: str) -> Any:
    places = f"data.dir={made_up}", f"cache={tmp_path}"
    config = checked(settings("data=collection", *places, "epochs=1", "h=8", "trainer.enable_progress_bar=false", *how))
    data = make_data(config)
    task = make_task(config, model_arguments(config, data))
    make_trainer(config.training, callbacks, [], tmp_path).fit(task, datamodule=data)
    return task


class Gradients(pl.Callback):
    """The weights at the start, and which had no gradient when the optimiser was to use it."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.first = {name: p.detach().clone() for name, p in task.named_parameters()}

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, _: Any) -> None:
        self.missing |= {name for name, p in task.named_parameters() if p.grad is None}
