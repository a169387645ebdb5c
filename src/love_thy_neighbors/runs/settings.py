"""The rules that a training config must keep, checked before anything is loaded."""

import json
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from love_thy_neighbors.collection.card import metadata_types, read_card
from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.runs.identity import SURVEYS, TRAINING, is_trained

Rule = tuple[str, Callable[[Any], bool]]


def _integer(low: int) -> Rule:
    return f"must be a whole number, {low} or more", lambda v: type(v) is int and v >= low


def _number(low: float, high: float, *, open_low: bool = False) -> Rule:
    text = f"more than {low:g}" if open_low else f"{low:g} or more"
    text += "" if high == float("inf") else f" and less than {high:g}"
    return (
        f"must be a number, {text}",
        lambda v: type(v) in (int, float) and isfinite(v) and (v > low if open_low else v >= low) and v < high,
    )


def _choice(*values: str) -> Rule:
    return f"must be {' or '.join(values)}", lambda v: v in values


def _share(v: Any) -> bool:
    return v is None or (type(v) in (int, float) and 0 <= v <= 1)


def _samples(v: Any) -> bool:
    return v == "exact" or (type(v) is int and v >= 1)


_FLAG: Rule = ("must be true or false", lambda v: type(v) is bool)
_SAMPLES: Rule = ("must be exact or a whole number, 1 or more", _samples)
_INFINITY = float("inf")

RULES: dict[str, Rule] = {
    "m": _integer(1),
    "M": _integer(1),
    "tau": _integer(1),
    "split": _integer(0),
    "seed": _integer(0),
    "top_n": _integer(1),
    "h": _integer(1),
    "epochs": _integer(1),
    "batch_size": _integer(1),
    "lr": _number(0, _INFINITY, open_low=True),
    "l2": _number(0, _INFINITY),
    "dropout": _number(0, 1),
    "rmsprop_decay": _number(0, 1),
    "measure": _choice("annotation", *SURVEYS, "score_parts"),
    "pool": _choice("split", "all"),
    "overlap": ("must be a number from 0 to 1, or null for one vocabulary", _share),
    "split_by": _choice("image", "set", "release"),
    "keep_unlabelled": _FLAG,
    "resume": _FLAG,
    "overwrite": _FLAG,
    "neighborhoods.train": _SAMPLES,
    "neighborhoods.test": _SAMPLES,
    "neighborhoods.fill": _choice("none", "random"),
    "neighborhoods.drop": _number(0, 1),
    "data.dir": (
        "must be given: data.dir=FOLDER, as prepare.py made it",
        lambda v: v not in ("", "???", None),
    ),
    "data.split_sizes": (
        "must be a list: training, validation, test",
        lambda v: isinstance(v, list),
    ),
    "data.discard_without_metadata": _FLAG,
    "model.arguments": ("must be keys and values, as in configs/model", lambda v: isinstance(v, dict)),
    **{f"trainer.limit_{part}_batches": _number(0, _INFINITY, open_low=True) for part in ("train", "val", "test")},
}
# Those that neighbors.py has too.
NEIGHBOR_KEYS = (
    *("M", "tau", "split", "pool", "overlap", "split_by", "keep_unlabelled"),
    *("data.dir", "data.split_sizes", "data.discard_without_metadata"),
)


def check_config(config: dict[str, Any]) -> None:
    """Raise `UserError` naming the first key of a resolved training config that breaks a rule, and the cure.

    Looks at values, at whether files are there and at the collection's card; reads no data.
    """
    unused = () if is_trained(config) else (*TRAINING, "dropout", "model")
    _check_rules(config, [key for key in RULES if key.split(".")[0] not in unused])
    if config["m"] > config["M"]:
        raise UserError(
            f"m={config['m']} is larger than M={config['M']}: a neighborhood of m images is drawn from the M nearest, "
            "so choose m at most M."
        )
    if config["resume"] and config["overwrite"]:
        raise UserError("resume=true and overwrite=true contradict each other; give one of them.")
    if config["ckpt_path"] is not None and not Path(config["ckpt_path"]).is_file():
        raise UserError(f"ckpt_path={config['ckpt_path']}: there is no such file; give the last.ckpt of a run.")
    if config["measure"] == "score_parts" and config["model"]["name"] != "neighborhood":
        raise UserError(
            f"measure=score_parts: model={config['model']['name']} has no image and neighborhood part; give "
            "model=neighborhood."
        )
    _check_data(config)


def check_neighbors(config: dict[str, Any]) -> None:
    """`check_config` for the config of neighbors.py, which has no model and some keys of its own."""
    _check_rules(config, NEIGHBOR_KEYS)
    require_whole("block", config["block"], 1)
    _check_data(config | {"measure": "annotation", "model": {"neighbors": True}})


def _check_rules(config: dict[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        demand, holds = RULES[key]
        value = _get(config, key)
        if not holds(value):
            raise UserError(f"{key}={_shown(value)}: {key} {demand}.")


def _check_data(config: dict[str, Any]) -> None:
    """That the collection has what is asked of it."""
    kinds = {config[key]["type"] for key in ("metadata", "test_metadata")}
    if config["overlap"] is not None and config["model"]["neighbors"] and kinds != {"tags"}:
        raise UserError(f"overlap={config['overlap']}: divides a vocabulary of tags; give metadata=tags.")
    _check_given_splits(config)
    _check_metadata(config)


def _check_given_splits(config: dict[str, Any]) -> None:
    if config["split_by"] != "release":
        return
    folder = Path(config["data"]["dir"])
    count = (read_card(folder).get("splits") or {}).get("count", 0)
    if config["split"] >= count:
        there = f"splits 0 to {count - 1}" if count else "no splits of its own"
        raise UserError(
            f"split_by=release: the collection in {folder} has {there}, but split={config['split']} is asked for; "
            "give one of them, or split_by=image."
        )


def _check_metadata(config: dict[str, Any]) -> None:
    folder = Path(config["data"]["dir"])
    there = metadata_types(folder)
    listed = ", ".join(there) or "no metadata at all"
    wanted = {"split_by": "sets"} if config["split_by"] == "set" else {}
    if config["measure"] not in SURVEYS:
        wanted |= _wanted_by_model(config)
    for key, kind in wanted.items():
        if kind not in there and not (kind == "union" and there):
            raise UserError(
                f"{key}={_shown(_get(config, key))}: the collection in {folder} has no {kind}; it has {listed}."
            )


def _wanted_by_model(config: dict[str, Any]) -> dict[str, str]:
    """The metadata types that a model looks at, by the key that asks for them."""
    model = config["model"]
    wanted = {key: model[key]["type"] for key in ("values", "voters") if model.get(key)}
    if model["neighbors"]:
        wanted |= {key: config[key]["type"] for key in ("metadata", "test_metadata")}
    return {
        key if key in ("metadata", "test_metadata") else "model": kind
        for key, kind in wanted.items()
        if kind not in ("visual", "labels")
    }


def _get(config: dict[str, Any], key: str) -> Any:
    value: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(value, dict) or part not in value:
            parent = ".".join(parts[:depth])
            raise UserError(f"{parent}={_shown(value)}: {parent} holds several keys, {key} among them; set that one.")
        value = value[part]
    return value


def _shown(value: Any) -> str:
    """The value as it is written on the command line."""
    if isinstance(value, dict):
        return str(value.get("type", value))
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
