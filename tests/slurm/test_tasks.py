"""Tasks of a job that are a run each."""

import os

import pytest

from love_thy_neighbors.slurm.tasks import leave_other_tasks
from love_thy_neighbors.training.processes import is_main_process


def test_a_task_that_leaves_the_others_is_a_main_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROCID": "1", "NTASKS": "2", "LOCALID": "1", "JOB_ID": "7"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert not is_main_process()
    leave_other_tasks()
    assert is_main_process()
    assert os.environ["SLURM_JOB_ID"] == "7"
    assert "SLURM_NTASKS" not in os.environ
