"""Every ``results.json`` of this project below some folders; all other files of that name are told of and left out."""

import json
from collections.abc import Callable, Sequence
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
    """The checked content of one run's ``results.json``."""

    folder: Path
    changed: int  # modification time in nanoseconds
    content: dict[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.content["config"])

    @property
    def measure(self) -> str:
        return str(self.content["measure"])

    @property
    def split(self) -> int | None:
        split = self.content["split"]
        return None if split is None else int(split)

    def figure(self, metric: str) -> float:
        """A test figure in percent."""
        return float(self.content["test"][metric])


def stamp(folders: Sequence[Path]) -> Stamp:
    """Which results are there, and when each was last changed; raises `UserError` for a folder that is not there."""
    found: Stamp = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"runs: {folder} is not a folder; give the folder that the runs are in (runs=logs/runs).")
        for path in folder.rglob(RESULTS):
            try:
                status = path.stat()
            except OSError:  # gone meanwhile: a job that is done again removes its old results first
                continue
            found[path.resolve()] = (status.st_mtime_ns, status.st_size)
    return dict(sorted(found.items()))


def collect(found: Stamp) -> tuple[list[Result], list[str]]:
    """The results in the order of their paths, and a sentence for every file that is none."""
    results, told = [], []
    for path, (changed, size) in found.items():
        try:
            if size > MAX_BYTES:
                raise ValueError(f"{size} bytes are too many for a result")
            content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
            check(content)
        except (OSError, ValueError, RecursionError) as error:
            reason = "not whole JSON" if isinstance(error, json.JSONDecodeError) else str(error) or "nested too deeply"
            told.append(f"{path}: {reason}, so it is left out.")
            continue
        results.append(Result(path.parent, changed, content))
    return results, told


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not a number")


def check(content: Any) -> None:
    """Raise ValueError, with what is wrong, unless ``content`` is a result as `results.write_results` writes it."""
    if not isinstance(content, dict) or "measure" not in content:
        raise ValueError("not a result of train.py")
    for key, (kind, demand) in _HEAD.items():
        if key not in content:
            raise ValueError(f"key '{key}' is missing")
        if not demand(content[key]):
            raise ValueError(f"key '{key}' must be {kind}")
    if content["measure"] not in _BODY:
        raise ValueError(f"measure '{content['measure']}' is unknown")
    for parts in _BODY[content["measure"]]:
        _check_body(content, *parts)


def _is_whole(value: Any) -> bool:
    return value is None or type(value) is int


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_config(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("data"), dict) and _is_text(value["data"].get("fingerprint"))
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _is_versions(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(one is None or _is_number(one) for one in value)


def _check_body(
    content: dict[str, Any], part: str, keys: Sequence[str], kind: str, demand: Callable[[Any], bool]
) -> None:
    body = content.get(part)
    if not isinstance(body, dict):
        raise ValueError(f"key '{part}' is missing")
    for key in keys:
        if not demand(body.get(key)):
            raise ValueError(f"key '{part}.{key}' must be {kind}")


def _is_mean_and_median(value: Any) -> bool:
    return isinstance(value, dict) and all(value[key] is None or _is_number(value[key]) for key in ("mean", "median"))


def _is_count(value: Any) -> bool:
    try:
        spread = all(_is_mean_and_median(value[key]) for key in ("images_per_value", "values_per_image"))
        return spread and type(value["values"]) is int
    except (KeyError, TypeError):
        return False


def _is_curves(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(map(_is_numbers, value.values()))
        and len({len(numbers) for numbers in value.values()} | {0}) == 2  # all of one length, and not empty
    )


_HEAD: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "measure": ("text", _is_text),
    "collection": ("text", _is_text),
    "collection_dir": ("text", _is_text),
    "model": ("text or null", lambda value: value is None or _is_text(value)),
    "split": ("a whole number or null", _is_whole),
    "seed": ("a whole number or null", _is_whole),
    "config": ("the run's settings", _is_config),
    "wall_time_s": ("a number", _is_number),
    "versions": ("package names and versions", _is_versions),
}
_TEST = ("test", METRICS, "a number", _is_number)
_BODY: dict[str, tuple[tuple[str, Sequence[str], str, Callable[[Any], bool]], ...]] = {
    "annotation": (_TEST,),
    "score_parts": (_TEST, ("score_parts", ("largest_error",), "a number", _is_number)),
    "statistics": (("statistics", ("labels",), "counts", _is_count),),
    "label_correlation": (
        ("label_correlation", ("mean", "coverage"), "lists of numbers", _is_curves),
        ("label_correlation", ("chance",), "a number", _is_number),
    ),
}
