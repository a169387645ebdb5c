"""What all sections use: the matched runs, the collection, and the arrays in a run's folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml

from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.collection.table_files import open_npy
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.document import Block, Gap, Note, Origin
from love_thy_neighbors.report.estimates import estimate_of
from love_thy_neighbors.report.matching import Matched, Runs, has_model
from love_thy_neighbors.report.own_baseline import Baselines


@dataclass(frozen=True)
class Context:
    """The runs of every experiment, the folder of their collection, and where a run's own baseline is found.

    beside_paper: whether the paper's numbers are shown.
    """

    matched: Matched
    folder: Path
    baselines: Baselines
    beside_paper: bool = True

    def model(self, name: str) -> Runs:
        """The runs of one of Table 2's models."""
        return self.matched.runs("table2", has_model(name))

    @cached_property
    def visual_only(self) -> Runs:
        """The baseline that everything is compared with."""
        return self.model("visual_only")

    def neighbors_by(self, kind: str) -> Runs:
        """Table 3's runs with neighbours by one type of metadata."""
        return self.matched.runs("neighbor_types", lambda config: config["metadata"]["type"] == kind)

    def generalized(self, train: str, *tests: str) -> Runs:
        """Table 4's runs with the type ``train`` in training and one of ``tests`` at test time."""
        return self.matched.runs(
            "metadata_generalization",
            lambda config: config["metadata"]["type"] == train and config["test_metadata"]["type"] in tests,
        )

    @cached_property
    def collection(self) -> Collection:
        """The collection, loaded at the first use. Raises `UserError` if it cannot be read."""
        return load_collection(self.folder)


def array_of(result: Result, name: str) -> np.ndarray:
    """An array of a run's folder. Raises `UserError` if it is missing or damaged."""
    path = result.folder / f"{name}.npy"
    if not path.is_file():
        raise UserError(f"{path} is missing; copy the whole folder of a run, or do the job again with overwrite=true.")
    return open_npy(path)


def percent(fractions: np.ndarray, absent: Gap = Gap.NONE) -> Estimate | Gap:
    """The estimate in percent from one fraction per split, without NaN; ``absent`` if none is left."""
    known = [100 * float(value) for value in fractions if np.isfinite(value)]
    return estimate_of(known) if known else absent


def or_note(blocks: Callable[[], Sequence[Block]]) -> list[Block]:
    """The blocks, or a note with the reason if a file that they need cannot be used."""
    try:
        return list(blocks())
    except UserError as error:
        return [Note(f"Left out: {error}")]


def origin(title: str, runs: Runs) -> list[Origin]:
    """Settings, versions and folders of a row's runs; empty if none has finished."""
    results = runs.results
    if not results:
        return []
    versions = {", ".join(f"{name} {number}" for name, number in r.versions.items()) for r in results}
    shared = dict(results[0].config)
    if "split" in shared:
        shared["split"] = sorted({result.split for result in results})
    config = yaml.safe_dump(shared, sort_keys=False, allow_unicode=True)
    folders = tuple(result.folder.name for result in results)  # no paths, which differ between machines
    return [Origin(title, config, tuple(sorted(versions)), sum(result.seconds for result in results), folders)]
