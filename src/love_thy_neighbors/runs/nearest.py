"""The key that a user probably meant by one that does not exist."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

# Names that other projects have for keys of this one.
_ELSEWHERE = {
    "learning_rate": "lr",
    "weight_decay": "l2",
    "max_epochs": "epochs",
    "num_epochs": "epochs",
    "hidden": "h",
    "bs": "batch_size",
    "random_seed": "seed",
    "top_k": "top_n",
    "early_stopping": "callbacks",
    "dataset": "data",
    "gpus": "trainer.devices",
    "output_dir": "logs",
}


def dotted(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """All keys of a nested config, those below others as ``trainer.devices``, the outermost first."""
    keys = [f"{prefix}{key}" for key in config]
    for key, value in config.items():
        if isinstance(value, Mapping):
            keys += dotted(value, f"{prefix}{key}.")
    return keys


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The one of the ``known`` dotted keys that looks most like ``key``, or None.

    >>> nearest("learning_rate", ["lr", "m"]), nearest("device", ["trainer.devices"]), nearest("xyz", ["lr"])
    ('lr', 'trainer.devices', None)
    """
    names = list(known)
    last = key.rsplit(".", 1)[-1]
    if _ELSEWHERE.get(last) in names:
        return _ELSEWHERE[last]
    for wanted in (key, last):
        found = get_close_matches(wanted, names, n=1, cutoff=0.6)
        if found:
            return found[0]
    by_last: dict[str, str] = {}
    for name in names:
        by_last.setdefault(name.rsplit(".", 1)[-1], name)
    found = get_close_matches(last, list(by_last), n=1, cutoff=0.6)
    return by_last[found[0]] if found else None


def no_such_key(key: str, known: Iterable[str], program: str) -> str:
    """The sentence on a key that nothing reads."""
    meant = nearest(key, known)
    cure = "" if meant is None else f" did you mean {meant}?"
    return f"{key}: there is no such key;{cure} python {program} --help lists the keys."
