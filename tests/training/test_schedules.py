"""The learning rate that each epoch is trained with."""

from math import cos, pi
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from conftest import checked, settings
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.training.schedules import constant, cosine


def test_cosine_falls_from_one_towards_zero() -> None:
    shares = [cosine(epoch, 20) for epoch in range(21)]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[10] == pytest.approx(0.5)
    assert shares[20] == pytest.approx(0)
    assert {constant(epoch, 20) for epoch in range(20)} == {1}


class Rates(pl.Callback):
    """The learning rate at every step, by epoch."""

    def __init__(self) -> None:
        self.seen: dict[int, set[float]] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, task: pl.LightningModule, *_: Any) -> None:
        rates = {group["lr"] for group in trainer.optimizers[0].param_groups}
        self.seen.setdefault(trainer.current_epoch, set()).update(rates)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_every_step_of_an_epoch_has_the_epoch_s_rate(made_up: Path, tmp_path: Path, schedule: str) -> None:
    how = ("epochs=4", "lr=0.01", "h=8", f"schedule={schedule}", "trainer.enable_progress_bar=false")
    config = checked(settings("data=collection", f"data.dir={made_up}", f"cache={tmp_path}", *how))
    data, rates = make_data(config), Rates()
    task = make_task(config, model_arguments(config, data))
    make_trainer(config.training, [rates], [], tmp_path).fit(task, datamodule=data)
    expected = [0.01] * 4 if schedule == "constant" else [0.01 * (1 + cos(pi * epoch / 4)) / 2 for epoch in range(4)]
    assert [[*rates.seen[epoch]] for epoch in range(4)] == [[pytest.approx(one)] for one in expected]
