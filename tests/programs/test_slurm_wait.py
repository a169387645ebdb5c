"""Waiting for SLURM's jobs, and what was submitted: with a squeue that gives prepared answers."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from submitit.core import utils

from fixtures.fake_slurm import Commands
from love_thy_neighbors.programs import slurm_ledger, slurm_wait
from love_thy_neighbors.programs.slurm_ledger import Place
from love_thy_neighbors.programs.sweep_outcomes import Failure
from love_thy_neighbors.slurm.commands import NoAnswerError

FORGOTTEN = "slurm_load_jobs error: Invalid job id specified"
SILENT = "slurm_load_jobs error: Unable to contact slurm controller"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    for name, seconds in {"LOOK_S": 0.01, "ASK_S": 0.05, "PATIENCE_S": 0.2}.items():
        monkeypatch.setattr(slurm_wait, name, seconds)
    made.write("sacct", "Slurm accounting storage is disabled", status=1)
    return made


def write_outcome(folder: Path, place: Place, outcome: Any) -> None:
    path = place.outcome(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with utils.temporary_save_path(path) as temporary:
        utils.cloudpickle_dump(("success", outcome), temporary)


def waited(folder: Path, places: list[Place]) -> threading.Thread:
    """A thread that waits; ``outcomes`` are set when it has ended."""

    def wait() -> None:
        thread.outcomes = slurm_wait.wait_for(folder, places)  # type: ignore[attr-defined]

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("state", ["CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "FAILED"])
def test_a_job_that_has_ended_without_an_outcome_is_told_with_its_state(
    tmp_path: Path, commands: Commands, state: str
) -> None:
    folder = tmp_path / "%j"
    commands.write("squeue", f"7_0|COMPLETED\n7_1|{state}")
    write_outcome(folder, Place("7_0", 0), "a value")
    good, bad = slurm_wait.wait_for(folder, [Place("7_0", 0), Place("7_1", 0)])
    assert good == "a value"
    assert isinstance(bad, Failure)
    assert "7_1" in bad.reason
    assert state in bad.reason
    assert "see " not in bad.reason  # there is no log


def test_of_two_runs_in_a_job_the_one_without_an_outcome_is_told(tmp_path: Path, commands: Commands) -> None:
    folder = tmp_path / "%j"
    commands.write("squeue", "7|FAILED")
    write_outcome(folder, Place("7", 0), "a value")
    log = tmp_path / "7" / "7_1_log.err"
    log.write_text("Killed\n")
    good, bad = slurm_wait.wait_for(folder, [Place("7", 0), Place("7", 1)])
    assert good == "a value"
    assert str(log) in bad.reason


def test_a_forgotten_job_is_told_with_the_state_of_the_accounting(tmp_path: Path, commands: Commands) -> None:
    commands.write("squeue", FORGOTTEN, status=1)
    (unknown,) = slurm_wait.wait_for(tmp_path / "%j", [Place("7_1", 0)])
    assert "no longer known" in unknown.reason
    commands.write("sacct", "7_[0-3]|CANCELLED by 0")
    (cancelled,) = slurm_wait.wait_for(tmp_path / "%j", [Place("7_1", 0)])
    assert "CANCELLED" in cancelled.reason


@pytest.mark.parametrize(
    ("text", "status"),
    [("7|SUSPENDED", 0), ("7|PENDING", 0), ("7|REQUEUED", 0), ("7|COMPLETING", 0), ("7|STOPPED", 0), (SILENT, 1)],
)
def test_other_jobs_are_waited_for(tmp_path: Path, commands: Commands, text: str, status: int) -> None:
    folder = tmp_path / "%j"
    commands.write("squeue", text, status)
    thread = waited(folder, [Place("7", 0)])
    thread.join(0.6)
    assert thread.is_alive()
    write_outcome(folder, Place("7", 0), "a value")
    thread.join(10)
    assert thread.outcomes == ["a value"]  # type: ignore[attr-defined]


def test_a_job_that_is_queued_again_is_waited_for(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_wait, "PATIENCE_S", 1.0)
    commands.write("squeue", "7|PREEMPTED")
    thread = waited(tmp_path / "%j", [Place("7", 0)])
    time.sleep(0.3)
    commands.write("squeue", "7|PENDING")
    thread.join(1.5)
    assert thread.is_alive()
    write_outcome(tmp_path / "%j", Place("7", 0), 1)
    thread.join(10)
    assert thread.outcomes == [1]  # type: ignore[attr-defined]


def test_what_was_submitted_is_known_until_it_has_ended(tmp_path: Path, commands: Commands) -> None:
    folder = tmp_path / "slurm" / "%j"
    runs = {"a": Place("7_0", 0), "b": Place("7_0", 1), "c": Place("7_1", 0), "d": Place("7_1", 1)}
    slurm_ledger.write(folder, runs)
    slurm_ledger.write(folder, {"e": Place("8", 0)})
    commands.write("squeue", "7_0|COMPLETED\n7_1|SUSPENDED\n8|TIMEOUT")
    write_outcome(folder, Place("7_1", 1), "a value")
    assert slurm_ledger.still_there(folder) == {"c": Place("7_1", 0)}
    assert [path.name for path in (tmp_path / "slurm").glob("*.json")] == ["submitted-7.json"]
    commands.write("squeue", FORGOTTEN, status=1)
    assert slurm_ledger.still_there(folder) == {}


def test_without_an_answer_nothing_is_forgotten(tmp_path: Path, commands: Commands) -> None:
    slurm_ledger.write(tmp_path / "%j", {"a": Place("7", 0)})
    commands.write("squeue", SILENT, status=1)
    with pytest.raises(NoAnswerError):
        slurm_ledger.still_there(tmp_path / "%j")
    assert (tmp_path / "submitted-7.json").is_file()


@pytest.mark.parametrize(
    "text", ["{", '{"runs": [1]}', '{"runs": {"a": ["$(rm)", 0]}}', '{"runs": {"a": ["7", "x"]}}', "[]"]
)
def test_a_damaged_record_is_as_none(tmp_path: Path, commands: Commands, text: str) -> None:
    (tmp_path / "submitted-7.json").write_text(text)
    commands.write("squeue", "7|RUNNING")
    assert slurm_ledger.still_there(tmp_path / "%j") == {}
