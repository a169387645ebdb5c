"""SLURM's own commands, called with a time limit; their answers are read as text."""

import os
import re
import subprocess
from collections.abc import Mapping

LONGEST_S = 60  # SLURM's controller may be busy for a while


class NoAnswerError(Exception):
    """A command of SLURM is missing, has failed or has taken too long; the text is the reason."""


def answer(*command: str) -> str:
    """The output of a command of SLURM; raises `NoAnswerError`."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=LONGEST_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswerError(f"{command[0]}: {error}") from None
    if done.returncode:
        raise NoAnswerError(" ".join(done.stderr.split()) or f"{command[0]} ended with status {done.returncode}")
    return done.stdout


def own_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """The number of the job that this process belongs to, ``ARRAY_ELEMENT`` for one of an array; None outside SLURM."""
    if "SLURM_ARRAY_JOB_ID" in environment and "SLURM_ARRAY_TASK_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment.get("SLURM_JOB_ID")


def times_requeued(environment: Mapping[str, str] = os.environ) -> int:
    """How often SLURM has queued this process's job again; 0 outside SLURM."""
    count = environment.get("SLURM_RESTART_COUNT", "0")
    return int(count) if own_job(environment) is not None and count.isdigit() else 0


def shown(job: str) -> dict[str, str]:
    """What ``scontrol show job`` knows about one job, by SLURM's names; raises `NoAnswerError`."""
    return dict(re.findall(r"(\w+)=(\S*)", answer("scontrol", "--oneliner", "show", "job", job)))
