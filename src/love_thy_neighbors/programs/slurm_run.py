"""What one job of SLURM does in a sweep: one run, or one run in each of its tasks.

``python -m love_thy_neighbors.programs.slurm_run FOLDER`` is what srun starts in each task. The exit status is 1 if the
run has failed, so that SLURM's own mails, ``sacct`` and ``--dependency=afterok`` tell the truth.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from love_thy_neighbors.programs.sweep_outcomes import Failure
from love_thy_neighbors.runs.identity import fingerprint
from love_thy_neighbors.slurm.commands import own_job, times_requeued
from love_thy_neighbors.slurm.signals import answer_signals, ignore_signals
from love_thy_neighbors.slurm.tasks import leave_other_tasks
from love_thy_neighbors.visible import say, show_escapes

SECONDS_FOR_FILES = 60  # until a file that another node has written is seen


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    number: its place in the sweep. replaced: with overwrite=true, the fingerprints of the old results and the old
    last.ckpt by their paths. As long as one of them is there, the run has not begun.
    """

    overrides: tuple[str, ...]
    number: int
    replaced: Mapping[Path, str]

    def to_do(self) -> list[str]:
        """The overrides now: a run that SLURM has interrupted goes on from its last epoch."""
        if any(fingerprint(path) == old for path, old in self.replaced.items()):
            return list(self.overrides)
        kept = [text for text in self.overrides if text.partition("=")[0] not in ("overwrite", "resume")]
        return [*kept, "overwrite=false", "resume=true"]


@dataclass(frozen=True)
class Work:
    """What all runs of a sweep have in common. most_timeouts: how often a job may reach its time limit."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    most_timeouts: int


class Pack:
    """The work of one job: a run that is divided among all its tasks, or a run for each task."""

    def __init__(self, work: Work, runs: Sequence[Run], one_each: bool) -> None:
        self.work = work
        self.runs = list(runs)
        self.one_each = one_each
        self.state = Singleton.get_state()

    def __call__(self, folder: Path) -> JobReturn | None:
        """Do this task's run. folder: where the job's own files go. None if there are more tasks than runs."""
        run = self.runs[0]
        if self.one_each:
            number = int(os.environ.get("SLURM_PROCID", "0"))
            if number >= len(self.runs):
                return None
            run = self.runs[number]
            leave_other_tasks()
        answer_signals(lambda: may_queue_again(folder, self.work.most_timeouts))
        Singleton.set_state(self.state)
        setup_globals()
        config = self.work.context.config_loader.load_sweep_config(self.work.config, run.to_do())
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = own_job(), run.number
        return run_job(
            hydra_context=self.work.context,
            task_function=self.work.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


def may_queue_again(folder: Path, most: int) -> bool:
    """Whether a job that is near its time limit may be queued again: at most ``most`` times, and by one of its tasks.

    The file ``JOB_timeout_ATTEMPT`` in ``folder`` counts a time limit that was reached.
    """
    job = own_job()
    if len(list(folder.glob(f"{job}_timeout_*"))) >= most:
        say(f"SLURM's time limit: reached more than {most} times (hydra.launcher.max_num_timeout).", stderr=True)
        return False
    try:
        (folder / f"{job}_timeout_{times_requeued()}").touch(exist_ok=False)
    except FileExistsError:  # another task has asked
        return False
    return True


def main(folder: str) -> int:
    """Do the work of this task and write its outcome; returns the exit status.

    Without an outcome: if SLURM ends the job. It may queue it again.
    """
    from submitit.core import utils
    from submitit.slurm.slurm import SlurmJobEnvironment

    os.environ["SUBMITIT_FOLDER"] = folder
    show_escapes()
    answer_signals()  # already while the work is loaded
    paths = SlurmJobEnvironment().paths
    deadline = time.monotonic() + SECONDS_FOR_FILES
    while not paths.submitted_pickle.exists() and time.monotonic() < deadline:
        time.sleep(1)
    work = utils.DelayedSubmission.load(paths.submitted_pickle)
    try:
        returned = work.function(paths.folder)
    except KeyboardInterrupt:
        say(f"SLURM ends job {own_job()}.", stderr=True)
        return 1
    with utils.temporary_save_path(paths.result_pickle) as temporary:
        utils.cloudpickle_dump(("success", returned), temporary)
    ignore_signals()
    failed = returned is not None and isinstance(value_of(returned), Failure)
    if failed:
        say(f"failed: {value_of(returned).reason}", stderr=True)
    return int(failed)


def value_of(returned: JobReturn) -> Any:
    """What the run has returned; a `Failure` for a run that could not begin."""
    try:
        return returned.return_value
    except Exception as error:  # Hydra keeps what was raised
        return Failure(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
