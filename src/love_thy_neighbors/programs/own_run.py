"""A run in a job of SLURM: whether it is this process alone, or all tasks of the job; and whether it goes on."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.command_line import arranged
from love_thy_neighbors.programs.start import PRIMARY, ROOT
from love_thy_neighbors.slurm.commands import times_requeued
from love_thy_neighbors.slurm.tasks import leave_other_tasks
from love_thy_neighbors.training.processes import has_one_process, is_main_process


def leave_task_number(arguments: Sequence[str]) -> None:
    """Make a task of SLURM a run of its own if its command, train.py's ``arguments``, has one process only.

    Only a task that is not the first one is looked at: the first one is a main process in either case.
    """
    if not is_main_process() and _has_one_process(arguments):
        leave_other_tasks()


def continued(config: dict[str, Any]) -> dict[str, Any]:
    """The resolved config of a run; with resume=true in a job that SLURM has queued again, unless it overwrites."""
    return config | {"resume": True} if times_requeued() and not config["overwrite"] else config


def _has_one_process(arguments: Sequence[str]) -> bool:
    try:
        words = arranged(arguments)
    except UserError:  # the program itself names the mistake
        return False
    options = dict(pairwise(words)) | dict(
        word.split("=", 1) for word in words if word.startswith("--") and "=" in word
    )
    name = options.get("--config-name", options.get("-cn", PRIMARY))
    shipped = ROOT / "configs"
    given = Path(options.get("--config-dir", options.get("-cd", shipped))).absolute()
    first, second = (given, shipped) if (given / f"{name.removesuffix('.yaml')}.yaml").is_file() else (shipped, given)
    trainers = [word for word in words if word.lstrip("+").startswith("trainer")]
    try:
        with initialize_config_dir(str(first), version_base="1.3"):
            composed = compose(name, overrides=[*trainers, f'hydra.searchpath=["{second}"]'])
        trainer = OmegaConf.to_container(composed.trainer, resolve=False)
    except Exception:  # the program itself names the mistake
        return False
    assert isinstance(trainer, dict)
    return has_one_process({str(key): value for key, value in trainer.items()})
