"""Whether a ``last.ckpt`` is what a run has written: a damaged or crafted one would fail anywhere in a training.

Lightning takes its numbers as they are. RMSProp's step is compiled code and trusts the shapes of its state.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from love_thy_neighbors.runs.checkpoints import difference
from love_thy_neighbors.training.task import AnnotationTask

PARTS = ("epoch", "global_step", "state_dict", "loops", "callbacks", "optimizer_states", "lr_schedulers")
_MOST = 2**53  # steps and epochs
_MOST_VALUES = 10_000_000  # a list that holds itself many times is small in the file
_COUNTERS = ("ready", "started", "processed", "completed", "_batches_that_stepped")
_SET_AT_START = ("lr", "alpha", "weight_decay")  # by this run's settings, see `AnnotationTask.on_train_start`
_FIXED = ("momentum", "centered", "eps", "maximize", "differentiable")


def fault(saved: dict[str, Any], task: AnnotationTask) -> str | None:
    """What is wrong with a checkpoint for ``task``, in words that follow 'its ...'; None if it can be used.

    saved: has `PARTS`, and weights that fit. Its counters have to fit the number of epochs, the state of the optimiser
    its parameters, and the part of `snapshots.Snapshots` has a line of curves for every epoch and the best one's
    weights.
    """
    if not _is_plain(_without_tensors(saved)):
        return "values are not plain numbers and texts"
    epochs = saved["epoch"]
    if not _is_count(epochs) or not _is_count(saved["global_step"]):
        return "epoch or global_step is not a number of 0 or more"
    if not isinstance(saved.get("pytorch-lightning_version"), str):
        return "key 'pytorch-lightning_version' is missing or not text"
    return (
        _fault_of_loops(saved["loops"], epochs)
        or _fault_of_snapshots(saved["callbacks"], epochs + 1, task)
        or _fault_of_optimizer(saved["optimizer_states"], task)
        or (None if saved["lr_schedulers"] == [] else "lr_schedulers are not empty")
    )


def _without_tensors(saved: dict[str, Any]) -> list[Any]:
    """The parts in which a whole checkpoint has no tensors."""
    states, snapshots = saved["optimizer_states"], saved["callbacks"]["Snapshots"]
    groups = [one.get("param_groups") for one in states if isinstance(one, dict)] if isinstance(states, list) else []
    kept = {key: one for key, one in snapshots.items() if key != "best_weights"} if isinstance(snapshots, dict) else {}
    return [saved["epoch"], saved["global_step"], saved["loops"], saved["lr_schedulers"], kept, groups]


def _is_plain(value: Any) -> bool:
    """Whether a value can be compared: numbers, texts, lists and dictionaries, and not too many of them."""
    to_do = [value]
    for _ in range(_MOST_VALUES):
        if not to_do:
            return True
        one = to_do.pop()
        if isinstance(one, dict):
            to_do += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            to_do += one
        elif not isinstance(one, str | int | float | None):
            return False
    return False


def _is_count(value: object, least: int = 0) -> bool:
    return type(value) is int and least <= value < _MOST


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < _MOST)


def _fault_of_loops(loops: Any, epoch: int) -> str | None:
    """Lightning's counters: all whole numbers of 0 or more, at the end of ``epoch``."""
    try:
        fit = loops["fit_loop"]
        progress, batches = fit["epoch_progress"], fit["epoch_loop.batch_progress"]
        ended = {"ready": epoch + 1, "started": epoch + 1, "processed": epoch + 1, "completed": epoch}
        if not (progress["current"] == progress["total"] == ended):
            return "counter of epochs does not fit"
        if not _is_count(fit["epoch_loop.state_dict"]["_batches_that_stepped"]):
            return "counter of batches is not a number of 0 or more"
        if batches["is_last_batch"] is not True or len(set(batches["current"].values())) != 1:
            return "counter of batches is not at the end of an epoch"
    except (KeyError, TypeError, AttributeError):
        return "counters (loops) are incomplete"
    return None if _are_counts(loops, 8) else "counters (loops) are not numbers of 0 or more"


def _are_counts(value: Any, levels: int, key: object = None) -> bool:
    """Whether every counter below ``value``, which has the name ``key``, is a whole number of 0 or more."""
    if key in _COUNTERS:
        return _is_count(value)
    if isinstance(value, dict):
        return levels > 0 and all(_are_counts(one, levels - 1, name) for name, one in value.items())
    return isinstance(value, bool)


def _fault_of_snapshots(callbacks: Any, epochs: int, task: AnnotationTask) -> str | None:
    state = callbacks.get("Snapshots") if isinstance(callbacks, dict) else None
    if not isinstance(state, dict) or not isinstance(state.get("identity"), dict):
        return "part of Snapshots is missing"
    seconds: Any = state.get("seconds")
    if not _is_number(seconds) or not 0 <= seconds < math.inf:
        return "seconds are not a number of 0 or more"
    if not isinstance(state.get("stopped"), bool):
        return "key 'stopped' is missing or not true or false"
    if not _are_curves(state.get("curves"), epochs):
        return f"curves are not those of {epochs} epochs"
    best: Any = state.get("best_epoch")
    if not _is_count(best) or best >= epochs or state.get("best_score") != state["curves"][best]["val/mAP_L"]:
        return "best epoch is none of its curves"
    weights = difference(task.model.state_dict(), state.get("best_weights"))
    return None if weights is None else f"best weights do not fit: {weights}"


def _are_curves(curves: Any, epochs: int) -> bool:
    """Whether there is a line for each epoch, with the same keys and with numbers alone."""
    if not isinstance(curves, list) or len(curves) != epochs or not all(isinstance(line, dict) for line in curves):
        return False
    keys = curves[0].keys()
    return {"epoch", "train/loss", "val/mAP_L"} <= keys and all(
        line.keys() == keys and line["epoch"] == number and all(map(_is_number, line.values()))
        for number, line in enumerate(curves)
    )


def _fault_of_optimizer(states: Any, task: AnnotationTask) -> str | None:
    wrong = "state of the optimiser does not fit"
    if not isinstance(states, list) or len(states) != 1 or not isinstance(states[0], dict):
        return wrong
    optimizer = task.configure_optimizers()
    groups, found = optimizer.state_dict()["param_groups"], states[0].get("param_groups")
    if not isinstance(found, list) or len(found) != len(groups):
        return wrong
    for ours, theirs in zip(groups, found, strict=True):
        if not isinstance(theirs, dict) or theirs.get("params") != ours["params"]:
            return wrong
        if not all(_is_number(theirs.get(key)) for key in _SET_AT_START):
            return wrong
        if any(key not in theirs or theirs[key] != ours[key] for key in _FIXED):
            return wrong
    parameters: Sequence[Tensor] = [one for group in optimizer.param_groups for one in group["params"]]
    state = states[0].get("state")
    if not isinstance(state, dict) or not state.keys() <= set(range(len(parameters))):
        return wrong
    return None if all(_is_state(one, parameters[place]) for place, one in state.items()) else wrong


def _is_state(state: Any, parameter: Tensor) -> bool:
    """Whether a parameter's state is a number of steps and a running mean of squares, of the parameter's shape."""
    if not isinstance(state, dict) or state.keys() != {"step", "square_avg"}:
        return False
    step = state["step"]
    counted = step.numel() == 1 and step.is_floating_point() if isinstance(step, Tensor) else _is_number(step)
    return counted and difference({"square_avg": parameter}, {"square_avg": state["square_avg"]}) is None
