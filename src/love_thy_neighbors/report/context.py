"""What the sections of a report share: the matched runs, the collection, and the arrays beside a run's results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from love_thy_neighbors.collection.loading import Collection, load_collection, open_npy
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.document import Block, Note, Origin
from love_thy_neighbors.report.matching import Config, Matched, Runs, has_model


@dataclass(frozen=True)
class Context:
    """The runs of every experiment, and the folder of the collection that they are expected to have used."""

    matched: Matched
    folder: Path

    def model(self, name: str) -> Runs:
        """The runs of one of Table 2's models."""
        return self.matched.runs("table2", has_model(name))

    @cached_property
    def visual_only(self) -> Runs:
        """The baseline that everything is compared with."""
        return self.model("visual_only")

    def neighbors_by(self, kind: str) -> Runs:
        """Table 3's runs whose neighbours are found by one type of metadata."""
        return self.matched.runs("neighbor_types", lambda config: config["metadata"]["type"] == kind)

    def generalized(self, train: str, *tests: str) -> Runs:
        """Table 4's runs with one type of metadata in training and one of some at test time."""
        return self.matched.runs(
            "metadata_generalization",
            lambda config: config["metadata"]["type"] == train and config["test_metadata"]["type"] in tests,
        )

    @cached_property
    def collection(self) -> Collection:
        """The collection, loaded when the first figure needs it; raises `UserError` if it cannot be."""
        return load_collection(self.folder)


def array_of(result: Result, name: str, *shape: int | None, finite: bool = True) -> np.ndarray:
    """An array beside a run's results, of the given shape (None: any length), without NaN and infinity if ``finite``.

    Raises `UserError` if it is missing, damaged, of another shape, or not of numbers.
    """
    path = result.folder / f"{name}.npy"
    if not path.is_file():
        raise UserError(f"{path} is missing; copy the whole folder of a run, or do the job again with overwrite=true.")
    array = open_npy(path)
    fits = len(array.shape) == len(shape) and all(b in (None, a) for a, b in zip(array.shape, shape, strict=True))
    if not fits or array.dtype.kind not in "fiu":
        wanted = " x ".join("any" if length is None else str(length) for length in shape)
        raise UserError(f"{path}: holds {array.dtype} {list(array.shape)}, not numbers [{wanted}]; do the job again.")
    if finite and not np.isfinite(array).all():
        raise UserError(f"{path}: holds NaN or infinity; do the job again.")
    return np.asarray(array)


def rows_of(result: Result, collection: Collection) -> np.ndarray:
    """Row numbers [N_test] of a run's test images; raises `UserError` if the collection has no such rows."""
    rows = array_of(result, "rows", None)
    if rows.dtype.kind not in "iu" or not len(rows) or rows.min() < 0 or rows.max() >= len(collection):
        raise UserError(
            f"{result.folder / 'rows.npy'}: not rows of the collection's {len(collection)}; do the job again."
        )
    return rows


def scores_of(result: Result, collection: Collection) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers [N_test] and finite label scores [N_test, L] of a run's test images, else `UserError`."""
    rows = rows_of(result, collection)
    return rows, array_of(result, "scores", len(rows), len(collection.label_names))


def attempted(make: Callable[[], Sequence[Block]]) -> list[Block]:
    """Blocks made from files beside the results; a note that says why, where such a file cannot be used."""
    try:
        return list(make())
    except UserError as error:
        return [Note(f"Left out: {error}")]


def origin(title: str, runs: Runs) -> list[Origin]:
    """Where a row's numbers come from, if any of its runs has finished."""
    results = runs.results
    if not results:
        return []
    versions = {", ".join(f"{name} {number}" for name, number in r.content["versions"].items()) for r in results}
    return [
        Origin(
            title,
            _yaml(results[0].config, results),
            tuple(sorted(versions)),
            sum(float(result.content["wall_time_s"]) for result in results),
            tuple(result.folder.name for result in results),  # not their place, which differs on every machine
        )
    ]


def _yaml(config: Config, results: Sequence[Result]) -> str:
    """The resolved config of some runs that differ in their split alone."""
    shared: dict[str, Any] = dict(config)
    if "split" in shared:
        shared["split"] = sorted({result.split for result in results if result.split is not None})
    return str(yaml.safe_dump(shared, sort_keys=False, allow_unicode=True))
