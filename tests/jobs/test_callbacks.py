"""The config group callbacks: they act, their state survives an interruption, and mistakes are told."""

import csv
import json
from pathlib import Path

import pytest
import pytorch_lightning as pl

from conftest import checked, run_program, settings, train_on
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.training.snapshots import Snapshots

# A rise of 100 percent never happens, so training stops after three epochs: the first and two without a new best.
STOPS = ("callbacks=early_stopping", "callbacks.early_stopping.patience=2", "callbacks.early_stopping.min_delta=100")


def stopping(collection: Path, folder: Path, *overrides: str) -> Settings:
    common = ("data=collection", f"data.dir={collection}", f"logs={folder}/logs", f"cache={folder}/cache", "h=8")
    return checked(settings(*common, "epochs=9", "trainer.enable_progress_bar=false", *STOPS, *overrides))


def epochs(run: Path) -> list[int]:
    with (run / "metrics.csv").open() as file:
        return [int(line["epoch"]) for line in csv.DictReader(file)]


def test_training_stops_early_and_is_a_run_of_its_own(made_up: Path, tmp_path: Path) -> None:
    result = train_on(made_up, tmp_path, "epochs=9", *STOPS)
    (run,) = tmp_path.glob("logs/*/")
    assert epochs(run) == [0, 1, 2]
    assert result["config"]["callbacks"]["early_stopping"]["patience"] == 2
    without = train_on(made_up, tmp_path, "epochs=3")
    assert "callbacks" not in without["config"]
    assert without["test"] == result["test"]  # the same three epochs
    assert len(list(tmp_path.glob("logs/*/"))) == 2


@pytest.mark.parametrize("killed_after", [1, 3])
def test_an_interrupted_run_stops_at_the_same_epoch(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    made = stopping(made_up, tmp_path)
    run = tmp_path / "run"
    write = Snapshots.on_train_epoch_end

    def killed(self: Snapshots, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        write(self, trainer, module)
        if len(self.curves) == killed_after:
            raise InterruptedError

    with monkeypatch.context() as patched, pytest.raises(InterruptedError):
        patched.setattr(Snapshots, "on_train_epoch_end", killed)
        finish(made, run, overwrite=False, resume=False, wait=False)
    assert epochs(run) == list(range(killed_after))
    resumed = finish(made, run, overwrite=False, resume=True, wait=False)
    assert epochs(run) == [0, 1, 2]
    whole = finish(made, tmp_path / "whole", overwrite=False, resume=False, wait=False)
    assert resumed["test"] == whole["test"]


def test_the_baseline_stops_early_too(made_up: Path, tmp_path: Path) -> None:
    places = (f"data.dir={made_up}", f"logs={tmp_path}/logs", f"cache={tmp_path}/cache")
    done = run_program("train.py", "data=collection", *places, "h=8", "epochs=9", *STOPS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [path.parent for path in tmp_path.glob("logs/*/results.json")]
    assert {json.loads((run / "results.json").read_text())["model"] for run in runs} == {"relational", "visual_only"}
    assert [epochs(run) for run in runs] == [[0, 1, 2]] * 2


@pytest.mark.slow
def test_two_processes_stop_at_the_same_epoch(made_up: Path, tmp_path: Path) -> None:
    places = (f"data.dir={made_up}", f"logs={tmp_path}/logs", f"cache={tmp_path}/cache", "baseline=null")
    distributed = ("trainer=ddp", "trainer.accelerator=cpu", "h=8", "epochs=9")
    done = run_program("train.py", "data=collection", *places, *distributed, *STOPS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (path.parent for path in tmp_path.glob("logs/*/results.json"))
    assert epochs(run) == [0, 1, 2]


def test_several_callbacks_and_a_logger(made_up: Path, tmp_path: Path) -> None:
    both = ("callbacks=[early_stopping,learning_rate_monitor]", "logger=tensorboard")
    train_on(made_up, tmp_path, *both)
    events = b"".join(path.read_bytes() for path in tmp_path.glob("logs/*/tensorboard/events.out.tfevents.*"))
    assert b"lr-FusedRMSprop" in events


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("callbacks=learning_rate_monitor",), ("callbacks.learning_rate_monitor", "logger=")),
        (("callbacks=early_stopping", "callbacks.early_stopping.monitor=val/loss"), ("callbacks", "val/mAP_L")),
        (("callbacks=early_stopping", "+callbacks.early_stopping.x=1"), ("callbacks.early_stopping", "'x'")),
        (("+callbacks.mine._target_=pytorch_lightning.callbacks.ModelCheckpoint",), ("callbacks.mine", "last.ckpt")),
        (("+callbacks.mine._target_=builtins.dict",), ("callbacks.mine", "builtins.dict")),
        (("+callbacks.mine.patience=3",), ("callbacks", "_target_")),
    ],
)
def test_a_callback_that_cannot_work_is_told(
    made_up: Path, tmp_path: Path, overrides: tuple[str, ...], named: tuple[str, str]
) -> None:
    with pytest.raises(UserError) as error:
        train_on(made_up, tmp_path, *overrides)
    assert str(error.value).startswith(named[0])
    assert named[1] in str(error.value)


def test_default_runs_keep_their_names() -> None:
    assert (
        run_name(checked(settings("vocabulary=train")))
        == "openclipart-neighborhood-tags-m3-M6-pool-split-split0-seed0-c8790d2f"
    )
