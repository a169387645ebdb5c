"""Runs that saw a part of their images or steps alone, as with debug=: their figures are not a result."""

from collections.abc import Sequence
from typing import Any

from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.wording import counted

# Trainer arguments that end an epoch or a training early, and the values with which they do not. A limit of 1.0 means
# all batches, but the whole number 1 means one batch.
_LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches")
_WHOLE: dict[str, tuple[Any, ...]] = {
    "overfit_batches": (None, 0),
    "fast_dev_run": (None, False),
    "max_steps": (None, -1),
    "max_time": (None,),
}


def limits(config: dict[str, Any]) -> dict[str, Any]:
    """The trainer arguments of a run's config that keep it from seeing all images and steps, with their values.

    >>> limits({"trainer": {"limit_train_batches": 1, "limit_val_batches": 1.0}})
    {'limit_train_batches': 1}
    """
    trainer = config.get("trainer") or {}
    found = {key: trainer[key] for key in _LIMITS if key in trainer and not _is_all(trainer[key])}
    return found | {key: trainer[key] for key, whole in _WHOLE.items() if key in trainer and trainer[key] not in whole}


def _is_all(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value == 1)


def without_shortened(results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """The results of whole runs, and a message that names the others."""
    short = [one for one in results if limits(one.config)]
    if not short:
        return list(results), []
    keys = sorted({key for one in short for key in limits(one.config)})
    runs = counted(len(short), "run")
    message = (
        f"{runs} used only a part of the images (debug=..., or trainer.{', trainer.'.join(keys)}); "
        f"such figures are not results and are left out: {', '.join(one.folder.name for one in short)}."
    )
    return [one for one in results if not limits(one.config)], [message]
