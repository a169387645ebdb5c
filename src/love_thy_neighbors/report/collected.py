"""Reads every ``results.json`` below some folders. Names and leaves out the files that train.py did not write."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.printing import METRICS
from love_thy_neighbors.runs.results import RESULTS

MAX_BYTES = 16 << 20  # ours have some kilobytes
Stamp = dict[Path, tuple[int, int]]  # modification time in nanoseconds and size of each file


@dataclass(frozen=True)
class Result:
    """One run. ``figures``: test metrics in percent. ``body``: the numbers of statistics or label_correlation."""

    folder: Path
    changed: int  # modification time in nanoseconds
    measure: str
    collection: str
    model: str | None
    split: int | None
    config: dict[str, Any]
    versions: dict[str, str]
    seconds: float
    figures: dict[str, float]
    body: dict[str, Any]


def stamp(folders: Sequence[Path]) -> Stamp:
    """The results below ``folders`` and when each last changed. Raises `UserError` for a missing folder."""
    found: Stamp = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"runs: {folder} is not a folder; give the folder that the runs are in (runs=logs/runs).")
        for path in folder.rglob(RESULTS):
            try:
                status = path.stat()
            except OSError:  # a repeated job has just removed its old results
                continue
            found[path.resolve()] = (status.st_mtime_ns, status.st_size)
    return dict(sorted(found.items()))


def collect(found: Stamp) -> tuple[list[Result], list[str]]:
    """The results in the order of their paths, and a message for every file that is left out."""
    results, messages = [], []
    for path, (changed, size) in found.items():
        try:
            if size > MAX_BYTES:
                raise ValueError(f"{size} bytes are too many for a result")
            results.append(_result(path.parent, changed, json.loads(path.read_text(encoding="utf-8"))))
        except json.JSONDecodeError:
            messages.append(f"{path}: not whole JSON, so it is left out.")
        except KeyError as error:
            messages.append(f"{path}: not a result of train.py, key {error} is missing; it is left out.")
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            messages.append(f"{path}: not a result of train.py ({error}); it is left out.")
    return results, messages


def _result(folder: Path, changed: int, content: Any) -> Result:
    """Raises KeyError, TypeError, AttributeError or ValueError for other content than that of `write_results`."""
    measure, config, split = content["measure"], content["config"], content["split"]
    hash((config["data"]["fingerprint"], split))  # both serve as keys
    if config.get("measure", measure) != measure:
        raise ValueError(f"key 'measure' is '{measure}', but config has '{config['measure']}'")
    body = {}
    if measure == "statistics":
        body = {kind: value if kind == "images" else _count(value) for kind, value in content[measure].items()}
    elif measure == "label_correlation":
        body = _curves(content[measure])
    elif measure not in ("annotation", "score_parts"):
        raise ValueError(f"measure '{measure}' is unknown")
    return Result(
        folder=folder,
        changed=changed,
        measure=measure,
        collection=str(content["collection"]),
        model=content["model"],
        split=None if split is None else split + 0,
        config=dict(config),
        versions={str(name): str(version) for name, version in content["versions"].items()},
        seconds=_number(content["wall_time_s"]),
        figures={} if body else {metric: _number(content["test"][metric], f"test.{metric}") for metric in METRICS},
        body=body,
    )


def _number(value: Any, key: str = "value") -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise ValueError(f"key '{key}' must be a number")
    return float(value)


def _count(count: Any) -> dict[str, Any]:
    """Table 1's numbers for a type of metadata, with None where there is nothing to average."""
    averages = ("images_per_value", "values_per_image")
    spreads = {name: {key: _or_none(count[name][key]) for key in ("mean", "median")} for name in averages}
    return {"values": int(_number(count["values"])), **spreads}


def _curves(body: Any) -> dict[str, Any]:
    """Figure 6's curves, fractions [K] by type of metadata; all are of one length."""
    curves = {part: {kind: [*map(_or_none, one)] for kind, one in body[part].items()} for part in ("mean", "coverage")}
    if len(lengths := {len(one) for part in curves.values() for one in part.values()}) != 1 or 0 in lengths:
        raise ValueError("the curves of label_correlation differ in length, or are empty")
    return {**curves, "chance": _number(body["chance"]), "types": [*map(str, body.get("types", curves["mean"]))]}


def _or_none(value: Any) -> float | None:
    return None if value is None else _number(value)
