"""The outcomes of a sweep's jobs: done, found finished or failed, and the list that is printed at the end."""

import logging
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import TaskFunction
from omegaconf import DictConfig

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.experiments import Job, Plan
from love_thy_neighbors.programs.machine import refusal
from love_thy_neighbors.programs.start import baseline_settings, register_resolvers
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.results import RESULTS
from love_thy_neighbors.runs.settings import Settings, settings_of
from love_thy_neighbors.visible import say, show_escapes


@dataclass(frozen=True)
class Failure:
    """A job that failed, with the reason in one sentence."""

    reason: str


KILLED = "its process was killed before it ended, perhaps because memory ran out."


class TaskWithoutExceptions:
    """A job's task that returns a `Failure` instead of raising; some exceptions cannot be sent between processes."""

    def __init__(self, task: TaskFunction) -> None:
        self.task = task

    def __call__(self, config: DictConfig) -> Any:
        """The task's value, or a `Failure`."""
        try:
            return self.task(config)
        except UserError as error:
            return Failure(str(error))
        except Exception as error:
            refused = refusal(error)
            if refused is not None:
                return Failure(f"{refused}.")
            return Failure(f"{_named(error)}{_logged(error)}.")  # a bug: its traceback goes to the job's log

    def __setstate__(self, state: dict[str, Any]) -> None:
        register_resolvers()  # in the process that does the job, which has not run train.py
        show_escapes()
        vars(self).update(state)


def _named(error: Exception) -> str:
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:300]}" if message else type(error).__name__


def _logged(error: Exception) -> str:
    """Write the traceback into the job's log, not onto the screen. Returns the words that name the log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            about = (type(error), error, error.__traceback__)
            handler.handle(logging.LogRecord(__name__, logging.ERROR, __file__, 0, "the job failed", (), about))
            return f"; traceback in {handler.baseFilename}"
    return ""


@contextmanager
def failures_of_killed_jobs(launcher: Launcher) -> Iterator[None]:
    """Inside, a killed job of submitit_local gives a `Failure`, and a job that cannot be launched one sentence.

    submitit's launcher raises at the first killed job and leaves the others without anyone who waits for them. Its only
    hook is the method by which it waits.
    """
    if "submitit" not in type(launcher).__module__:
        yield
        return
    import submitit
    from submitit.core.utils import UncompletedJobError

    wait = submitit.Job.results

    def wait_for_job(job: Any) -> list[Any]:
        try:
            return wait(job)
        except UncompletedJobError:
            log = Path(job.paths.stderr)
            failure = Failure(f"{KILLED} See {log}." if log.is_file() else KILLED)
            return [JobReturn(status=JobStatus.COMPLETED, _return_value=failure)]

    submitit.Job.results = wait_for_job  # type: ignore[method-assign, assignment]
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise UserError(f"cluster: the jobs could not be launched ({_named(error)}).") from None
    finally:
        submitit.Job.results = wait  # type: ignore[method-assign]


def is_finished(job: Job, config_name: str) -> bool:
    """Whether the results of the job, one of the primary config ``config_name``, and of its baseline exist already."""
    try:
        settings = settings_of(job.config)
        if settings.overwrite or not _has_result(settings):
            return False
        baseline = baseline_settings(settings, job.overrides, config_name)
    except UserError:
        return False  # the job itself names the mistake
    return baseline is None or _has_result(baseline)


def _has_result(settings: Settings) -> bool:
    return (settings.logs / run_name(settings) / RESULTS).is_file()


def print_plan(planned: Plan) -> None:
    """Print which jobs are left out, and why. Raises `UserError` if every pair is impossible."""
    if planned.impossible:
        pairs = ", ".join(f"m={m} M={M}" for m, M in planned.impossible)
        say(f"Left out, since a neighborhood of m images cannot be drawn from fewer: {pairs}.")
    for reason, count in planned.lacking.items():
        say(f"Left out, {count} {'job' if count == 1 else 'jobs'}: {reason}")
    if not planned.jobs and not planned.lacking:  # `make paper` goes on to the experiments that are possible
        raise UserError("m is larger than M in every job of this sweep; choose m at most M.")


def print_summary(jobs: Sequence[Job], found: int, outcomes: Sequence[Any]) -> None:
    """Print how many jobs were found finished and how many were done, and each that failed, with the reason.

    jobs and outcomes: those that were launched, in the same order. Raises `UserError` if one has failed.
    """
    count = sum(isinstance(outcome, Failure) for outcome in outcomes)
    total = len(jobs) + found
    jobs_in_all = "1 job" if total == 1 else f"{total} jobs"
    say(f"\n{jobs_in_all}: {len(jobs) - count} done, {found} found finished, {count} failed.")
    if not count:
        return
    print_failures([job.overrides for job in jobs], outcomes)
    command = shlex.join(["python", *(word for word in sys.argv if word != "overwrite=true")])
    raise UserError(f"{count} of {total} jobs failed; the same command does only what is missing: {command}")


def print_failures(job_overrides: Sequence[Sequence[str]], outcomes: Sequence[Any]) -> None:
    """Print the jobs whose outcome is a `Failure` by its reason, without the overrides that all jobs have."""
    failed = defaultdict(list)
    for overrides, outcome in zip(job_overrides, outcomes, strict=True):
        if isinstance(outcome, Failure):
            failed[outcome.reason].append(overrides)
    same = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
    for reason, those in failed.items():
        for overrides in those:
            say(f"  {' '.join(text for text in overrides if text not in same)}")
        say(f"    {reason}")
