"""One job, from a checked config to ``results.json``.

A run folder holds

    config.yaml     the settings that the result depends on
    last.ckpt       the last epoch's state, best weights and curves: all that a killed run needs to go on
    metrics.csv     the curves, one line an epoch
    model.ckpt      the best epoch's model; `checkpoints.load_model` reads it
    scores.npy      float32 [N_test, L], label scores of the test images
    rows.npy        int64 [N_test], their row numbers in the collection
    neighbors.npy   int32 [N_test, M], row numbers of their nearest neighbours, -1 for none (not of visual baselines)
    results.json    figures for val and test in percent, config, wall time, versions; written last, so its presence
                    says that the job is finished

A job that measures something else, or tests a model that another run has trained, leaves those that apply.
"""

import gc
import logging
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.evaluate import decompose, evaluate
from love_thy_neighbors.jobs.statistics import survey_label_correlation, survey_statistics
from love_thy_neighbors.jobs.train import train
from love_thy_neighbors.jobs.vote import vote
from love_thy_neighbors.runs import printing as tables
from love_thy_neighbors.runs.identity import SURVEYS, is_trained, needed_run, run_name
from love_thy_neighbors.runs.results import RESULTS, read_results
from love_thy_neighbors.training.processes import a_lost_process_is_told, is_main_process, told_by_main_process

SURVEYS_BY_NAME = {"statistics": survey_statistics, "label_correlation": survey_label_correlation}


def train_and_compare(
    config: dict[str, Any], folder: Path, baseline: dict[str, Any] | None, *, wait: bool
) -> float | None:
    """Do a job and, if need be, its baseline's; print config, table and places. Returns validation mAP_L, if any."""
    _quieten()
    if is_main_process():
        tables.print_config(config)
    results = finish(config, folder, overwrite=config["overwrite"], resume=config["resume"], wait=wait)
    compared = None
    if baseline is not None:
        gc.collect()  # trainer, task and data refer to each other: the first job's collection would stay beside another
        place = Path(baseline["logs"]) / run_name(baseline)
        compared = finish(baseline, place, overwrite=False, resume=True, wait=True)
    if is_main_process():
        tables.print_results(results, compared)
        tables.print_places(folder)
    return results["val"]["mAP_L"] if "val" in results else None


def finish(config: dict[str, Any], folder: Path, *, overwrite: bool, resume: bool, wait: bool) -> dict[str, Any]:
    """The results of a job: read if it has finished, else computed.

    A lock on the folder keeps two processes from doing the same job at once; with ``wait`` the second one waits and
    then finds it finished. The lock is the operating system's, so that of a killed process is free again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=-1 if wait else 0) if is_main_process() else nullcontext()
    try:
        with lock, a_lost_process_is_told():
            if told_by_main_process(lambda: overwrite or not (folder / RESULTS).is_file()):
                _do(config, folder, resume)
            elif is_main_process():
                tables.print_skipped(folder)
            return told_by_main_process(lambda: read_results(folder))
    except Timeout:
        raise UserError(
            f"{folder}: another process is doing this very job; wait for it, or change a setting."
        ) from None


def _do(config: dict[str, Any], folder: Path, resume: bool) -> None:
    """Do a job, after the one whose run it needs."""
    needed, source = needed_run(config), None
    if needed is not None:
        source = Path(config["logs"]) / run_name(needed)
        finish(needed, source, overwrite=False, resume=True, wait=True)
    if is_trained(config) and config["measure"] == "annotation":
        if source is None:
            train(config, folder, resume)
        else:
            evaluate(config, folder, source)
        return
    if is_main_process():  # the rest is no work to divide
        if config["measure"] in SURVEYS:
            SURVEYS_BY_NAME[config["measure"]](config, folder)
        elif config["measure"] == "score_parts":
            assert source is not None
            decompose(config, folder, source)
        else:
            vote(config, folder, source)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()  # no process reads results.json before it is there


def _quieten() -> None:
    """Lightning's notices on hardware and data loaders say nothing that the config does not."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
