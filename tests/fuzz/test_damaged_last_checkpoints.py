"""A damaged last.ckpt: a run that is resumed goes on or starts over, and ckpt_path= gives one sentence."""

import copy
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from damaged_values import damaged, places
from fuzz_tensors import ODD_TENSORS

from conftest import checked, settings
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.visible import one_line

pytestmark = pytest.mark.xdist_group("damaged last checkpoints")  # one process trains the run of these tests
CASES = 12
EPOCHS = 3


def quick(collection: Path, place: Path, *overrides: str) -> Settings:
    common = ("h=8", "baseline=null", "trainer.enable_progress_bar=false", f"epochs={EPOCHS}")
    return checked(settings(*common, f"data={collection}", f"cache={place}", f"logs={place}", *overrides))


@pytest.fixture(scope="module")
def run(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed after its second epoch, as far as its folder tells: the file is that of epoch 2 of 3."""
    place = tmp_path_factory.mktemp("run")
    config = quick(made_up, place / "cache")

    def kept(self: Any, trainer: Any, task: Any) -> None:
        write(self, trainer, task)
        if trainer.current_epoch == EPOCHS - 2:
            shutil.copyfile(self.folder / "last.ckpt", place / "second.ckpt")

    from love_thy_neighbors.training.snapshots import Snapshots

    write = Snapshots.on_train_epoch_end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Snapshots, "on_train_epoch_end", kept)
        finish(config, place / "run", overwrite=False, resume=False, wait=True)
    shutil.copyfile(place / "second.ckpt", place / "run" / "last.ckpt")
    return place / "run"


@pytest.fixture(scope="module")
def saved(run: Path) -> dict[str, Any]:
    return dict(torch.load(run / "last.ckpt", weights_only=True))


def resumed(config: Settings, saved: Any, folder: Path) -> dict[str, Any]:
    """The results of the run, resumed from a folder that has ``saved`` as its last.ckpt."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("measure: annotation\ndata: {}\n")  # it is a run's folder
    torch.save(saved, folder / "last.ckpt")
    return finish(config, folder, overwrite=False, resume=True, wait=True)


def structure(value: dict[str, Any], number: int) -> tuple[dict[str, Any], str]:
    return damaged(value, random.Random(f"last {number}"), ODD_TENSORS)


def try_resuming(config: Settings, saved: dict[str, Any], cases: range, folder: Path) -> None:
    for number in cases:
        value, wounds = structure(saved, number)
        try:
            results = resumed(config, value, folder)
        except Exception as error:
            pytest.fail(f"case {number}, {wounds!a}: {type(error).__name__}: {error}")
        assert 0 <= results["best_epoch"] < EPOCHS, wounds
        lines = (folder / "metrics.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in lines[1:]] == [str(epoch) for epoch in range(EPOCHS)], wounds


def test_a_run_is_finished_whatever_is_in_its_checkpoint(
    made_up: Path, run: Path, saved: dict[str, Any], tmp_path: Path
) -> None:
    try_resuming(quick(made_up, run.parent / "cache"), saved, range(CASES), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_is_finished_whatever_is_in_its_checkpoint_many_times(
    made_up: Path, run: Path, saved: dict[str, Any], tmp_path: Path
) -> None:
    try_resuming(quick(made_up, run.parent / "cache"), saved, range(CASES, 1000), tmp_path / "run")


def without(*where: Any) -> Callable[[dict[str, Any]], None]:
    def remove(value: Any) -> None:
        for key in where[:-1]:
            value = value[key]
        del value[where[-1]]

    return remove


DAMAGE: dict[str, Callable[[dict[str, Any]], None]] = {
    **{f"no {key}": without(key) for key in ("epoch", "loops", "callbacks", "optimizer_states", "state_dict")},
    "no fit_loop": without("loops", "fit_loop"),
    "no progress": without("loops", "fit_loop", "epoch_progress"),
    "no Snapshots": without("callbacks", "Snapshots"),
    "no curves": without("callbacks", "Snapshots", "curves"),
    "no best weight": without("callbacks", "Snapshots", "best_weights", "W_x.weight"),
    "no version": without("pytorch-lightning_version"),
    "a later epoch": lambda value: value.update(epoch=10**9),
    "another number of steps": lambda value: value["loops"]["fit_loop"]["epoch_progress"]["current"].update(ready=7),
    "a small square_avg": lambda value: value["optimizer_states"][0]["state"][0].update(square_avg=torch.zeros(1)),
    "a wide square_avg": lambda value: value["optimizer_states"][0]["state"][0].update(
        square_avg=torch.zeros(1).expand(8, 16)
    ),
    "other weights": lambda value: value["state_dict"].update({"model.W_x.weight": torch.zeros(1).expand(8, 16)}),
    "an old version": lambda value: value.update({"pytorch-lightning_version": "0.0.1"}),
    "no version at all": lambda value: value.update({"pytorch-lightning_version": "new"}),
    "another run": lambda value: value["callbacks"]["Snapshots"]["identity"].update(seed=7),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_is_started_over_or_named(
    made_up: Path,
    run: Path,
    saved: dict[str, Any],
    tmp_path: Path,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    value = copy.deepcopy(saved)
    DAMAGE[name](value)
    results = resumed(quick(made_up, run.parent / "cache"), value, tmp_path / "run")
    assert 0 <= results["best_epoch"] < EPOCHS
    if name != "an old version":  # Lightning may know how to read it
        (warning,) = [record.getMessage() for record in caplog.records if "first epoch" in record.getMessage()]
        assert str(tmp_path / "run" / "last.ckpt") in warning
        torch.save(value, tmp_path / "given.ckpt")
        config = quick(made_up, run.parent / "cache", f"ckpt_path={tmp_path / 'given.ckpt'}")
        with pytest.raises(UserError) as refused:
            finish(config, tmp_path / "other", overwrite=False, resume=False, wait=True)
        text = one_line(str(refused.value))
        assert str(tmp_path / "given.ckpt") in text
        assert text.endswith(".")


def test_a_whole_checkpoint_is_continued(
    made_up: Path, run: Path, saved: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(places(saved)) > 150
    resumed(quick(made_up, run.parent / "cache"), saved, tmp_path / "run")
    assert not [record for record in caplog.records if "first epoch" in record.getMessage()]
    assert (tmp_path / "run" / "scores.npy").read_bytes() == (run / "scores.npy").read_bytes()
