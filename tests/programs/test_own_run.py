"""Whether a task of SLURM's is a run of its own, and goes on."""

from pathlib import Path

import pytest

from love_thy_neighbors.programs.own_run import continued, leave_task_number
from love_thy_neighbors.programs.start import register_resolvers
from love_thy_neighbors.training.processes import is_main_process

OWN = "defaults: [train, _self_]\ntrainer: {devices: 2, strategy: ddp}\n"


@pytest.mark.parametrize(
    ("command", "own"),
    [
        ("split=1", True),
        ("trainer=gpu split=1", True),
        ("-m split=0,1", True),
        ("trainer=ddp", False),
        ("trainer=ddp trainer.devices=1", True),
        ("trainer.devices=1 +trainer.num_nodes=2", False),
        ("--config-dir FOLDER --config-name own", False),
        ("--config-dir=FOLDER --config-name=own trainer.devices=1", True),
        ("trainer=nonsense", False),
        ("--nonsense", False),
    ],
)
def test_a_run_of_one_process_is_its_tasks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, own: bool
) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_PROCID", "1")
    register_resolvers()
    leave_task_number(command.replace("FOLDER", str(tmp_path)).split())
    assert is_main_process() is own


@pytest.mark.parametrize(
    ("environment", "config", "resume"),
    [
        ({}, {"overwrite": False, "resume": False}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}, {"overwrite": False, "resume": False}, True),
        ({"SLURM_JOB_ID": "7"}, {"overwrite": False, "resume": False}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}, {"overwrite": True, "resume": False}, False),
    ],
)
def test_a_job_that_is_queued_again_continues(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], config: dict[str, bool], resume: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert continued(config)["resume"] is resume
