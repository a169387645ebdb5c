"""One job, from its settings to ``results.json``.

A run folder holds

    config.yaml     the settings that the result depends on
    last.ckpt       the last epoch's state, best weights and curves; enough to continue an interrupted run
    metrics.csv     the curves, one line an epoch
    model/          the best epoch's model; `model_folder.load_model` reads it
    scores.npy      float32 [N_test, L], label scores of the test images
    rows.npy        int64 [N_test], their row numbers in the collection
    neighbors.npy   int32 [N_test, M], row numbers of their nearest neighbours, -1 for none (not of visual baselines)
    results.json    figures for val and test in percent, config, wall time, versions; written last, so a run with it
                    is finished. ``baseline_run`` is the folder name of the run that it is compared with, if any

A job that measures something else, or tests the model of another run, writes those files that apply.
"""

import gc
import logging
import os
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from love_thy_neighbors.disk import may, naming
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.evaluate import decompose, evaluate
from love_thy_neighbors.jobs.metadata import measure_label_correlation, measure_statistics
from love_thy_neighbors.jobs.smooth import smooth
from love_thy_neighbors.jobs.train import train
from love_thy_neighbors.jobs.vote import vote
from love_thy_neighbors.runs import printing
from love_thy_neighbors.runs.identity import needed_run, run_name
from love_thy_neighbors.runs.results import RESULTS, read_results, record_baseline
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.training.loggers import log_finished, outside_the_sweep
from love_thy_neighbors.training.processes import from_main_process, is_main_process, lost_process_as_user_error


def train_and_compare(settings: Settings, folder: Path, baseline: Settings | None, *, wait: bool) -> float | None:
    """Do a job and its baseline's, and print a table and where the files are. Returns validation mAP_L, if any."""
    _quieten()
    place = None if baseline is None else baseline.logs / run_name(baseline)
    found = not settings.overwrite and (folder / RESULTS).is_file()
    results = finish(
        settings,
        folder,
        overwrite=settings.overwrite,
        resume=settings.resume,
        wait=wait,
        baseline_run=None if place is None else place.name,
    )
    if found and is_main_process():
        log_finished(settings, folder, results)
    compared = None
    if baseline is not None and place is not None:
        gc.collect()  # trainer, task and data refer to each other: frees the first job's collection
        with outside_the_sweep():
            compared = finish(baseline, place, overwrite=False, resume=True, wait=True, role="the baseline")
    if is_main_process():
        printing.print_results(results, compared)
        if "confidence" in results:
            printing.print_confidence(results["confidence"])
        printing.print_seconds([one for one in (results, compared) if one is not None])
        printing.print_places(folder)
    return results["val"]["mAP_L"] if "val" in results else None


def finish(
    settings: Settings,
    folder: Path,
    *,
    overwrite: bool,
    resume: bool,
    wait: bool,
    baseline_run: str | None = None,
    role: str = "",
) -> dict[str, Any]:
    """The results of a job: read if it has finished, else computed.

    baseline_run: the folder name of the run that this one is compared with, which its results record.

    A lock on the folder keeps two processes from doing the same job at once; with ``wait`` the second one waits and
    then finds it finished. The operating system frees the lock of a process that is killed. ``role`` says what the job
    is for, if another one was asked for.
    """
    if not overwrite and from_main_process(lambda: _is_finished_and_only_to_be_read(folder)):
        if is_main_process():
            printing.print_skipped(folder)
        return read_results(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=-1 if wait else 0) if is_main_process() else nullcontext()
    try:
        with naming(folder), lock, lost_process_as_user_error():
            if from_main_process(lambda: overwrite or not (folder / RESULTS).is_file()):
                _do(settings, folder, resume, role)
            elif is_main_process():
                printing.print_skipped(folder)
            if baseline_run is not None and is_main_process():
                record_baseline(folder, baseline_run)
            return from_main_process(lambda: read_results(folder))
    except Timeout:
        raise UserError(
            f"{folder}: another process is doing this very job; wait for it, or change a setting."
        ) from None


def _is_finished_and_only_to_be_read(folder: Path) -> bool:
    lock = folder / ".lock"
    writable = may(folder, os.W_OK) and (may(lock, os.W_OK) or not may(lock, os.F_OK))
    return not writable and may(folder / RESULTS, os.R_OK)


def _do(settings: Settings, folder: Path, resume: bool, role: str) -> None:
    """Do a job, after the one whose run it needs."""
    needed, source = needed_run(settings), None
    if needed is not None:
        source = needed.logs / run_name(needed)
        with outside_the_sweep():
            finish(needed, source, overwrite=False, resume=True, wait=True, role="needed first")
    if settings.training is not None and settings.measure == "annotation":
        if source is None:
            train(settings, folder, resume, role)
        else:
            evaluate(settings, folder, source)
        return
    if is_main_process():  # the others are too short to be divided
        if settings.measure == "statistics":
            measure_statistics(settings, folder)
        elif settings.measure == "label_correlation":
            measure_label_correlation(settings, folder)
        elif settings.measure == "score_parts":
            assert source is not None
            decompose(settings, folder, source)
        elif settings.smoothing is not None:
            assert source is not None
            smooth(settings, folder, source)
        else:
            vote(settings, folder, source)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()  # no process reads results.json before it is written


def _quieten() -> None:
    """Hide Lightning's notices on hardware and data loaders; the config says the same."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message="The `srun` command is available")
