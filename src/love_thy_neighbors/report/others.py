"""Runs that belong to no experiment of the paper: averaged over splits where nothing else differs."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.document import Cell, Column, Gap, Row, Table
from love_thy_neighbors.report.estimates import estimate_of, paired_difference
from love_thy_neighbors.runs.printing import PAPER_METRICS

BASELINE = "visual_only"


def other_runs(others: list[Result], every: list[Result]) -> Table | None:
    """A row for every setting, with the paired difference to visual-only on the same images where ``every`` has it."""
    rows = []
    baseline = {
        _comparable(one): one.figure("mAP_L") for one in every if one.measure == "annotation" and _is_baseline(one)
    }
    for runs in _by_setting(one for one in others if one.measure == "annotation").values():
        figures = [estimate_of([one.figure(metric) for one in runs]) for metric in PAPER_METRICS]
        gain: Cell = Gap.NONE
        test_per_train = _test_per_train(runs[0])
        if not _is_baseline(runs[0]) and test_per_train is not None:
            ours = {_split(one): one.figure("mAP_L") for one in runs}
            theirs = {_split(one): baseline[_comparable(one)] for one in runs if _comparable(one) in baseline}
            gain = paired_difference(ours, theirs, test_per_train) or Gap.NONE
        collection = str(runs[0].content["collection"])
        rows.append(Row((collection, describe(runs[0]), len(runs), *figures, gain)))
    if not rows:
        return None
    rows.sort(key=lambda row: (str(row.cells[0]), -figure.mean if isinstance(figure := row.cells[3], Estimate) else 0))
    head = (Column("collection"), Column("setting"), Column("splits"), *(Column(metric) for metric in PAPER_METRICS))
    caption = "Finished runs that no experiment asks for, test images, percent, mean ± standard deviation over splits."
    return Table("other_runs", caption, (*head, Column("mAP_L, difference to visual-only [95 %]")), tuple(rows))


def describe(result: Result) -> str:
    """What a person calls a setting: the model and, for one with neighbours, who they are."""
    config = result.config
    name = str(result.content["model"])
    if "metadata" not in config:
        return name
    kinds = dict.fromkeys(_type(config.get(key)) for key in ("metadata", "test_metadata"))
    chosen: dict[str, Any] = {key: config[key] for key in ("pool", "m", "M") if key in config}
    neighborhoods = config.get("neighborhoods")
    if isinstance(neighborhoods, dict) and "drop" in neighborhoods:
        chosen["drop"] = neighborhoods["drop"]
    return ", ".join([name, " to ".join(kinds), *(f"{key}={value}" for key, value in chosen.items())])


def _type(metadata: Any) -> str:
    return str(metadata.get("type")) if isinstance(metadata, dict) else str(metadata)


def _is_baseline(result: Result) -> bool:
    return bool(result.content["model"] == BASELINE)


def _split(result: Result) -> int:
    return -1 if result.split is None else result.split


def _comparable(result: Result) -> str:
    """What two runs must share for their difference to mean anything: data, split and what is measured."""
    keys = ("data", "split", "split_by", "keep_unlabelled", "seed", "top_n")
    return json.dumps({key: result.config.get(key) for key in keys}, sort_keys=True)


def _by_setting(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Runs that differ in nothing but their split, the newest of each split, by a key that names the rest."""
    groups: dict[str, dict[int, Result]] = defaultdict(dict)
    for result in sorted(results, key=lambda one: one.changed):
        rest = {key: value for key, value in result.config.items() if key != "split"}
        groups[json.dumps([result.content["collection"], rest], sort_keys=True)][_split(result)] = result
    return {key: [runs[split] for split in sorted(runs)] for key, runs in groups.items()}


def _test_per_train(result: Result) -> float | None:
    """n_test / n_train, or None where the config does not say."""
    try:
        sizes = result.config["data"]["split_sizes"]
        return float(sizes[2] / sizes[0])
    except (KeyError, TypeError, IndexError, ZeroDivisionError):
        return None
