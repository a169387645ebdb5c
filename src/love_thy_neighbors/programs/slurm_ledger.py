"""Which runs have been submitted to SLURM, and in which jobs: ``submitted-ARRAY.json`` beside the jobs' logs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.slurm.states import ENDED, states_of


@dataclass(frozen=True)
class Place:
    """Where a run is done: the job of SLURM, ``ARRAY_ELEMENT`` for one of an array, and its task there."""

    job: str
    task: int

    @property
    def array(self) -> str:
        """The number that scancel takes."""
        return self.job.split("_")[0]

    def outcome(self, folder: Path) -> Path:
        """The file with what the run has returned. folder: where the files of a job are, with %j for its number."""
        from submitit.core.utils import JobPaths

        return Path(JobPaths(folder, self.job, self.task).result_pickle)


def base(folder: Path) -> Path:
    """The folder of all jobs' logs: ``folder`` without the parts that have the job's number, such as %j."""
    from submitit.core.utils import JobPaths

    return Path(JobPaths.get_first_id_independent_folder(folder))


def write(folder: Path, places: Mapping[str, Place]) -> None:
    """Remember that the runs of these names have been submitted, all as one array."""
    array = next(iter(places.values())).array
    runs = {name: [place.job, place.task] for name, place in places.items()}
    write_json(base(folder) / f"submitted-{array}.json", {"array": array, "runs": runs})


def still_there(folder: Path) -> dict[str, Place]:
    """The runs that are queued or running, by name; the files of arrays that have ended are removed.

    A run that has an outcome is done, also if its job has other runs to do.

    Raises `NoAnswerError` if SLURM does not answer.
    """
    found: dict[str, Place] = {}
    for path in sorted(base(folder).glob("submitted-*.json")):
        places = _read(path)
        states = states_of({place.array for place in places.values()})
        alive = {name: place for name, place in places.items() if states.get(place.job, "COMPLETED") not in ENDED}
        if not alive:
            path.unlink(missing_ok=True)
        found |= {name: place for name, place in alive.items() if not place.outcome(folder).is_file()}
    return found


def _read(path: Path) -> dict[str, Place]:
    """The runs of a file; none if it is damaged: then it is not known what was submitted."""
    try:
        runs = read_json(path)["runs"]
        return {str(name): Place(*_checked(place)) for name, place in runs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _checked(place: Any) -> tuple[str, int]:
    job, task = place
    if not isinstance(job, str) or not job.replace("_", "").isdigit() or type(task) is not int:
        raise ValueError("not a job and its task")
    return job, task
