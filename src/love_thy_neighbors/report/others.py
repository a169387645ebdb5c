"""Tables of runs without a section of their own, averaged over splits."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Origin, Row, Table
from love_thy_neighbors.report.estimates import estimate_of, paired_difference
from love_thy_neighbors.report.matching import DIFFERENCE, setting_of, test_per_train
from love_thy_neighbors.runs.printing import PAPER_METRICS

BASELINE = "visual_only"


def runs_table(context: Context, experiment: str, given: Sequence[str]) -> tuple[list[Block], list[Origin]]:
    """A row for every setting of an experiment; ``given`` are the overrides of every job."""
    rows, origins = [], []
    every = context.matched.runs(experiment)
    for setting, runs in every.by(lambda one: setting_of(one.job, given)).items():
        if all(one.config["measure"] == "annotation" for one in runs.planned):
            figures = [runs.estimate(metric) for metric in PAPER_METRICS]
            rows.append(Row((setting, runs.splits, *figures, runs.minus(context.visual_only))))
        origins += origin(setting, runs)
    columns = (Column("setting"), Column("splits"), *map(Column, PAPER_METRICS), Column(DIFFERENCE))
    caption = "Test images, percent, mean ± standard deviation over splits."
    return ([Table(experiment, caption, columns, tuple(rows))] if rows else []), origins


def other_runs(others: list[Result], every: list[Result]) -> Table | None:
    """A row for every setting of ``others``; the difference is to visual-only of ``every`` on the same images."""
    rows = []
    baseline = {_images_of(one): one.figures["mAP_L"] for one in every if _is_baseline(one)}
    for runs in _by_setting(one for one in others if one.measure == "annotation").values():
        figures = [estimate_of([one.figures[metric] for one in runs]) for metric in PAPER_METRICS]
        gain: Cell = Gap.NONE
        if not _is_baseline(runs[0]):
            ours = {one.split: one.figures["mAP_L"] for one in runs}
            theirs = {one.split: baseline[key] for one in runs if (key := _images_of(one)) in baseline}
            gain = paired_difference(ours, theirs, test_per_train(runs[0].config)) or Gap.NONE
        rows.append(Row((runs[0].collection, describe(runs[0]), len(runs), *figures, gain)))
    if not rows:
        return None
    rows.sort(key=lambda row: (str(row.cells[0]), -figure.mean if isinstance(figure := row.cells[3], Estimate) else 0))
    head = (Column("collection"), Column("setting"), Column("splits"), *map(Column, PAPER_METRICS), Column(DIFFERENCE))
    caption = "Finished runs outside the experiments, test images, percent, mean ± standard deviation over splits."
    return Table("other_runs", caption, head, tuple(rows))


def describe(result: Result) -> str:
    """A setting in words: the model and, for one with neighbours, how they are found."""
    config = result.config
    name = str(config["model"]["name"])
    if "metadata" not in config:
        return name
    types = dict.fromkeys(config[key]["type"] for key in ("metadata", "test_metadata") if key in config)
    values = {**config, **config.get("neighborhoods", {})}
    chosen = [f"{key}={values[key]}" for key in ("pool", "m", "M", "drop") if key in values]
    return ", ".join([name, " to ".join(types), *chosen])


def _is_baseline(result: Result) -> bool:
    return result.measure == "annotation" and result.config["model"]["name"] == BASELINE


def _images_of(result: Result) -> str:
    """What two runs must have in common for a paired difference: data, split and metric."""
    keys = ("data", "split", "split_by", "keep_unlabelled", "seed", "top_n")
    return json.dumps({key: result.config.get(key) for key in keys}, sort_keys=True)


def _by_setting(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Runs that differ in their split alone, by the rest of their config; of equal splits the newest run."""
    groups: dict[str, dict[int, Result]] = defaultdict(dict)
    for result in sorted(results, key=lambda one: one.changed):
        rest = {key: value for key, value in result.config.items() if key != "split"}
        groups[json.dumps(rest, sort_keys=True)][result.split] = result
    return {key: [runs[split] for split in sorted(runs)] for key, runs in groups.items()}
