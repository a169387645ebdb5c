"""How many training steps a call of Lightning's loop does, and what is counted in steps nevertheless."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger

from conftest import checked, settings
from love_thy_neighbors.jobs import build
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.training import steps as module
from love_thy_neighbors.training.bar import NamedBar
from love_thy_neighbors.training.steps import STEPS, steps_a_call


class EachBatch(pl.Callback):
    def on_train_batch_end(self, *_: Any) -> None: ...


class EachGradient(pl.Callback):
    def on_after_backward(self, *_: Any) -> None: ...


def trainer_with(tmp_path: Path, callbacks: list[pl.Callback], *how: str, logger: Any = False) -> pl.Trainer:
    config = checked(settings("trainer.enable_progress_bar=false", *how))
    return make_trainer(config.training, callbacks, [logger] if logger else [], tmp_path)


@pytest.mark.parametrize(
    ("callbacks", "how", "steps"),
    [
        ([], [], STEPS),
        ([], ["trainer.enable_progress_bar=true"], STEPS),
        ([lambda: EarlyStopping("val/mAP_L")], [], STEPS),
        ([lambda: LearningRateMonitor("epoch")], [], STEPS),
        ([lambda: LearningRateMonitor("step")], [], 1),
        ([EachBatch], [], 1),
        ([], ["trainer.profiler=simple"], 1),
        ([], ["trainer.limit_train_batches=0.5"], 1),
        ([], ["+trainer.overfit_batches=2"], 1),
        ([EachGradient], [], 0),
        ([], ["+trainer.gradient_clip_val=1.0"], 0),
        ([], ["+trainer.accumulate_grad_batches=2"], 0),
        ([], ["trainer.precision=bf16-mixed"], 0),
        ([], ["trainer=ddp", "trainer.accelerator=cpu"], 0),
    ],
)
def test_single_steps_are_done_where_something_looks_at_them(
    tmp_path: Path, callbacks: list[Callable[[], pl.Callback]], how: list[str], steps: int
) -> None:
    trainer = trainer_with(tmp_path, [one() for one in callbacks], *how, logger=CSVLogger(tmp_path))
    assert steps_a_call(trainer) == steps


class Bar(NamedBar):
    """Notes what it is to show."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.shown: list[tuple[int | None, float]] = []

    def _update(self, progress_bar_id: Any, current: int, *more: Any, **options: Any) -> None:
        if progress_bar_id == self.train_progress_bar_id:
            self.shown.append((current, self.total_train_batches))
        super()._update(progress_bar_id, current, *more, **options)


@pytest.mark.parametrize("steps", [1, 4, 50])
def test_bar_and_logger_count_steps(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    monkeypatch.setattr(module, "STEPS", steps)
    monkeypatch.setattr(build, "NamedBar", Bar)
    how = "data=collection", f"data.dir={made_up}", f"cache={tmp_path}", "batch_size=20", "h=8", "epochs=2"
    config = checked(settings(*how))
    data, logger = make_data(config), CSVLogger(tmp_path)
    trainer = make_trainer(config.training, [], [logger], tmp_path)
    (bar,) = (one for one in vars(trainer)["callbacks"] if isinstance(one, Bar))
    trainer.fit(make_task(config, model_arguments(config, data)), datamodule=data)
    an_epoch = -(-len(data.split.rows["train"]) // 20)
    calls = [min(done + steps, an_epoch) for done in range(0, an_epoch, steps)]
    assert bar.shown == [(done, an_epoch) for done in calls] * 2
    assert trainer.global_step == 2 * an_epoch
    with (Path(logger.log_dir) / "metrics.csv").open() as file:
        logged = {int(line["step"]) for line in csv.DictReader(file) if line["train/loss"]}
    assert logged == {an_epoch - 1, 2 * an_epoch - 1}
