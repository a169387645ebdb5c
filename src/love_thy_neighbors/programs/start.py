"""The start of every program: resolvers of the configs, sentences for mistakes, a job's folder and its baseline.

This module imports nothing heavy, so that ``--help`` is quick.
"""

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from love_thy_neighbors.collection.card import collection_name
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import known_names, remove_own, strangers
from love_thy_neighbors.programs.command_line import arranged
from love_thy_neighbors.programs.hyperparameters import chosen
from love_thy_neighbors.programs.machine import is_of_a_finished_run, refusal, require_address_space
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.nearest import dotted, no_such_key
from love_thy_neighbors.runs.settings import Settings, settings_of
from love_thy_neighbors.training.processes import is_main_process
from love_thy_neighbors.visible import one_line, say, show_escapes

_HYDRAS = known_names("hydra/", r"hydra/(config|hydra|overrides)\.yaml", r"train\.log", r"\.lock")
ROOT = Path(__file__).resolve().parents[3]

# Keys that change no result. A logger's name may be ${run_name:}, so they are not resolved for the name.
_NOT_IN_THE_NAME: dict[str, Any] = {"logger": {}, "logs": "", "cache": "", "baseline": None} | dict.fromkeys(
    ("resume", "overwrite", "verbose"), False
)


def register_resolvers() -> None:
    """Register the resolvers of the configs.

    ``${root:}`` is the project's folder, ``${run_name:}`` the name of the job's folder, ``${collection_name:}`` that of
    its collection, ``${experiment:OTHERWISE}`` the chosen experiment, ``${chosen:KEY,OTHERWISE}`` a default
    (`hyperparameters.chosen`), and ``${not:VALUE}`` true unless VALUE is.
    """
    OmegaConf.register_new_resolver("root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)
    OmegaConf.register_new_resolver("collection_name", _collection_name, replace=True)
    OmegaConf.register_new_resolver("experiment", lambda otherwise: _experiment() or otherwise, replace=True)
    OmegaConf.register_new_resolver("chosen", chosen, replace=True)
    OmegaConf.register_new_resolver("not", lambda value: value is not True, replace=True)


def _run_name(*, _root_: DictConfig) -> str:
    return job_name(plain(_root_, without=tuple(_NOT_IN_THE_NAME)) | _NOT_IN_THE_NAME)


def _collection_name(*, _root_: DictConfig) -> str:
    data = _root_["data"]
    return "collection" if OmegaConf.is_missing(data, "dir") else collection_name(Path(str(data["dir"])))


def job_name(config: dict[str, Any]) -> str:
    """The name of a job's run folder. A config that breaks a rule has a name too; the job itself names the mistake."""
    try:
        return run_name(settings_of(config))
    except UserError:
        return f"refused-{hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]}"


def _experiment() -> str | None:
    """The value of ``experiment=`` in this process, or None."""
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
    """A path as text: Hydra reads a folder named 2019 as a number."""
    return None if path is None else str(path)


_WITHOUT_FILES = ("hydra.output_subdir=null", "hydra/job_logging=stdout")  # Hydra writes nothing
CONTINUES = "the same command continues where it stopped"


def run(
    main: Callable[[], Any],
    interrupted: str = "start the same command again with resume=true to continue",
    further: Callable[[list[str]], list[str]] = list,
) -> None:
    """Run a ``hydra.main`` program. A user's mistake ends it with one sentence and exit status 1.

    interrupted: the advice after Ctrl-C. further: adds settings to the command line. Other exceptions keep a traceback.
    """
    show_escapes()
    _check_installation(Path(sys.argv[0]).resolve().parent)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises exceptions instead of printing them
    if not is_main_process():  # only the first process writes into the run's folder, and Hydra's files are part of it
        sys.argv += _WITHOUT_FILES
    logging.raiseExceptions = False  # a log that cannot be written, as on a full disk, does not print tracebacks
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its fonts if the user has no home
    try:
        sys.argv[1:] = further(arranged(sys.argv[1:]))
        try:
            main()
        except (OSError, ValueError) as error:
            if not is_of_a_finished_run(error):
                raise
            sys.argv += _WITHOUT_FILES  # it can still be read
            main()
    except KeyboardInterrupt:
        fail(f"interrupted; {interrupted}.")
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        fail(message)


def _message(error: Exception, again: str = "") -> str | None:
    """The sentence on an error that ends a program, None for a bug. again: what the command needs to continue."""
    if isinstance(error, UserError):
        return str(error)
    refused = refusal(error, _place())
    if refused is not None:
        return f"{refused}; then give the same command again{again}."
    if isinstance(error, HydraException | OmegaConfBaseException):
        return sentence(error)
    if isinstance(error, ValueError) and "Config group override" in str(error):  # Hydra's, for metadata=null
        return f"{error}; name one of the group's files, as --help lists them."
    return None


def _place() -> Path:
    """Where the program writes: the run's folder, or before Hydra has one the folder that the command gives."""
    if HydraConfig.initialized():
        return Path(HydraConfig.get().runtime.output_dir)
    given = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith(("logs=", "out="))]
    return Path(given[-1]) if given else ROOT / "logs"


def _check_installation(program: Path) -> None:
    """End with a sentence if the package is a copy without configs, or belongs to another clone than the program."""
    if not (ROOT / "configs").is_dir():
        fail(f"love_thy_neighbors is installed as a copy, which has no configs; run pip install -e . in {program}.")
    if program != ROOT and (program / "src" / "love_thy_neighbors").is_dir():
        fail(f"love_thy_neighbors is the one of {ROOT}, but this program is in {program}; run pip install -e . there.")


def let_idle_threads_sleep() -> None:
    """Set OpenMP, before torch loads it, to let threads without work sleep soon; a user's own setting stays.

    By default they wait in a loop after each matrix product and take cores from RMSProp's threads and from other jobs
    of a sweep. A wait of some microseconds is kept, since waking a thread takes longer than most operations of a step.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # loops, in GNU's OpenMP, which is part of torch for Linux


def job(
    work: Callable[[DictConfig], Any], config: DictConfig, *, checks_its_keys: bool = False, needs_torch: bool = True
) -> Any:
    """Do one job. A user's mistake ends the program; in a sweep it is raised, and the sweep continues.

    checks_its_keys: whether ``work`` refuses keys that nothing reads; else no key may be added with ``+``.
    needs_torch: whether ``work`` always imports torch.
    """
    try:
        if not checks_its_keys:
            _refuse_added(config)
        if HydraConfig.get().mode == RunMode.RUN and (name := _experiment()) is not None:
            raise UserError(f"experiment={name}: an experiment is a sweep; add -m to the command.")
        if needs_torch:
            require_address_space()
        return work(config)
    except Exception as error:
        message = _message(error, " with resume=true" if "resume" in config else "")
        if message is None:
            raise
        if HydraConfig.get().output_subdir is not None:  # prepare.py has no run folder
            with suppress(OSError):
                _remove_if_unused(Path(HydraConfig.get().runtime.output_dir))
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        fail(message)


def _refuse_added(config: DictConfig) -> None:
    for text in HydraConfig.get().overrides.task:
        added = re.match(r"\+(?!\+)([^=]+)=", text)
        if added:
            names = dotted(_plain_keys(config))
            known = [name for name in names if name != added[1]]
            raise UserError(no_such_key(added[1], known, Path(sys.argv[0]).name))


def _plain_keys(config: DictConfig) -> dict[str, Any]:
    """A config's own keys; their values may be unresolved."""
    values = OmegaConf.to_container(config, resolve=False)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items() if key != "hydra"}


def _remove_if_unused(folder: Path) -> None:
    """Remove a job's folder if it holds nothing but Hydra's own files."""
    if not folder.is_symlink() and next(strangers(folder, _HYDRAS), None) is None:
        remove_own(folder, _HYDRAS)


def fail(message: str) -> None:
    """Print ``message`` to standard error and exit with status 1."""
    say(one_line(f"{Path(sys.argv[0]).name}: {message}"), stderr=True)
    raise SystemExit(1)


def sentence(error: Exception) -> str:
    """Hydra's and OmegaConf's many-line messages as one line, without their internal details."""
    unknown = _unknown_key(error)
    if unknown is not None:
        return unknown
    text = re.split(r"\s*Config search path:|\s*See https://|\n\s*full_key:", str(error))[0]
    text = re.sub(r"^(In '[^']*'|\w+Exception): ", "", text.strip())
    if text.startswith("Error merging override") and error.__cause__ is not None:
        text = f"{text.removeprefix('Error merging override ')}: {error.__cause__}".splitlines()[0]
    removed = re.fullmatch(r"KeyError raised while resolving interpolation: '(.*)'", text)
    if removed:
        return f"key '{removed[1]}' is missing; it is needed, so do not delete it."
    head, _, options = text.partition("Available options in")
    lines, (group, _, names) = " ".join(head.split()), options.partition(":")
    if options:
        lines = f"{lines}; available for {group.strip()}: {', '.join(names.split())}"
    if isinstance(error, OverrideParseException):
        lines += "; a value with special characters needs quotes, 'key=\"value\"', and $HOME instead of ~"
    return lines if lines.endswith(".") else f"{lines}."


def _unknown_key(error: Exception) -> str | None:
    """The sentence on an override of a key that does not exist; None for another mistake."""
    cause = error.__cause__
    missing = re.match(r"Could not override '([^']*)'", str(error))
    if missing is None or not isinstance(cause, OmegaConfBaseException) or cause.parent_node is None:
        return None
    root = cause.parent_node._get_root()
    groups = [path.name for path in (ROOT / "configs").iterdir() if path.is_dir()]
    known = [*dotted(_plain_keys(root)), *groups] if isinstance(root, DictConfig) else groups
    return no_such_key(missing[1], dict.fromkeys(known), Path(sys.argv[0]).name)


# Settings that a command chooses for its own model; the baseline keeps those chosen for it. `epochs` is not among them:
# a short trial is short for both.
_TUNED = ("model", "lr", "l2", "schedule", "loss", "rmsprop_decay", "dropout", "h", "ckpt_path", "baseline")

PRIMARY = "train"  # configs/train.yaml


def baseline_settings(settings: Settings, overrides: Sequence[str], config_name: str = PRIMARY) -> Settings | None:
    """The settings of the baseline that a job is compared with: the same command with another model, or None.

    overrides, config_name: the ones that gave ``settings``.
    """
    if settings.baseline in (None, settings.model.name) or not settings.has_model:
        return None
    kept = [text for text in overrides if _key(text) not in _TUNED]
    asked = [*kept, f"model={settings.baseline}", "baseline=null", "measure=annotation"]
    composed = compose(config_name, overrides=asked)
    if config_name != PRIMARY:
        _untune(composed)
    return settings_of(plain(composed))


def _untune(config: DictConfig) -> None:
    """Give the `_TUNED` values of configs/train.yaml to a config: those of a primary config of one's own are chosen for
    its model, like those of the command line."""
    shipped = OmegaConf.to_container(OmegaConf.load(ROOT / "configs" / f"{PRIMARY}.yaml"), resolve=False)
    assert isinstance(shipped, dict)
    for key in _TUNED:
        if key in shipped and key != "baseline":
            config[key] = shipped[key]


def _key(override: str) -> str:
    """The root key that an override on the command line sets: 'model' for '+model.arguments.hidden=3'."""
    return override.lstrip("+~").split("=")[0].split(".")[0].split("@")[0]
