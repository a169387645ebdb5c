"""Which result answers which job of the paper's experiments."""

import json
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.programs.experiments import Job
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.document import Cell, Gap, MissingRuns
from love_thy_neighbors.report.estimates import Difference, estimate_of, paired_difference
from love_thy_neighbors.runs.identity import identity

Config = dict[str, Any]


@dataclass(frozen=True)
class Planned:
    """A job of an experiment, the config that its result must have, and the result, if it has finished."""

    job: Job
    expected: Config
    result: Result | None

    @property
    def config(self) -> Config:
        return self.job.config


@dataclass(frozen=True)
class Runs:
    """Some jobs of an experiment. A figure of a split is the mean over its seeds, if there are several."""

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

    def values(self, metric: str) -> dict[int, float]:
        """A test figure for each split that has a finished run."""
        figures: dict[int, list[float]] = defaultdict(list)
        for one in self.planned:
            if one.result is not None:
                figures[one.config["split"]].append(one.result.figure(metric))
        return {split: sum(values) / len(values) for split, values in sorted(figures.items())}

    def estimate(self, metric: str) -> Estimate | Gap:
        """Mean and deviation over splits of a test figure."""
        values = self.values(metric)
        return estimate_of(list(values.values())) if values else self._gap

    def minus(self, other: "Runs", metric: str = "mAP_L") -> Difference | Gap:
        """The paired difference to other runs on the same splits."""
        if not (self.planned and other.planned):
            return Gap.NONE
        sizes = self.planned[0].config["data"]["split_sizes"]
        difference = paired_difference(self.values(metric), other.values(metric), sizes[2] / sizes[0])
        return Gap.MISSING if difference is None else difference

    @property
    def _gap(self) -> Gap:
        return Gap.MISSING if self.planned else Gap.NONE  # nobody asked for them

    @property
    def splits(self) -> Cell:
        """How many splits have finished, of how many if some have not."""
        planned = {one.config["split"] for one in self.planned}
        unfinished = {one.config["split"] for one in self.planned if one.result is None}
        if not planned:
            return Gap.NONE
        done = len(planned - unfinished)
        return f"{done} of {len(planned)}" if unfinished else done


@dataclass(frozen=True)
class Matched:
    """Every experiment's jobs with their results, and what is left over.

    ``others`` are the results of no experiment, ``told`` sentences on those which could be mistaken for one's.
    """

    experiments: dict[str, Runs]
    others: list[Result]
    told: list[str]

    def runs(self, experiment: str, condition: Callable[[Config], bool] = lambda config: True) -> Runs:
        """An experiment's jobs, or those that meet a condition."""
        return self.experiments[experiment].where(condition)


def has_model(name: str) -> Callable[[Config], bool]:
    """The condition that a job is of this model."""
    return lambda config: bool(config["model"]["name"] == name)


def match(plans: dict[str, list[tuple[Job, Config]]], results: Sequence[Result]) -> Matched:
    """Give every job its result: the newest whose config is the job's identity, whatever trainer it ran on."""
    by_key: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.config.get("ckpt_path") is None:
            by_key[_key(result.config)].append(result)
    newest = {key: max(found, key=lambda result: result.changed) for key, found in by_key.items()}
    experiments: dict[str, Runs] = {}
    wanted: dict[str, Config] = {}
    for name, plan in plans.items():
        keyed = [(job, expected, _key(expected)) for job, expected in plan]
        wanted |= {key: expected for _, expected, key in keyed}
        experiments[name] = Runs(tuple(Planned(job, expected, newest.get(key)) for job, expected, key in keyed))
    told = [sentence for key, found in by_key.items() if key in wanted for sentence in _duplicates(found, newest[key])]
    others = [r for r in results if r.config.get("ckpt_path") is not None or _key(r.config) not in wanted]
    return Matched(experiments, others, told + _of_another_collection(others, wanted.values()))


def expected_configs(jobs: Iterable[Job]) -> list[tuple[Job, Config]]:
    """Each job with the config that its result must have, as JSON holds it."""
    return [(job, json.loads(json.dumps(identity(job.config)))) for job in jobs]


def _key(config: Config, *left_out: str) -> str:
    """What must be equal; the device that a job ran on, and how it was continued, need not be."""
    kept = {key: value for key, value in config.items() if key not in ("trainer", "ckpt_path")}
    kept["data"] = {key: value for key, value in config["data"].items() if key not in left_out}
    return json.dumps(kept, sort_keys=True)


def _duplicates(found: list[Result], newest: Result) -> list[str]:
    return [
        f"{result.folder}: the same job as {newest.folder.name}, which is newer and counts."
        for result in found
        if result is not newest
    ]


def _of_another_collection(others: list[Result], wanted: Iterable[Config]) -> list[str]:
    """Results that an experiment would take if its collection's content were the same, one sentence for each "
    "content."""
    expected = {_key(config, "fingerprint"): config["data"]["fingerprint"] for config in wanted}
    found: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for result in others:
        key = _key(result.config, "fingerprint")
        if key in expected and result.config["data"]["fingerprint"] != expected[key]:
            found[result.config["data"]["fingerprint"], expected[key]].append(result.folder)
    return [
        f"{len(folders)} runs (the first in {folders[0]}) were made on another version of the collection, with the "
        f"fingerprint {theirs} instead of {ours}; they stand below 'Other runs' alone."
        for (theirs, ours), folders in sorted(found.items())
    ]


def missing_runs(experiment: str, runs: Runs, given: Sequence[str]) -> MissingRuns | None:
    """What is not there, by setting, and the command that makes it; None if all is there.

    ``given`` are the overrides that every job of the report has.
    """
    settings: dict[str, list[int]] = defaultdict(list)
    for one in runs.planned:
        if one.result is None:
            own = [text for text in one.job.overrides if text not in given and not text.startswith(_NOT_A_SETTING)]
            settings[" ".join(own) or "all settings as they are"].append(one.config["split"])
    if not settings:
        return None
    command = [
        "python",
        "train.py",
        "-m",
        f"experiment={experiment}",
        *(text for text in given if text != DEFAULT_DATA),
    ]
    lines = tuple(f"{setting}: split {', '.join(map(str, splits))}" for setting, splits in settings.items())
    return MissingRuns(len(runs.results), len(runs.planned), shlex.join(command), lines)


DEFAULT_DATA = "data=openclipart"
_NOT_A_SETTING = ("split=", "experiment=", "+experiment=")
