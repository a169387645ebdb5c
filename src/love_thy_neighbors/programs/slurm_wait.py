"""Waiting for runs in SLURM: until each has an outcome, or SLURM has ended its job without one."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from love_thy_neighbors.programs.slurm_ledger import Place
from love_thy_neighbors.programs.sweep_outcomes import Failure
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.slurm.commands import NoAnswerError
from love_thy_neighbors.slurm.states import ENDED, last_state, states_of
from love_thy_neighbors.visible import say

LOOK_S = 1.0  # between two looks for outcomes
ASK_S = 15.0  # between two questions to SLURM: its controller serves everybody
PATIENCE_S = 30.0  # until a job that has ended is given up: its files may be seen late, and it may be queued again


def wait_for(folder: Path, places: Sequence[Place]) -> list[Any]:
    """The outcome of each run: Hydra's JobReturn, or a `Failure` if SLURM has ended the job before the run was done.

    folder: where the files of a job are, with %j for its number.
    """
    outcomes: dict[Place, Any] = {}
    ended: dict[str, float] = {}  # jobs that SLURM has ended, or forgotten, and since when
    seen: dict[str, str] = {}  # their states
    asked = float("-inf")
    with progress_bar("jobs in SLURM", len(places)) as advance:
        while True:
            before = len(outcomes)
            outcomes |= _there(folder, [place for place in places if place not in outcomes])
            waiting = [place for place in places if place not in outcomes]
            if waiting and time.monotonic() - asked >= ASK_S:
                asked = time.monotonic()
                _note_ended({place.job for place in waiting}, ended, seen)
            for place in waiting:
                if asked - ended.get(place.job, asked) >= PATIENCE_S:
                    outcomes[place] = Failure(_reason(folder, place, seen.get(place.job)))
            advance(len(outcomes) - before)
            if len(outcomes) == len(set(places)):
                return [outcomes[place] for place in places]
            time.sleep(LOOK_S)


def _there(folder: Path, places: Sequence[Place]) -> dict[Place, Any]:
    """The outcomes that have been written."""
    from submitit.core import utils

    written = [place for place in places if place.outcome(folder).is_file()]
    return {place: utils.pickle_load(place.outcome(folder))[1] for place in written}


def _note_ended(jobs: set[str], ended: dict[str, float], seen: dict[str, str]) -> None:
    """Ask SLURM for the states of the jobs; one that has been queued again is not ended any more."""
    try:
        states = states_of({job.split("_")[0] for job in jobs})
    except NoAnswerError as error:
        if "" not in seen:
            seen[""] = str(error)
            say(f"SLURM does not answer ({error}); waiting until it does.", stderr=True)
        ended.clear()
        return
    seen.pop("", None)
    for job in jobs:
        if job in states:
            seen[job] = states[job]
        if states.get(job, "COMPLETED") in ENDED:
            ended.setdefault(job, time.monotonic())
        else:
            ended.pop(job, None)


def _reason(folder: Path, place: Place, state: str | None) -> str:
    from submitit.core.utils import JobPaths

    if state is None or state not in ENDED:
        state = last_state(place.job)
    known = "no longer known" if state is None else f"{state} ({ENDED.get(state, 'as its accounting says')})"
    paths = [JobPaths(folder, place.job, task) for task in (place.task, 0)]
    logs = [path for path in (paths[0].stderr, paths[0].stdout, paths[1].stderr, paths[1].stdout) if _has_text(path)]
    return f"SLURM job {place.job} is {known}, without a result" + (f"; see {logs[0]}." if logs else ".")


def _has_text(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
