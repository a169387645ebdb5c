"""What squeue and sacct say, read."""

import os
from pathlib import Path

import pytest

from fixtures.fake_slurm import Commands
from love_thy_neighbors.slurm.commands import NoAnswerError, answer, shown
from love_thy_neighbors.slurm.states import last_state, read_accounts, states_of


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    return made


def test_the_states_of_the_elements_of_arrays(commands: Commands) -> None:
    commands.write("squeue", "7_0|RUNNING\n7_1|PENDING\n7_10|CANCELLED")
    assert states_of(["7"]) == {"7_0": "RUNNING", "7_1": "PENDING", "7_10": "CANCELLED"}
    assert "--jobs=7" in commands.calls()[0]


def test_a_forgotten_job_has_no_state(commands: Commands) -> None:
    commands.write("squeue", "slurm_load_jobs error: Invalid job id specified", status=1)
    assert states_of(["7"]) == {}


def test_no_answer_is_not_the_same_as_no_job(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    commands.write("squeue", "slurm_load_jobs error: Unable to contact slurm controller", status=1)
    with pytest.raises(NoAnswerError, match="Unable to contact"):
        states_of(["7"])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoAnswerError, match="squeue"):
        states_of(["7"])


def test_a_command_that_hangs_is_given_up(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("love_thy_neighbors.slurm.commands.LONGEST_S", 0.2)
    (commands.folder / "squeue").write_text("#!/bin/sh\nexec sleep 30\n")
    (commands.folder / "squeue").chmod(0o755)
    with pytest.raises(NoAnswerError, match="timed out"):
        answer("squeue")


@pytest.mark.parametrize(
    ("listed", "job", "state"),
    [
        ("7_0|COMPLETED\n7_1|CANCELLED by 1000\n", "7_1", "CANCELLED"),
        ("7_[3-5,8%2]|PENDING\n", "7_4", "PENDING"),
        ("7_[3-5,8%2]|PENDING\n", "7_8", "PENDING"),
        ("7_[3-5,8%2]|PENDING\n", "7_6", None),
        ("7|TIMEOUT\n", "7", "TIMEOUT"),
        ("7|\n", "7", None),
        ("", "7", None),
        ("7_[a-b]|PENDING\n", "7_1", None),
    ],
)
def test_accounts(listed: str, job: str, state: str | None) -> None:
    assert read_accounts(listed, job) == state


def test_without_accounting_the_last_state_is_unknown(commands: Commands) -> None:
    commands.write("sacct", "Slurm accounting storage is disabled", status=1)
    assert last_state("7_1") is None
    commands.write("sacct", "7_1|OUT_OF_MEMORY")
    assert last_state("7_1") == "OUT_OF_MEMORY"


def test_what_is_shown_of_a_job(commands: Commands) -> None:
    commands.write("scontrol", "JobId=7 JobName=a b=c JobState=RUNNING PreemptTime=None Command=/x/y z.sh")
    known = shown("7")
    assert known["JobState"] == "RUNNING"
    assert known["PreemptTime"] == "None"
