"""Builds the report's content: matches results with the experiments, and calls each experiment's section."""

import importlib
import json
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.programs.experiments import Job, experiment_names, jobs
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.report import sections
from love_thy_neighbors.report.claims import claims
from love_thy_neighbors.report.collected import Stamp, collect
from love_thy_neighbors.report.context import Context
from love_thy_neighbors.report.document import Block, Origin, Report, Section
from love_thy_neighbors.report.matching import DEFAULT_DATA, Config, match, missing_runs
from love_thy_neighbors.report.others import other_runs, runs_table
from love_thy_neighbors.runs.identity import identity
from love_thy_neighbors.runs.settings import settings_of

Builder = Callable[[Context], tuple[list[Block], list[Origin]]]
CLIP_ART = (
    "These images are clip art, not photographs: the numbers are not comparable with the paper's, which are of "
    "NUS-WIDE. They stand side by side so that orderings can be compared."
)
ANOTHER = "The paper's numbers are of NUS-WIDE: beside another collection's they say how orderings compare, no more."
PHOTOGRAPHS = "The collection is NUS-WIDE; features and splits are not those of the paper, so expect other numbers."


@dataclass(frozen=True)
class Plans:
    """The jobs of every experiment under some overrides, each with the config that its result must have."""

    given: tuple[str, ...]
    experiments: dict[str, list[tuple[Job, Config]]]

    @classmethod
    def of(cls, given: Sequence[str]) -> "Plans":
        """Expands every experiment; Hydra must be initialised."""
        plans = {}
        names = experiment_names()
        with progress_bar("experiments", len(names)) as advance:
            for name in names:
                plans[name] = [(job, _expected(job)) for job in jobs(name, given)]
                advance(1)
        return cls(tuple(given), plans)

    @property
    def data(self) -> Config:
        """The config of the collection."""
        return dict(next(job.config["data"] for plan in self.experiments.values() for job, _ in plan))

    @property
    def folder(self) -> Path:
        """The collection's folder."""
        return Path(self.data["dir"])


def _expected(job: Job) -> Config:
    """The config that a job's result must have, as JSON holds it."""
    return dict(json.loads(json.dumps(identity(settings_of(job.config)))))


def found_sections() -> dict[str, tuple[str, str, Builder]]:
    """Title, place in the paper, and builder by experiment, from the ``SECTIONS`` of each module in `sections`."""
    found: dict[str, tuple[str, str, Builder]] = {}
    for module in pkgutil.iter_modules(sections.__path__):
        found |= importlib.import_module(f"{sections.__name__}.{module.name}").SECTIONS
    return found


def build(plans: Plans, found: Stamp) -> Report:
    """The report's content, from the results that have been found."""
    results, messages = collect(found)
    matched = match(plans.experiments, results)
    context = Context(matched, plans.folder)
    parts = [Section("claims", "What holds", "the paper's orderings, and beyond", tuple(claims(context)))]
    builders = found_sections()
    for name in plans.experiments:
        title, source, builder = builders.get(name) or _without_section(name, plans.given)
        blocks, origins = builder(context)
        missing = missing_runs(name, matched.experiments[name], plans.given)
        parts.append(Section(name, title, source, tuple(blocks), missing, tuple(origins)))
    table = other_runs(matched.others, results)
    if table:
        parts.append(Section("other_runs", "Other runs", "not in the paper", (table,)))
    return Report(str(plans.data["name"]), _warning(plans), len(results), tuple(parts), (*messages, *matched.messages))


def _without_section(name: str, given: Sequence[str]) -> tuple[str, str, Builder]:
    """The section of an experiment that has none of its own: a table of its runs."""
    return name.replace("_", " ").capitalize(), "not in the paper", lambda context: runs_table(context, name, given)


def _warning(plans: Plans) -> str:
    if DEFAULT_DATA in plans.given:
        return CLIP_ART
    return PHOTOGRAPHS if "data=nuswide" in plans.given else ANOTHER
