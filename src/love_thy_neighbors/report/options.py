"""The settings of report.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.requirements import check_name
from love_thy_neighbors.runs.settings import collection_settings


@dataclass(frozen=True)
class Options:
    """The keys of configs/report.yaml; ``given`` are the overrides of train.py that every run was made with."""

    runs: tuple[Path, ...]
    out: Path
    given: tuple[str, ...]
    watch: bool


def options_of(config: DictConfig, data: Sequence[str]) -> Options:
    """The checked options of a config; ``data`` are the overrides of its group data.

    Raises `UserError` with the name of the first wrong key.
    """
    if type(config["watch"]) is not bool:
        raise UserError(f"watch: must be true or false, not {config['watch']}.")
    runs, settings = run_folders(config), _listed(config["settings"])
    if config["out"] is None:
        raise UserError("out: give the folder to write into (out=logs/report).")
    out = Path(str(config["out"]))
    if out.exists() and not out.is_dir():
        raise UserError(f"out: {out} is a file; give a folder.")
    for setting in settings:
        if "=" not in setting:
            example = "settings='[\"pool=all\"]'"
            raise UserError(f"settings: '{setting}' is not KEY=VALUE as train.py takes it; write {example}.")
    if OmegaConf.is_missing(config["data"], "dir"):
        raise UserError("data.dir: give the collection's folder (data=data/mine).")
    check_name(collection_settings({"data": config["data"]}))  # raises early if there is no collection
    return Options(runs, out, tuple(dict.fromkeys((*data, *settings))), config["watch"])


def run_folders(config: DictConfig) -> tuple[Path, ...]:
    """The folders of the key ``runs``; raises `UserError` if there is none, or one is not a folder."""
    runs = tuple(map(Path, _listed(config["runs"])))
    if not runs:
        raise UserError("runs: give a folder that holds finished runs (runs=logs/runs).")
    for folder in runs:
        if not folder.is_dir():
            raise UserError(f"runs: {folder} is not a folder; give the folder that the runs are in (runs=logs/runs).")
    return runs


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value if isinstance(value, ListConfig) else [] if value is None else [value]))
