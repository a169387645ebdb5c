"""Finds the result of every job of the experiments."""

import json
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.programs.experiments import Job
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.document import Cell, Gap, MissingRuns
from love_thy_neighbors.report.estimates import Difference, estimate_of, paired_difference
from love_thy_neighbors.report.wording import counted

Config = dict[str, Any]
DEFAULT_DATA = "data=openclipart"
DIFFERENCE = "mAP_L, difference to visual-only [95 %]"


@dataclass(frozen=True)
class Planned:
    """A job of an experiment, and its result if it has finished."""

    job: Job
    result: Result | None

    @property
    def config(self) -> Config:
        return self.job.config


@dataclass(frozen=True)
class Runs:
    """Some jobs of an experiment. The value of a split is the mean over its seeds."""

    planned: tuple[Planned, ...]

    def where(self, condition: Callable[[Config], bool]) -> "Runs":
        """The jobs whose resolved config meets a condition."""
        return Runs(tuple(one for one in self.planned if condition(one.config)))

    @property
    def results(self) -> list[Result]:
        return [one.result for one in self.planned if one.result is not None]

    @property
    def complete(self) -> bool:
        return bool(self.planned) and len(self.results) == len(self.planned)

    def by(self, of: Callable[[Planned], Any]) -> dict[Any, "Runs"]:
        """The jobs by a value of each, in the order of the jobs."""
        groups: dict[Any, list[Planned]] = defaultdict(list)
        for one in self.planned:
            groups[of(one)].append(one)
        return {value: Runs(tuple(planned)) for value, planned in groups.items()}

    def by_key(self, key: str) -> dict[Any, "Runs"]:
        """The jobs by their value of a config key, ascending."""
        return dict(sorted(self.by(lambda one: one.config[key]).items()))

    def values(self, metric: str) -> dict[int, float]:
        """A test metric in percent for each split that has a finished run."""
        by_split = self.by_key("split").items()
        return {split: mean(one.figures[metric] for one in runs.results) for split, runs in by_split if runs.results}

    def estimate(self, metric: str) -> Estimate | Gap:
        """Mean and standard deviation of a test metric over splits."""
        if not self.planned:
            return Gap.NONE
        values = list(self.values(metric).values())
        return estimate_of(values) if values else Gap.MISSING

    def minus(self, other: "Runs", metric: str = "mAP_L") -> Difference | Gap:
        """The paired difference to other runs on the same splits."""
        if not (self.planned and other.planned):
            return Gap.NONE
        ratio = test_per_train(self.planned[0].config)
        return paired_difference(self.values(metric), other.values(metric), ratio) or Gap.MISSING

    @property
    def splits(self) -> Cell:
        """The number of splits with a finished run, with the number of all splits if some have none."""
        splits = self.by_key("split").values()
        done = sum(bool(runs.results) for runs in splits)  # those that `values` has a number for
        if not splits:
            return Gap.NONE
        if not done:
            return Gap.MISSING
        return done if done == len(splits) else f"{done} of {len(splits)}"


@dataclass(frozen=True)
class Matched:
    """Every experiment's jobs with their results; ``others`` are the results of no experiment.

    ``messages`` name results that are not used although they look like those of an experiment.
    """

    experiments: dict[str, Runs]
    others: list[Result]
    messages: list[str]

    def runs(self, experiment: str, condition: Callable[[Config], bool] = lambda config: True) -> Runs:
        """An experiment's jobs that meet a condition."""
        return self.experiments[experiment].where(condition)


def test_per_train(config: Config) -> float:
    """n_test / n_train, the test images for each training image."""
    sizes = config["data"]["split_sizes"]
    return float(sizes[2] / sizes[0])


def has_model(name: str) -> Callable[[Config], bool]:
    """The condition that a job trains this model."""
    return lambda config: bool(config["model"]["name"] == name)


def match(plans: dict[str, list[tuple[Job, Config]]], results: Sequence[Result]) -> Matched:
    """Gives every job its result: the newest one whose config is the job's identity, whatever trainer it ran on."""
    by_key: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_key[job_key(result.config)].append(result)
    newest = {key: max(found, key=lambda result: result.changed) for key, found in by_key.items()}
    experiments: dict[str, Runs] = {}
    wanted: dict[str, Config] = {}
    for name, plan in plans.items():
        keyed = [(job, expected, job_key(expected)) for job, expected in plan]
        wanted |= {key: expected for _, expected, key in keyed}
        experiments[name] = Runs(tuple(Planned(job, newest.get(key)) for job, _, key in keyed))
    messages = [
        f"{one.folder}: the same job as {newest[key].folder.name}, which is newer and counts."
        for key, found in by_key.items()
        if key in wanted
        for one in found
        if one is not newest[key]
    ]
    others = [result for result in results if job_key(result.config) not in wanted]
    return Matched(experiments, others, messages + _of_another_collection(others, wanted.values()))


def job_key(config: Config, *left_out: str) -> str:
    """The part of a config that must be equal: all but the device and the ``left_out`` keys of data."""
    kept = {"ckpt_path": None} | {key: value for key, value in config.items() if key != "trainer"}
    kept["data"] = {key: value for key, value in config["data"].items() if key not in left_out}
    return json.dumps(kept, sort_keys=True)


def _of_another_collection(others: list[Result], wanted: Iterable[Config]) -> list[str]:
    """A message for each other version of the collection that has results for an experiment."""
    expected = {job_key(config, "fingerprint"): config["data"]["fingerprint"] for config in wanted}
    found: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for result in others:
        key = job_key(result.config, "fingerprint")
        if key in expected and result.config["data"]["fingerprint"] != expected[key]:
            found[result.config["data"]["fingerprint"], expected[key]].append(result.folder)
    return [
        f"{counted(len(folders), 'run')} (the first in {folders[0]}) used another version of the collection, with the "
        f"fingerprint {theirs} instead of {ours}; only the section 'Your runs' shows them."
        for (theirs, ours), folders in found.items()
    ]


def missing_runs(experiment: str, runs: Runs, given: Sequence[str]) -> MissingRuns | None:
    """The missing runs by setting, and the command that makes them; None if there are none.

    ``given`` are the overrides of every job of the report.
    """
    unfinished = Runs(tuple(one for one in runs.planned if one.result is None))
    if not unfinished.planned:
        return None
    elsewhere = [text for text in given if text != DEFAULT_DATA]
    command = shlex.join(["python", "train.py", "-m", f"experiment={experiment}", *elsewhere])
    settings = tuple(
        f"{setting}: split {', '.join(str(one.config['split']) for one in group.planned)}"
        for setting, group in unfinished.by(lambda one: setting_of(one.job, given)).items()
    )
    return MissingRuns(len(runs.results), len(runs.planned), command, settings)


def setting_of(job: Job, given: Sequence[str] = ()) -> str:
    """A job's own overrides, without split and experiment and those ``given`` to every job."""
    general = ("split=", "experiment=", "+experiment=")
    own = [text for text in job.overrides if text not in given and not text.startswith(general)]
    return " ".join(own) or "all settings as they are"
