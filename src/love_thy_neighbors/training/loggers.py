"""Loggers besides metrics.csv: Weights & Biases, TensorBoard. A logger that fails does not end the run."""

import logging
import netrc
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from hydra.utils import instantiate
from pytorch_lightning.loggers import Logger

from love_thy_neighbors.runs.identity import identity
from love_thy_neighbors.runs.printing import METRICS
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.training.processes import is_main_process

log = logging.getLogger(__name__)


def make_loggers(settings: Settings, folder: Path) -> list[Logger]:
    """The logger of the config group ``logger`` in a list; the list is empty if there is none or it fails to start."""
    options = dict(settings.logger)
    if "_target_" not in options:
        return []
    options["save_dir"] = str(folder)
    if options["_target_"].endswith("WandbLogger"):
        options["offline"] = wandb_is_offline()
    try:
        logger = instantiate(options)
        if is_main_process():
            # Connects now, so that it fails here and not in the middle of training.
            _ = getattr(logger, "experiment", None)
            logger.log_hyperparams(identity(settings))
    except Exception as error:  # whatever a logging service throws, the training matters more
        reason = str(error.__cause__ or error).splitlines()[0]
        log.warning(
            "logger: %s failed to start (%s); going on with metrics.csv alone.",
            options["_target_"],
            reason,
        )
        return []
    for name in ("log_metrics", "log_table", "save", "finalize"):
        if hasattr(logger, name):
            setattr(logger, name, _guarded(logger, getattr(logger, name)))
    return [logger]


def _guarded(logger: Logger, method: Callable[..., Any]) -> Callable[..., Any]:
    """``method`` without exceptions: the first one is logged as a warning, and the run goes on."""

    @wraps(method)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            return method(*arguments, **options)
        except Exception as error:  # whatever a logging service throws, the training matters more
            if not hasattr(logger, "has_failed"):
                log.warning("logger: %s failed (%s); metrics.csv has everything.", type(logger).__name__, error)
                logger.has_failed = True  # type: ignore[attr-defined]
            return None

    return guarded


# What `wandb agent` gives to a trial: it makes a run of this process join the sweep, under the agent's run id.
_OF_THE_AGENT = ("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_RUN_ID")


def is_sweep_trial() -> bool:
    """Whether an agent of a Weights & Biases sweep has started this process, and waits for its figures."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


@contextmanager
def outside_the_sweep() -> Iterator[None]:
    """Inside, a run in Weights & Biases is one of its own, also in a trial of a sweep.

    For the other runs that a trial needs, such as its baseline: they would replace the trial's figures.
    """
    if not is_sweep_trial():
        yield
        return
    kept = {name: os.environ.pop(name) for name in _OF_THE_AGENT if name in os.environ}
    _forget_environment()
    try:
        yield
    finally:
        os.environ.update(kept)
        _forget_environment()


def _forget_environment() -> None:
    """Make wandb, if it is loaded, read the environment again: it does so once a process."""
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


def log_finished(settings: Settings, folder: Path, results: dict[str, Any]) -> None:
    """In a trial of a sweep, log the figures of a run that was found finished: the sweep would get none."""
    if not is_sweep_trial() or "val" not in results:
        return
    loggers = make_loggers(settings, folder)
    log_result(loggers, results)
    close_loggers(loggers)


def wandb_is_offline() -> bool:
    """Whether to record locally: because WANDB_MODE says so, there is no key, or the server cannot be reached."""
    mode = os.environ.get("WANDB_MODE")
    if mode is not None:
        return mode in ("offline", "dryrun")  # with 'disabled' wandb itself records nothing
    server = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"))
    host = server.hostname or "api.wandb.ai"
    if not os.environ.get("WANDB_API_KEY") and not _netrc_has(host):
        log.warning(
            "logger=wandb: no API key, so the run is recorded offline; 'wandb login' or WANDB_API_KEY sets one."
        )
        return True
    try:
        socket.create_connection((host, server.port or 443), timeout=5).close()
    except OSError:
        log.warning("logger=wandb: %s cannot be reached, so the run is recorded offline.", host)
        return True
    return False


def _netrc_has(host: str) -> bool:
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def log_result(loggers: list[Logger], figures: dict[str, Any]) -> None:
    """Log the final figures: as a summary, and in Weights & Biases also as a table."""
    for logger in loggers:
        logger.log_metrics({f"final/{part}/{key}": figures[part][key] for part in ("val", "test") for key in METRICS})
        if hasattr(logger, "log_table"):
            rows = [[part, *(figures[part][key] for key in METRICS)] for part in ("val", "test")]
            logger.log_table("final/table", columns=["part", *METRICS], data=rows)


def close_loggers(loggers: list[Logger]) -> None:
    """End the loggers' runs, also after a failed training: the next job of a sweep needs a run of its own."""
    for logger in loggers:
        logger.finalize("success")
        if type(logger).__name__ == "WandbLogger" and is_main_process():
            _guarded(logger, logger.experiment.finish)()  # type: ignore[attr-defined]
