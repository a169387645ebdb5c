"""Reads every ``results.json`` below some folders. Names and leaves out the files that train.py did not write."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.runs.printing import METRICS
from love_thy_neighbors.runs.results import BASELINE_RUN, RESULTS

MAX_BYTES = 16 << 20  # ours have some kilobytes
Stamp = dict[Path, tuple[int, int]]  # modification time in nanoseconds and size of each file


@dataclass(frozen=True)
class Result:
    """One run. ``figures``: test metrics in percent. ``body``: the numbers of statistics or label_correlation.

    ``confidence``: what `calibration.confidence_figures` gave, None in results of earlier versions. ``baseline_run``:
    the folder name of the run that this one is compared with, None if there is none or an earlier version made the run.
    ``divergence``: what `training.divergence` gave, None for a training that did not diverge.
    """

    folder: Path
    changed: int  # modification time in nanoseconds
    measure: str
    collection: str
    config: dict[str, Any]
    versions: dict[str, str]
    seconds: float
    figures: dict[str, float]
    body: dict[str, Any]
    confidence: Any = None
    baseline_run: str | None = None
    divergence: Any = None

    @property
    def split(self) -> int:
        return int(self.config["split"])


def stamp(folders: Sequence[Path]) -> Stamp:
    """The results below ``folders`` and when each last changed."""
    found: Stamp = {}
    for folder in folders:
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
            results.append(_result(path.parent, changed, read_json(path)))
        except json.JSONDecodeError:
            messages.append(f"{path}: not whole JSON, so it is left out.")
        except KeyError as error:
            messages.append(f"{path}: not a result of train.py, key {error} is missing; it is left out.")
        except OSError as error:
            messages.append(f"{path}: cannot be read ({error.strerror}); it is left out.")
        except (ValueError, TypeError) as error:
            messages.append(f"{path}: not a result of train.py ({error}); it is left out.")
    return results, messages


def _result(folder: Path, changed: int, content: Any) -> Result:
    """Raises KeyError, TypeError or ValueError for other content than that of `write_results`."""
    measure = content["measure"]
    has_figures = measure in ("annotation", "score_parts")
    return Result(
        folder=folder,
        changed=changed,
        measure=measure,
        collection=content["config"]["data"]["name"],
        config=dict(content["config"]),
        versions=dict(content["versions"]),
        seconds=float(content["wall_time_s"]),
        figures={metric: float(content["test"][metric]) for metric in METRICS} if has_figures else {},
        body={} if has_figures else dict(content[measure]),
        confidence=content.get("confidence"),
        baseline_run=_text_or_none(content.get(BASELINE_RUN)),
        divergence=content.get("divergence"),
    )


def _text_or_none(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{BASELINE_RUN} must be the name of a folder, not {value}")
    return value
