"""From results to the report's content: match them with the experiments, and build a section for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.programs.experiments import Job, experiment_names, jobs
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.report.claims import claims
from love_thy_neighbors.report.collected import Stamp, collect
from love_thy_neighbors.report.context import Context
from love_thy_neighbors.report.document import Block, Origin, Report, Section
from love_thy_neighbors.report.matching import DEFAULT_DATA, Config, expected_configs, match, missing_runs
from love_thy_neighbors.report.others import other_runs
from love_thy_neighbors.report.sections import annotation, correlation, counts, curves, labels, pictures

Builder = Callable[[Context], tuple[list[Block], list[Origin]]]
# Title, place in the paper, and what builds the section of each experiment.
SECTIONS: dict[str, tuple[str, str, Builder]] = {
    "statistics": ("The collection", "Table 1, section 4.1", counts.statistics),
    "table2": ("Image annotation", "Table 2, section 5.1", annotation.table2),
    "per_label": ("Label by label", "Figure 5, section 5.1", labels.per_label),
    "examples": ("Examples", "Figure 4, section 5.1", pictures.examples),
    "learned_weights": ("Learned weights", "Figure 3, section 3.3", pictures.learned_weights),
    "neighbor_types": ("Types of neighbours", "Table 3, section 5.2", annotation.neighbor_types),
    "hyperparameters": ("Neighborhood hyperparameters", "Figure 7, section 5.2", curves.hyperparameters),
    "label_correlation": ("Label correlations", "Figure 6, section 5.2", correlation.label_correlation),
    "vocabulary_overlap": ("Vocabulary generalization", "Figure 8, section 5.3", curves.vocabulary_overlap),
    "metadata_generalization": (
        "Metadata generalization",
        "Table 4, section 5.3",
        annotation.metadata_generalization,
    ),
}
CLIP_ART = (
    "These images are clip art, not photographs: the numbers are not comparable with the paper's, which are of "
    "NUS-WIDE. They stand side by side so that orderings can be compared."
)
ANOTHER = "The paper's numbers are of NUS-WIDE: beside another collection's they say how orderings compare, no more."
PHOTOGRAPHS = "The collection is NUS-WIDE; features and splits are not those of the paper, so expect other numbers."


@dataclass(frozen=True)
class Plans:
    """What the experiments would launch with some overrides, each job with the config that its result must have."""

    given: tuple[str, ...]
    experiments: dict[str, list[tuple[Job, Config]]]

    @classmethod
    def of(cls, given: Sequence[str]) -> "Plans":
        """Expand every experiment; needs an initialised Hydra."""
        plans = {}
        names = experiment_names()
        with progress_bar("experiments", len(names)) as advance:
            for name in names:
                plans[name] = expected_configs(jobs(name, given))
                advance(1)
        return cls(tuple(given), plans)

    @property
    def folder(self) -> Path:
        """The collection's folder."""
        first = next(job for plan in self.experiments.values() for job, _ in plan)
        return Path(first.config["data"]["dir"])

    @property
    def collection(self) -> str:
        first = next(job for plan in self.experiments.values() for job, _ in plan)
        return str(first.config["data"]["name"])


def build(plans: Plans, found: Stamp) -> Report:
    """The content of the report on the results that are there."""
    results, told = collect(found)
    matched = match(plans.experiments, results)
    context = Context(matched, plans.folder)
    sections = [Section("claims", "What holds", "the paper's orderings, and beyond", tuple(claims(context)))]
    for name in plans.experiments:
        title, source, builder = SECTIONS[name]
        blocks, origins = builder(context)
        missing = missing_runs(name, matched.experiments[name], plans.given)
        sections.append(Section(name, title, source, tuple(blocks), missing, tuple(origins)))
    table = other_runs(matched.others, results)
    if table:
        sections.append(Section("other_runs", "Other runs", "not in the paper", (table,)))
    return Report(plans.collection, _warning(plans), len(results), tuple(sections), (*told, *matched.told))


def _warning(plans: Plans) -> str:
    if DEFAULT_DATA in plans.given:
        return CLIP_ART
    return PHOTOGRAPHS if "data=nuswide" in plans.given else ANOTHER
