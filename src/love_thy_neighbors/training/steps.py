"""Several training steps in one call of Lightning's loop, which itself takes 1 ms a call.

The steps of a call are the same, in the same order, as with a call for each. Lightning counts calls. What it shows,
logs and writes counts steps, so a checkpoint does not depend on the number of steps a call.
"""

from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateMonitor, ProgressBar
from pytorch_lightning.profilers import PassThroughProfiler

STEPS = 50  # a call: the bar moves, and a signal is answered, once a call

# Where Lightning's counters are in a checkpoint: of its own steps, and of those that a task does itself.
_AUTOMATIC, _MANUAL = (
    "epoch_loop.automatic_optimization.optim_progress",
    "epoch_loop.manual_optimization.optim_step_progress",
)
_OF_BATCHES = ("on_train_batch_start", "on_train_batch_end")
_OF_GRADIENTS = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")


def steps_a_call(trainer: pl.Trainer) -> int:
    """How many steps the task does in a call of ``training_step``; 0 if Lightning has to do each of them.

    0: several processes, clipped or accumulated gradients, another precision, or a callback that looks at gradients.
    1: the profiler, a limit of the batches or a callback counts single batches. Otherwise `STEPS`.
    """
    callbacks = vars(trainer)["callbacks"]  # set outside the class, so type checkers do not know them
    if not is_plain(trainer) or any(_has(one, _OF_GRADIENTS) for one in callbacks):
        return 0
    limited = trainer.limit_train_batches != 1.0 or vars(trainer)["overfit_batches"]
    timed = not isinstance(vars(trainer)["profiler"], PassThroughProfiler)
    return 1 if limited or timed or any(_looks_at_batches(one) for one in callbacks) else STEPS


def is_plain(trainer: pl.Trainer) -> bool:
    """Whether a step is one process's: forward, backward and update in float32, with nothing between them."""
    alone = trainer.world_size == 1 and trainer.precision == "32-true"
    return bool(alone and not trainer.gradient_clip_val and trainer.accumulate_grad_batches == 1)


def _looks_at_batches(callback: pl.Callback) -> bool:
    if isinstance(callback, ProgressBar):
        return False  # `bar.NamedBar` counts steps
    if isinstance(callback, LearningRateMonitor) and callback.logging_interval == "epoch":
        return False
    return _has(callback, _OF_BATCHES)


def _has(callback: pl.Callback, hooks: Iterable[str]) -> bool:
    return any(getattr(type(callback), hook) is not getattr(pl.Callback, hook) for hook in hooks)


def count_steps(trainer: pl.Trainer, steps: int) -> None:
    """Tell Lightning how many steps the task has done in this call, which Lightning counts as one."""
    loop = trainer.fit_loop.epoch_loop
    for counts in (
        loop.manual_optimization.optim_step_progress.total,
        loop.manual_optimization.optim_step_progress.current,
    ):
        counts.ready += steps
        counts.completed += steps
    loop._batches_that_stepped += steps - 1  # Lightning has no public way; loggers have it as their step


def counted_in_steps(loops: dict[str, Any], in_epoch: int) -> None:
    """Change Lightning's counters of a checkpoint to those of a run with a call for each step.

    in_epoch: steps of the epoch that has ended.
    """
    fit = loops["fit_loop"]
    steps = fit[_MANUAL]["total"]["completed"]
    batches, optimizer = fit["epoch_loop.batch_progress"], fit[_AUTOMATIC]["optimizer"]
    for counts in (batches, *optimizer.values()):
        counts["total"] = dict.fromkeys(counts["total"], steps)
        counts["current"] = dict.fromkeys(counts["current"], in_epoch)
    fit[_MANUAL] = {kind: dict.fromkeys(("ready", "completed"), 0) for kind in ("total", "current")}


def counted_in_calls(loops: dict[str, Any]) -> None:
    """The reverse of `counted_in_steps`, for a run that does its steps in calls."""
    fit = loops["fit_loop"]
    step = fit[_AUTOMATIC]["optimizer"]["step"]
    fit[_MANUAL] = {kind: {key: step[kind][key] for key in ("ready", "completed")} for kind in ("total", "current")}
