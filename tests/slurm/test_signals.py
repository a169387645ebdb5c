"""What a training does with SLURM's signals. SLURM's commands are scripts that note how they were called."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import short_run
from fixtures.fake_slurm import Commands
from love_thy_neighbors.slurm.commands import own_job, times_requeued
from love_thy_neighbors.slurm.signals import answer_signals, ignore_signals

RUNNING = "JobId=70 JobState=RUNNING Reason=None PreemptTime="


@pytest.fixture
def in_a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Commands]:
    """This process is element 3 of the array 67, with the signals' handlers put back at the end."""
    for name, value in {"JOB_ID": "70", "ARRAY_JOB_ID": "67", "ARRAY_TASK_ID": "3", "NTASKS": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    commands = Commands(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{commands.folder}:{os.environ['PATH']}")
    numbers = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield commands
    for number, handler in before.items():
        signal.signal(number, handler)


def figures(run: Path) -> dict[str, object]:
    results = json.loads((run / "results.json").read_text())
    return {key: results[key] for key in ("val", "test", "best_epoch", "confidence")}


def sent_while_training(number: int, run: Path) -> threading.Thread:
    """A thread that sends a signal to this process as soon as the first epoch is over."""

    def send() -> None:
        while not (run / "last.ckpt").is_file():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def undisturbed(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(made_up, tmp_path_factory.mktemp("undisturbed"), "epochs=25")


@pytest.mark.parametrize(
    ("number", "known", "asked"),
    [
        (signal.SIGUSR1, "", "scontrol requeue 67_3"),
        (signal.SIGUSR2, "", "scontrol requeue 67_3"),
        (signal.SIGTERM, f"{RUNNING}2026-01-01T00:00:00 TimeLimit=1", "scontrol --oneliner show job 67_3"),
    ],
)
def test_a_training_goes_on_as_if_undisturbed(
    made_up: Path, tmp_path: Path, in_a_job: Commands, undisturbed: Path, number: int, known: str, asked: str
) -> None:
    in_a_job.write("scontrol", known)
    answer_signals()
    thread = sent_while_training(number, tmp_path / "run")
    run = short_run(made_up, tmp_path, "epochs=25")
    thread.join()
    assert asked in in_a_job.calls()
    assert figures(run) == figures(undisturbed)
    assert not list(run.glob("hpc_ckpt*"))


@pytest.mark.parametrize("known", ["JobState=CANCELLED PreemptTime=None", f"{RUNNING}None", "JobState=COMPLETING"])
def test_a_cancelled_job_ends_at_once(made_up: Path, tmp_path: Path, in_a_job: Commands, known: str) -> None:
    in_a_job.write("scontrol", known)
    answer_signals()
    sent_while_training(signal.SIGTERM, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        short_run(made_up, tmp_path, "epochs=2000")
    assert not (tmp_path / "run" / "results.json").exists()


def test_without_an_answer_the_job_goes_on(in_a_job: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    in_a_job.write("scontrol", "slurm_load_jobs error: Unable to contact slurm controller", status=1)
    answer_signals()
    os.kill(os.getpid(), signal.SIGTERM)
    assert "67_3" in capsys.readouterr().err


def test_a_job_that_may_not_be_queued_again_says_so(in_a_job: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    in_a_job.write("scontrol", "Requested operation is presently disabled for job 70", status=1)
    answer_signals()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert "presently disabled" in capsys.readouterr().err


@pytest.mark.parametrize(("task", "may", "asks"), [("0", True, True), ("1", True, False), ("0", False, False)])
def test_one_process_asks_and_only_if_it_may(
    in_a_job: Commands, monkeypatch: pytest.MonkeyPatch, task: str, may: bool, asks: bool
) -> None:
    in_a_job.write("scontrol", "")
    monkeypatch.setenv("SLURM_PROCID", task)
    answer: Callable[[], bool] = lambda: may  # noqa: E731
    answer_signals(answer)
    os.kill(os.getpid(), signal.SIGUSR2)
    assert (in_a_job.calls() != []) is asks


def test_a_process_whose_work_is_done_is_not_ended(in_a_job: Commands) -> None:
    answer_signals()
    ignore_signals()
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(os.getpid(), number)
    assert in_a_job.calls() == []


def test_outside_slurm_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGUSR1)
    answer_signals()
    ignore_signals()
    assert signal.getsignal(signal.SIGUSR1) is before


@pytest.mark.parametrize(
    ("environment", "job", "requeued"),
    [
        ({}, None, 0),
        ({"SLURM_RESTART_COUNT": "2"}, None, 0),
        ({"SLURM_JOB_ID": "8"}, "8", 0),
        ({"SLURM_JOB_ID": "8", "SLURM_RESTART_COUNT": "2"}, "8", 2),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "1"}, "8_1", 0),
    ],
)
def test_the_number_of_the_own_job(environment: dict[str, str], job: str | None, requeued: int) -> None:
    assert own_job(environment) == job
    assert times_requeued(environment) == requeued
