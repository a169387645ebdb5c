"""In which states SLURM's jobs are."""

import re
from collections.abc import Iterable

from love_thy_neighbors.slurm.commands import NoAnswerError, answer

# A job in one of these is not coming back, if it stays in it: one that is queued again is PENDING a moment later.
ENDED = {
    "BOOT_FAIL": "a node could not start",
    "CANCELLED": "somebody has cancelled it",
    "COMPLETED": "it has ended by itself",
    "DEADLINE": "its deadline has passed",
    "FAILED": "its process has ended with an error",
    "NODE_FAIL": "its node has failed",
    "OUT_OF_MEMORY": "it needs more memory, hydra.launcher.mem_gb",
    "PREEMPTED": "another job took its place, and the cluster does not queue it again",
    "REVOKED": "another cluster has it",
    "TIMEOUT": "its time is over, hydra.launcher.timeout_min",
}
_UNKNOWN_JOB = re.compile(r"invalid job id", re.I)


def states_of(jobs: Iterable[str]) -> dict[str, str]:
    """The state of every job, or of every element of these arrays, that SLURM still knows, by number.

    Raises `NoAnswerError` if SLURM does not answer; a job that it has forgotten is left out.
    """
    return {number: state for job in jobs for number, state in _listed(job)}


def _listed(job: str) -> list[tuple[str, str]]:
    asked = ("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%i|%T")
    try:
        lines = answer(*asked).split()
    except NoAnswerError as error:
        if _UNKNOWN_JOB.search(str(error)):
            return []
        raise
    return [(number, state) for number, _, state in (line.partition("|") for line in lines)]


def last_state(job: str) -> str | None:
    """The state in which a job has ended, by the cluster's accounting; None if there is no accounting.

    >>> read_accounts("7_1|CANCELLED by 0\\n7_[3-5,8]|CANCELLED by 0\\n", "7_4")
    'CANCELLED'
    """
    try:
        listed = answer("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}", "--format=JobID,State")
    except NoAnswerError:
        return None
    return read_accounts(listed, job)


def read_accounts(listed: str, job: str) -> str | None:
    """The state of a job in a list of sacct, whose lines may name several elements of an array at once."""
    for line in listed.splitlines():
        number, _, state = line.partition("|")
        if job in _numbers(number):
            return state.split()[0] if state.split() else None
    return None


def _numbers(text: str) -> set[str]:
    """The jobs that ``7``, ``7_3`` or ``7_[3-5,8%2]`` stands for."""
    array, bracket, elements = text.partition("_[")
    if not bracket:
        return {text}
    ranges = (part.partition("-") for part in elements.split("]")[0].split("%")[0].split(","))
    return {
        f"{array}_{number}"
        for first, _, last in ranges
        if first.isdigit() and (last or first).isdigit()
        for number in range(int(first), int(last or first) + 1)
    }
