"""How the entry points meet Hydra: one sentence for a user's mistake, and where a job's folder is.

Only this module and the programs at the root know Hydra, but for `job` and `loggers`, which let it build a Trainer
and a logger from their configs. It imports nothing heavy, so that ``--help`` is quick.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.identity import PRESENTATION, SURVEYS, run_name
from love_thy_neighbors.training.processes import is_main_process

ROOT = Path(__file__).resolve().parents[3]


def register_resolvers() -> None:
    """Make known to configs the project's folder, a job's folder name, and the experiment that it is part of.

    These are ``${root:}``, ``${run_name:}`` and ``${experiment:OTHERWISE}``.
    """
    OmegaConf.register_new_resolver("root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)
    OmegaConf.register_new_resolver("experiment", lambda otherwise: _experiment() or otherwise, replace=True)


def _run_name(*, _root_: DictConfig) -> str:
    # What the result does not depend on is left out before resolving: a logger may ask for the run's name itself.
    return run_name(plain(_root_, without=PRESENTATION))


def _experiment() -> str | None:
    """The choice of ``experiment=`` that this process is working on."""
    return HydraConfig.get().runtime.choices.get("experiment") if HydraConfig.initialized() else None


def plain(config: DictConfig, without: Sequence[str] = ()) -> dict[str, Any]:
    """The config without Hydra's own node, every interpolation resolved, as plain Python types."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("hydra", *without)])
    resolved = OmegaConf.to_container(own, resolve=True)
    assert isinstance(resolved, dict)
    values = {str(key): value for key, value in resolved.items()}
    values["data"]["dir"] = as_text(values["data"]["dir"])
    return values | {key: as_text(values[key]) for key in ("ckpt_path", "logs", "cache") if key in values}


def as_text(path: object) -> str | None:
    """A path as text: Hydra takes a folder named 2019 for a number."""
    return None if path is None else str(path)


CONTINUES = "the same command continues where it stopped"


def run(
    main: Callable[[], Any], interrupted: str = "start the same command again with resume=true to continue"
) -> None:
    """Run a ``hydra.main`` program; a user's mistake ends it with one sentence and exit status 1.

    ``interrupted`` is what a person who pressed Ctrl-C is told. Every other exception is a bug and keeps its traceback.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # exceptions come here instead of being printed by Hydra
    if not is_main_process():  # in the run's folder the first process alone writes, and Hydra as well
        sys.argv += ["hydra.output_subdir=null", "hydra/job_logging=stdout"]
    try:
        main()
    except UserError as error:
        fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(sentence(error))
    except ValueError as error:
        if "Config group override" not in str(error):  # Hydra raises a bare ValueError for metadata=null
            raise
        fail(f"{error}; name one of the group's files, as --help lists them.")
    except KeyboardInterrupt:
        fail(f"interrupted; {interrupted}.")


def let_idle_threads_sleep() -> None:
    """Tell OpenMP, before torch loads it, that threads without work soon sleep; what the user has set stays.

    Else they turn in circles for a while after each matrix product, on the cores that RMSProp's threads and other jobs
    of a sweep could use. A few microseconds of it are worth while: the small operations of a step follow each other
    closely, and waking a thread takes longer than most of them.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # turns, in GNU's OpenMP, which torch for Linux brings along


def job(work: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    """Do one job. Alone, a user's mistake ends the program; in a sweep it is raised, and the other jobs go on."""
    try:
        if HydraConfig.get().mode == RunMode.RUN and (name := _experiment()) is not None:
            raise UserError(f"experiment={name}: an experiment is a sweep; add -m to the command.")
        return work(config)
    except UserError as error:
        if HydraConfig.get().output_subdir is not None:  # prepare.py has no run folder, but stands in yours
            _remove_if_unused(Path(HydraConfig.get().runtime.output_dir))
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        fail(str(error))


def _remove_if_unused(folder: Path) -> None:
    """Remove the folder that Hydra made for a job which left nothing in it but Hydra's own notes."""
    if {path.name for path in folder.iterdir()} <= {"hydra", "train.log", ".lock"}:
        shutil.rmtree(folder)


def fail(message: str) -> None:
    """Print ``message`` to standard error and exit with status 1."""
    sys.stderr.write(f"{Path(sys.argv[0]).name}: {message}\n")
    raise SystemExit(1)


def sentence(error: Exception) -> str:
    """Hydra's and OmegaConf's many-line messages as one line, without their internal details."""
    text = re.split(r"\s*Config search path:|\s*See https://|\n\s*full_key:", str(error))[0]
    text = re.sub(r"^(In '[^']*'|\w+Exception): ", "", text.strip())
    removed = re.fullmatch(r"KeyError raised while resolving interpolation: '(.*)'", text)
    if removed:
        return f"key '{removed[1]}' is missing; it is needed, so do not delete it."
    head, _, options = text.partition("Available options in")
    lines = " ".join(head.split())
    if options:
        group, _, names = options.partition(":")
        lines = f"{lines}; available for {group.strip()}: {', '.join(names.split())}"
    if isinstance(error, OverrideParseException):
        lines += "; a value with special characters needs quotes, 'key=\"value\"', and $HOME instead of ~"
    return lines if lines.endswith(".") else f"{lines}."


# What a command tunes for its own model; the baseline keeps the values chosen for it. `epochs` is not among them: a
# short try is meant to be short in both.
_TUNED = ("model", "lr", "l2", "rmsprop_decay", "dropout", "h", "ckpt_path", "baseline")


def baseline_config(config: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any] | None:
    """The config of the baseline that a job is compared with: the same command with another model, or None.

    overrides: those that ``config`` was composed with.
    """
    if config["baseline"] in (None, config["model"]["name"]) or config["measure"] in SURVEYS:
        return None
    overrides = [text for text in overrides if _key(text) not in _TUNED]
    composed = compose(
        "train", overrides=[*overrides, f"model={config['baseline']}", "baseline=null", "measure=annotation"]
    )
    return plain(composed)


def _key(override: str) -> str:
    """The root key that an override on the command line sets: 'model' for '+model.arguments.hidden=3'."""
    return override.lstrip("+~").split("=")[0].split(".")[0].split("@")[0]
