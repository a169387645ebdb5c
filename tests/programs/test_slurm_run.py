"""What a job of a sweep does in SLURM: which run, how often again, and with which exit status it ends."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from submitit.core import utils

from love_thy_neighbors.programs.slurm_run import Pack, Run, Work, main, may_queue_again
from love_thy_neighbors.programs.sweep_outcomes import Failure
from love_thy_neighbors.runs.identity import fingerprint


@pytest.fixture
def in_a_job(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {"JOB_ID": "70", "ARRAY_JOB_ID": "67", "ARRAY_TASK_ID": "3"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    for name in ("answer_signals", "ignore_signals"):  # of this process
        monkeypatch.setattr(f"love_thy_neighbors.programs.slurm_run.{name}", lambda *_: None)
    return monkeypatch


def test_time_limits_are_counted_once_an_attempt(tmp_path: Path, in_a_job: pytest.MonkeyPatch) -> None:
    assert may_queue_again(tmp_path, most=2)
    assert not may_queue_again(tmp_path, most=2)  # another task of the same attempt
    in_a_job.setenv("SLURM_RESTART_COUNT", "4")  # preempted three times in between
    assert may_queue_again(tmp_path, most=2)
    in_a_job.setenv("SLURM_RESTART_COUNT", "5")
    assert not may_queue_again(tmp_path, most=2)
    assert not may_queue_again(tmp_path / "other", most=0)


def test_overwriting_begins_once(tmp_path: Path) -> None:
    results, checkpoint = tmp_path / "results.json", tmp_path / "last.ckpt"
    results.write_text("old results")
    checkpoint.write_text("old checkpoint")
    overrides = ("lr=1e-3", "overwrite=true", "resume=false")
    run = Run(overrides, 0, {path: fingerprint(path) for path in (results, checkpoint)})
    assert run.to_do() == list(overrides)
    results.unlink()  # it was interrupted while the old files were deleted
    assert run.to_do() == list(overrides)
    checkpoint.write_text("a new epoch")
    assert run.to_do() == ["lr=1e-3", "overwrite=false", "resume=true"]
    results.write_text("new results")
    assert run.to_do() == ["lr=1e-3", "overwrite=false", "resume=true"]


class Loader:
    """Stands for Hydra: notes which run is begun."""

    begun: Any = None

    @property
    def config_loader(self) -> "Loader":
        return self

    def load_sweep_config(self, config: Any, overrides: list[str]) -> Any:
        Loader.begun = overrides
        raise StopIteration


@pytest.mark.parametrize(("task", "begun"), [("0", "split=0"), ("1", "split=1"), ("2", None)])
def test_each_task_has_a_run_of_its_own(
    in_a_job: pytest.MonkeyPatch, tmp_path: Path, task: str, begun: str | None
) -> None:
    in_a_job.setenv("SLURM_PROCID", task)
    in_a_job.setattr("love_thy_neighbors.programs.slurm_run.Singleton.set_state", lambda _: None)
    Loader.begun = None
    runs = [Run((f"split={number}",), number, {}) for number in (0, 1)]
    pack = Pack(Work(Loader(), None, None, 3), runs, one_each=True)  # type: ignore[arg-type]
    if begun is None:
        assert pack(tmp_path) is None
    else:
        with pytest.raises(StopIteration):
            pack(tmp_path)
        assert begun in Loader.begun


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        (JobReturn(status=JobStatus.COMPLETED, _return_value=1.5), 0),
        (JobReturn(status=JobStatus.COMPLETED, _return_value=Failure("lr is wrong.")), 1),
        (JobReturn(status=JobStatus.FAILED, _return_value=ValueError("no")), 1),
        (None, 0),
    ],
)
def test_a_failed_run_has_an_outcome_and_a_status_of_one(
    tmp_path: Path, in_a_job: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], returned: Any, status: int
) -> None:
    in_a_job.setenv("SUBMITIT_EXECUTOR", "slurm")
    in_a_job.setenv("SUBMITIT_FOLDER", "")  # put back at the end
    paths = utils.JobPaths(tmp_path / "%j", "67_3", 0)
    paths.folder.mkdir()
    utils.DelayedSubmission(lambda folder: returned).dump(paths.submitted_pickle)
    assert main(str(tmp_path / "%j")) == status
    assert paths.result_pickle.is_file()
    assert ("failed: " in capsys.readouterr().err) is bool(status)


def test_a_job_that_slurm_ends_has_no_outcome(tmp_path: Path, in_a_job: pytest.MonkeyPatch) -> None:
    def end(folder: Path) -> None:
        raise KeyboardInterrupt

    in_a_job.setenv("SUBMITIT_EXECUTOR", "slurm")
    in_a_job.setenv("SUBMITIT_FOLDER", "")  # put back at the end
    paths = utils.JobPaths(tmp_path / "%j", "67_3", 0)
    paths.folder.mkdir()
    utils.DelayedSubmission(end).dump(paths.submitted_pickle)
    assert main(str(tmp_path / "%j")) == 1
    assert not paths.result_pickle.exists()
