"""Sweeps as a person runs them: cut off, with jobs that fail, two at once, on a cluster; and what they say at the end."""

import csv
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, run_program
from hydra_plugins.love_thy_neighbors_sweeper.sweeper import ExperimentSweeper
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.experiments import Job, Plan
from love_thy_neighbors.programs.sweep_outcomes import (
    Failure,
    TaskWithoutExceptions,
    failures_of_killed_jobs,
    print_plan,
    print_summary,
)


def quick(made_up: Path, folder: Path, *overrides: str) -> list[str]:
    """A command of seconds a job, its files in ``folder``."""
    return [
        "data=collection",
        f"data.dir={made_up}",
        "h=8",
        "epochs=1",
        "baseline=null",
        "logger=csv",
        "trainer.enable_progress_bar=false",
        f"logs={folder}/logs",
        f"cache={folder}/cache",
        *overrides,
    ]


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> list[Path]:
    deadline = time.monotonic() + 120
    while not (found := list(folder.glob(pattern))) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found, process.communicate()
    return found


def test_a_sweep_that_was_cut_off_does_only_what_is_missing(made_up: Path, tmp_path: Path) -> None:
    command = ["-m", *quick(made_up, tmp_path, "split=0,1,2", "epochs=9", "resume=true")]
    process = start(*command, cwd=tmp_path)
    wait_for(tmp_path, "logs/*/results.json", process)
    process.kill()
    process.communicate()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("logs/*/results.json")}
    done = run_program("train.py", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"3 jobs: {3 - len(finished)} done, {len(finished)} found finished, 0 failed." in done.stdout
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert len(list(tmp_path.glob("logs/*/results.json"))) == 3


def test_a_job_that_fails_takes_no_other_with_it_and_is_listed(made_up: Path, tmp_path: Path) -> None:
    command = ["-m", *quick(made_up, tmp_path, "m=3,7", "lr=1e-3,1e30", "l2=1e30", "split=0,1", "cluster=joblib")]
    done = run_program("train.py", *command, cwd=tmp_path)
    assert done.returncode == 1
    assert "Left out, since a neighborhood of m images cannot be drawn from fewer: m=7 M=6.\n" in done.stdout
    head, *listed = done.stdout[done.stdout.index("4 jobs: ") :].splitlines()
    assert head == "4 jobs: 2 done, 0 found finished, 2 failed."
    assert listed[:2] == ["  lr=1e+30 split=0", "  lr=1e+30 split=1"]
    assert "training diverged" in listed[2]
    assert done.stderr.splitlines()[-1].startswith(
        f"train.py: 2 of 4 jobs failed; the same command does only what is missing: python {ROOT / 'train.py'} -m data="
    )
    assert "Traceback" not in done.stdout + done.stderr
    folders = [path.parent for path in tmp_path.glob("logs/*/results.json")]
    results = [json.loads((folder / "results.json").read_text()) for folder in folders]
    assert sorted(one["split"] for one in results) == [0, 1]  # started in the same second, each in its own folder
    for folder, one in zip(folders, results, strict=True):
        assert f"- split={one['split']}\n" in (folder / "hydra" / "overrides.yaml").read_text()


def test_two_programs_at_the_same_moment_compute_lists_and_baseline_once(made_up: Path, tmp_path: Path) -> None:
    common = quick(made_up, tmp_path, "baseline=visual_only", "epochs=4")
    processes = [start(*common, f"m={m}", cwd=tmp_path) for m in (2, 3)]
    outputs = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    for part, lists in {"train": 1, "val": 2, "test": 1}.items():  # two of val: neighbours from its part, and from all
        assert sum(errors.count(f"tags neighbours, {part} ") for _, errors in outputs) == lists
    (baseline,) = tmp_path.glob("logs/*visual_only*")
    assert sum(f": {baseline}\n" in output for output, _ in outputs) == 1  # found by one, so trained by the other
    assert len(list(tmp_path.glob("logs/*/results.json"))) == 3


@pytest.mark.slow
def test_a_sweep_by_way_of_submitit_with_weights_and_biases(made_up: Path, tmp_path: Path) -> None:
    """The way that cluster=slurm goes, without SLURM."""
    command = quick(made_up, tmp_path, "experiment=examples", "debug=fast_batch", "cluster=submitit_local")
    environment = {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    done = run_program("train.py", "-m", *command, "logger=wandb", cwd=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert "2 jobs: 2 done, 0 found finished, 0 failed." in done.stdout
    for model in ("visual_only", "neighborhood"):
        (recorded,) = tmp_path.glob(f"logs/*-{model}-*/wandb/offline-run-*/run-*.wandb")
        for written in (b"examples", model.encode(), b"pool-split", b"annotation"):
            assert written in recorded.read_bytes()


@pytest.mark.slow
def test_a_job_that_is_preempted_is_queued_again_and_goes_on(made_up: Path, tmp_path: Path) -> None:
    process = start("-m", *quick(made_up, tmp_path, "epochs=60", "split=0", "cluster=submitit_local"), cwd=tmp_path)
    (checkpoint,) = wait_for(tmp_path, "logs/*/last.ckpt", process)
    pid = int(next(path.name for path in (tmp_path / "logs" / "slurm").iterdir() if path.name.isdigit()))
    (job,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(job), signal.SIGUSR2)  # what SLURM sends
    time.sleep(0.5)
    before = (checkpoint.parent / "metrics.csv").read_text()
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "1 job: 1 done" in output
    told = "".join(path.read_text() for path in tmp_path.glob("logs/slurm/*/*_log.out"))
    assert told.count("Starting with JobEnvironment") == 2
    after = (checkpoint.parent / "metrics.csv").read_text()
    assert after.startswith(before)
    assert len(list(csv.DictReader(after.splitlines()))) == 60


def test_an_experiment_without_m_is_told_to_be_a_sweep(tmp_path: Path) -> None:
    done = run_program("train.py", "experiment=examples", f"logs={tmp_path}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "train.py: experiment=examples: an experiment is a sweep; add -m to the command.\n"
    assert not list(tmp_path.iterdir())


def test_a_machine_without_slurm_is_told(made_up: Path, tmp_path: Path) -> None:
    done = run_program("train.py", "-m", *quick(made_up, tmp_path, "cluster=slurm"), cwd=tmp_path, PATH="/nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("train.py: cluster: the jobs could not be submitted (RuntimeError: Could not detect")
    assert "Traceback" not in done.stderr


def job(number: int) -> Job:
    return Job((f"seed={number}",), {})


class Launcher:
    """Stands for joblib's: a killed worker process ends the whole launch."""

    def __init__(self, deadly: set[str]) -> None:
        self.deadly = deadly
        self.launched: list[str] = []

    def launch(self, overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        seeds = [text for row in overrides for text in row]
        assert seeds == [f"seed={initial_job_idx + k}" for k in range(len(seeds))]
        self.launched += seeds
        if self.deadly & set(seeds):
            raise BrokenProcessPool
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=text) for text in seeds]


@given(st.integers(1, 12), st.sets(st.integers(0, 11), max_size=3))
def test_of_jobs_whose_worker_is_killed_the_others_are_done(count: int, killers: set[int]) -> None:
    sweeper = ExperimentSweeper()
    deadly = {f"seed={number}" for number in killers}
    sweeper.launcher = Launcher(deadly)  # type: ignore[assignment]
    outcomes = sweeper._launch([job(number) for number in range(count)], first=0)
    for number, outcome in enumerate(outcomes):
        if number in killers:
            assert isinstance(outcome, Failure)
            assert "killed" in outcome.reason
        else:
            assert outcome == f"seed={number}"


def test_a_job_killed_by_way_of_submitit_is_told_while_the_others_are_waited_for(tmp_path: Path) -> None:
    import submitit
    from submitit.core.utils import UncompletedJobError

    def cluster_job(log: str) -> Any:
        def wait() -> None:
            if log != "good.err":
                raise UncompletedJobError("no result")

        paths = SimpleNamespace(stderr=tmp_path / log)
        return SimpleNamespace(
            wait=wait, paths=paths, _sub_jobs=[], _get_outcome_and_result=lambda: ("success", "a value")
        )

    (tmp_path / "bad.err").touch()
    launcher = type("LocalLauncher", (), {"__module__": "hydra_plugins.hydra_submitit_launcher.submitit_launcher"})()
    original = submitit.Job.results
    with failures_of_killed_jobs(launcher):
        good, bad, silent = (
            submitit.Job.results(cluster_job(log))[0] for log in ("good.err", "bad.err", "missing.err")
        )
    assert good == "a value"
    assert "killed" in bad.return_value.reason
    assert str(tmp_path / "bad.err") in bad.return_value.reason
    assert "missing.err" not in silent.return_value.reason
    assert submitit.Job.results is original


@pytest.fixture
def log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A job's log, as Hydra sets it up."""
    handler = logging.FileHandler(tmp_path / "train.log")
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    yield tmp_path / "train.log"
    handler.close()


class UnpicklableError(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a}\n  and {b}")


def test_whatever_a_job_raises_can_be_sent_and_its_traceback_is_in_its_log(log_file: Path) -> None:
    def fail(config: Any) -> None:
        raise config["raise"]

    told = TaskWithoutExceptions(fail)({"raise": UnpicklableError(1, 2)})  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(told)) == told  # noqa: S301
    assert told.reason == f"UnpicklableError: 1 and 2; traceback in {log_file}."
    assert "Traceback" in log_file.read_text()
    assert TaskWithoutExceptions(fail)({"raise": UserError("lr is wrong.")}) == Failure("lr is wrong.")  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        TaskWithoutExceptions(fail)({"raise": KeyboardInterrupt()})  # type: ignore[arg-type]


def test_the_list_at_the_end(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "-m", "a=1,2,3", "tags=[b c]", "overwrite=true"])
    jobs = [Job((f"a={number}", "tags=[b c]"), {}) for number in (1, 2, 3)]
    with pytest.raises(UserError, match=r"1 of 7 jobs failed; .*: python train.py -m a=1,2,3 'tags=\[b c\]'$"):
        print_summary(jobs, 4, [1.0, Failure("no sets."), None])
    assert capsys.readouterr().out == "\n7 jobs: 2 done, 4 found finished, 1 failed.\n  a=2\n    no sets.\n"
    with pytest.raises(UserError, match="m is larger than M in every job"):
        print_plan(Plan([], {(7, 6): None}))


def test_what_a_collection_cannot_have_is_printed_with_the_reason_and_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason = "metadata=groups: the collection in mine has no groups; it has tags."
    print_plan(Plan([Job((), {})], {}, {reason: 5}))
    assert f"5 jobs: {reason}" in capsys.readouterr().out
    print_plan(Plan([], {}, {reason: 1}))
    assert f"1 job: {reason}" in capsys.readouterr().out
