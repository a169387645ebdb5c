"""Tables of runs without a section of their own, averaged over splits."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Origin, Row, Table
from love_thy_neighbors.report.estimates import estimate_of
from love_thy_neighbors.report.matching import Config, setting_of
from love_thy_neighbors.report.naming import names
from love_thy_neighbors.report.own_baseline import Baselines
from love_thy_neighbors.report.wording import counted
from love_thy_neighbors.runs.printing import PAPER_METRICS

DIFFERENCE = "mAP_L, difference to its baseline [95 %]"


def runs_table(context: Context, experiment: str, given: Sequence[str]) -> tuple[list[Block], list[Origin]]:
    """A row for every setting of an experiment; ``given`` are the overrides of every job."""
    rows, origins = [], []
    every = context.matched.runs(experiment)
    for setting, runs in every.by(lambda one: setting_of(one.job, given)).items():
        if all(one.config["measure"] == "annotation" for one in runs.planned):
            figures = [runs.estimate(metric) for metric in PAPER_METRICS]
            rows.append(Row((setting, runs.splits, *figures, *_compared(runs.results, context.baselines))))
        origins += origin(setting, runs)
    columns = tuple(map(Column, ("setting", "splits", *PAPER_METRICS, DIFFERENCE, "baseline")))
    caption = "Test images, percent, mean ± standard deviation over splits."
    return ([Table(experiment, caption, columns, tuple(rows))] if rows else []), origins


def own_runs(shown: Sequence[Result], baselines: Baselines, planned: Iterable[Config], collection: str) -> Table | None:
    """A row for every setting of the ``shown`` runs, with the difference to their own baselines.

    ``planned`` are configs with the usual settings of ``collection``, the report's, whose runs come first.
    """
    groups = list(by_setting(one for one in shown if one.measure == "annotation").values())
    rows = []
    for runs, name in zip(groups, names([runs[0].config for runs in groups], planned), strict=True):
        figures = [estimate_of([one.figures[metric] for one in runs]) for metric in PAPER_METRICS]
        rows.append(Row((name, runs[0].collection, len(runs), *figures, *_compared(runs, baselines))))
    if not rows:
        return None
    rows.sort(key=lambda row: (row.cells[1] != collection, str(row.cells[1]), -_mean(row.cells[3])))
    columns = tuple(map(Column, ("setting", "collection", "splits", *PAPER_METRICS, DIFFERENCE, "baseline")))
    caption = (
        "Finished runs, test images, percent, mean ± standard deviation over splits. A run is compared with its own "
        "baseline, the run that the same command made, or with none (–). A setting that is not the usual one, or not "
        "the same in all runs with that name, stands behind the name."
    )
    return Table("own_runs", caption, columns, tuple(rows))


def _mean(cell: Cell) -> float:
    return cell.mean if isinstance(cell, Estimate) else 0


def _compared(runs: Sequence[Result], baselines: Baselines) -> tuple[Cell, Cell]:
    """The difference of the runs of a setting to their own baselines, and the baselines' model."""
    pairs = [baseline for one in runs if (baseline := baselines.of(one)) is not None]
    gain = baselines.difference(runs) if pairs else None
    if gain is None:
        return Gap.NONE, Gap.NONE
    models = ", ".join(sorted({str(one.config["model"]["name"]) for one in pairs}))
    return gain, models if len(pairs) == len(runs) else f"{models}, {counted(len(pairs), 'run')} of {len(runs)}"


def by_setting(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Runs that differ in their split alone, by the rest of their config; of equal splits the newest run."""
    groups: dict[str, dict[int, Result]] = defaultdict(dict)
    for result in sorted(results, key=lambda one: one.changed):
        groups[_setting_key(result)][result.split] = result
    return {key: [runs[split] for split in sorted(runs)] for key, runs in groups.items()}


def _setting_key(result: Result) -> str:
    """What the runs of one setting have in common: all but the split and the device."""
    kept = {key: value for key, value in result.config.items() if key not in ("split", "trainer")}
    return json.dumps([kept, result.config.get("trainer", {}).get("precision")], sort_keys=True)
