"""Lightning does nothing by itself under SLURM's variables: no checkpoint of its own, no tasks of others."""

import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment, SLURMEnvironment

from conftest import checked, settings, short_run
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.training.lightnings_slurm import process_plugins

ALONE = {"devices": 1, "num_nodes": 1}
FOUR = {"devices": 2, "num_nodes": 2}


@pytest.fixture
def allocation(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables that srun sets for four tasks."""
    variables = {"JOB_ID": "70", "JOB_NAME": "train", "NTASKS": "4", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    return monkeypatch


def judged(run: Path) -> tuple[object, ...]:
    results = json.loads((run / "results.json").read_text())
    return tuple(results[key] for key in ("val", "test", "best_epoch"))


@pytest.mark.parametrize("overrides", [(), ("overwrite=true",), ("resume=true",)])
def test_a_checkpoint_of_lightnings_own_is_not_used_and_is_removed(
    made_up: Path, tmp_path: Path, allocation: pytest.MonkeyPatch, overrides: tuple[str, ...]
) -> None:
    run = short_run(made_up, tmp_path, "epochs=12", "lr=1e-2")
    expected = judged(run)
    saved = torch.load(run / "last.ckpt", weights_only=True)
    for name, weights in saved["state_dict"].items():
        saved["state_dict"][name] = torch.zeros_like(weights)
    torch.save(saved, run / "hpc_ckpt_1.ckpt")
    shutil.copy(run / "hpc_ckpt_1.ckpt", run / "hpc_ckpt_2.ckpt")
    if "overwrite=true" not in overrides:
        (run / "results.json").unlink()
    given = ("h=8", "baseline=null", "trainer.enable_progress_bar=false", "epochs=12", "lr=1e-2", f"data={made_up}")
    chosen = checked(settings(*given, f"cache={tmp_path}/cache", f"logs={tmp_path}", *overrides))
    finish(chosen, run, overwrite=chosen.overwrite, resume=chosen.resume, wait=True)
    assert judged(run) == expected
    assert not list(run.glob("hpc_ckpt*"))


def test_a_run_of_one_process_has_nothing_to_do_with_the_other_tasks(allocation: pytest.MonkeyPatch) -> None:
    (made,) = process_plugins(ALONE) or []
    assert isinstance(made, LightningEnvironment)


def test_a_run_of_several_processes_leaves_requeueing_to_this_program(allocation: pytest.MonkeyPatch) -> None:
    allocation.setenv("SLURM_NTASKS_PER_NODE", "2")
    (made,) = process_plugins(FOUR) or []
    assert isinstance(made, SLURMEnvironment)
    assert not made.auto_requeue


def test_ntasks_without_a_number_for_each_node_is_a_sentence(allocation: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--ntasks-per-node"):
        process_plugins(FOUR)


@pytest.mark.parametrize(
    "variables",
    [{"RANK": "0", "GROUP_RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "1"}, {}],
)
def test_elsewhere_lightning_finds_out_by_itself(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert process_plugins(FOUR) is None


def test_a_machine_that_has_srun_prints_no_notice_about_it(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fixtures.fake_slurm import Commands

    commands = Commands(tmp_path / "bin")
    commands.write("srun", "")
    monkeypatch.setenv("PATH", str(commands.folder), prepend=":")
    from love_thy_neighbors.jobs.job import _quieten

    with warnings.catch_warnings(record=True) as noted:
        _quieten()
        short_run(made_up, tmp_path, "epochs=1")
    assert not [one for one in noted if "srun" in str(one.message)]
