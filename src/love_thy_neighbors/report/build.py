"""Builds the report's content: matches results with the experiments, and calls each experiment's section.

The own runs come first, then the experiments that have a result; what is missing is folded at the end.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from love_thy_neighbors.programs.experiments import Job, Plan, experiment_names, plan_of
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.report import sections
from love_thy_neighbors.report.claims import claims
from love_thy_neighbors.report.collected import Result, Stamp, collect
from love_thy_neighbors.report.context import Context
from love_thy_neighbors.report.diverged import diverged
from love_thy_neighbors.report.document import Block, Figure, Origin, Report, Section, Table, ToDo
from love_thy_neighbors.report.labels import own_labels
from love_thy_neighbors.report.matching import DEFAULT_DATA, Config, Matched, job_key, match, missing_runs
from love_thy_neighbors.report.others import own_runs, runs_table
from love_thy_neighbors.report.own_baseline import Baselines
from love_thy_neighbors.report.shortened import without_shortened
from love_thy_neighbors.report.slimming import slimmed
from love_thy_neighbors.runs.identity import identity
from love_thy_neighbors.runs.settings import settings_of

Builder = Callable[[Context], tuple[list[Block], list[Origin]]]
CLIP_ART = (
    "These images are clip art, not photographs: the numbers are not comparable with the paper's, which are of "
    "NUS-WIDE. They stand side by side so that orderings can be compared."
)
PHOTOGRAPHS = "The collection is NUS-WIDE; features and splits are not those of the paper, so expect other numbers."
BESIDE_THE_PAPER = {DEFAULT_DATA: CLIP_ART, "data=nuswide": PHOTOGRAPHS}  # the others have numbers of their own only


@dataclass(frozen=True)
class Plans:
    """The jobs of every experiment under some overrides, each with the config that its result must have.

    lacking: why the collection cannot have (all of) an experiment, by experiment.
    """

    given: tuple[str, ...]
    experiments: dict[str, list[tuple[Job, Config]]]
    lacking: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Sequence[str]) -> "Plans":
        """Expands every experiment; Hydra must be initialised."""
        plans: dict[str, Plan] = {}
        names = experiment_names()
        with progress_bar("experiments", len(names)) as advance:
            for name in names:
                plans[name] = plan_of(name, given)
                advance(1)
        jobs = {name: [(job, _expected(job)) for job in plan.jobs] for name, plan in plans.items()}
        return cls(tuple(given), jobs, {name: tuple(plan.lacking) for name, plan in plans.items() if plan.lacking})

    @property
    def data(self) -> Config:
        """The config of the collection."""
        return dict(next(job.config["data"] for plan in self.experiments.values() for job, _ in plan))

    @property
    def folder(self) -> Path:
        """The collection's folder."""
        return Path(self.data["dir"])

    @property
    def warning(self) -> str:
        """How far the numbers compare with the paper's; empty for a collection of one's own, which has none beside."""
        return next((text for choice, text in BESIDE_THE_PAPER.items() if choice in self.given), "")

    @property
    def usual(self) -> list[Config]:
        """The configs of all jobs that train or test a model."""
        every = [expected for plan in self.experiments.values() for _, expected in plan]
        return [expected for expected in every if expected["measure"] == "annotation"]


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
    every, messages = collect(found)
    results, short = without_shortened(every)
    matched = match(plans.experiments, results)
    context = Context(matched, plans.folder, Baselines(results), bool(plans.warning))
    parts = [*_own(plans, context, results)]
    experiments = [_experiment(name, plans, context) for name in plans.experiments]
    verdicts = Section("claims", "What holds", "the paper's orderings, and beyond", tuple(claims(context)))
    shown = [section for section in experiments if _has_numbers(section)]
    decided = any(isinstance(block, Table) and not block.folded for block in verdicts.blocks)
    parts += [verdicts, *shown] if decided else [*shown, *([verdicts] if verdicts.blocks else [])]
    to_do = [
        ToDo(section.title, section.source, section.missing, tuple(plans.lacking.get(section.name, ())))
        for section in experiments
        if (section.missing is not None and section not in shown) or section.name in plans.lacking
    ]
    notes = (*messages, *short, *diverged(results), *matched.messages)
    return Report(str(plans.data["name"]), plans.warning, len(every), tuple(parts), notes, tuple(to_do))


def _own(plans: Plans, context: Context, results: Sequence[Result]) -> list[Section]:
    """The runs that no finished experiment shows, and the labels of a collection of one's own."""
    shown = _not_in_finished_experiments(context.matched, results)
    name = str(plans.data["name"])
    table = own_runs(shown, context.baselines, plans.usual, name)
    found = [Section("own_runs", "Your runs", "by setting", (table,))] if table else []
    if not plans.warning and (blocks := own_labels(context, _of_this_collection(plans, results), plans.usual)):
        found.append(Section("own_labels", "Your labels", "from best to worst", tuple(blocks)))
    return found


def _not_in_finished_experiments(matched: Matched, results: Sequence[Result]) -> list[Result]:
    """The results of no experiment, and those of an experiment that is not finished."""
    wanted = {job_key(one.config) for one in results} - {job_key(one.config) for one in matched.others}
    unfinished = {
        job_key(one.config) for runs in matched.experiments.values() if not runs.complete for one in runs.results
    }
    return [one for one in results if (key := job_key(one.config)) in unfinished or key not in wanted]


def _of_this_collection(plans: Plans, results: Sequence[Result]) -> list[Result]:
    """The runs of models on the report's collection, of the version that lies there now."""
    fingerprints = {config["data"]["fingerprint"] for config in plans.usual}
    return [one for one in results if one.measure == "annotation" and one.config["data"]["fingerprint"] in fingerprints]


def _experiment(name: str, plans: Plans, context: Context) -> Section:
    """The section of an experiment, without what has no number."""
    title, source, builder = found_sections().get(name) or _without_section(name, plans.given)
    blocks, origins = builder(context)
    missing = missing_runs(name, context.matched.experiments[name], plans.given)
    return Section(name, title, source, slimmed(tuple(blocks), context.beside_paper), missing, tuple(origins))


def _has_numbers(section: Section) -> bool:
    """Whether a section shows anything: an experiment without a finished run has at most a note."""
    finished = section.missing is None or section.missing.found > 0
    return bool(section.blocks) and (finished or any(isinstance(block, Table | Figure) for block in section.blocks))


def _without_section(name: str, given: Sequence[str]) -> tuple[str, str, Builder]:
    """The section of an experiment that has none of its own: a table of its runs."""
    return name.replace("_", " ").capitalize(), "not in the paper", lambda context: runs_table(context, name, given)
