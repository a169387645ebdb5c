"""The rules that the keys of a training config keep, checked on the plain config before anything is loaded."""

import json
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.runs.nearest import dotted, no_such_key
from love_thy_neighbors.runs.trainer_rules import check_trainer

Rule = tuple[str, Callable[[Any], bool]]

# Measures that need no model.
WITHOUT_MODEL = ("statistics", "label_correlation")
ALL = "all"  # the metadata type that stands for every type of the collection, each by itself


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


def _types(v: Any) -> bool:
    """A list of different metadata types, or null."""
    named = isinstance(v, list) and v and all(isinstance(one, str) for one in v)
    return v is None or bool(named and len(set(v)) == len(v))


def _types_or_none(v: Any) -> bool:
    return v is None or (isinstance(v, list) and all(one is None or isinstance(one, str) for one in v))


def _thinning(v: Any) -> bool:
    return v == "auto" or (type(v) in (int, float) and 0 < v <= 1)


_FLAG: Rule = ("must be true or false", lambda v: type(v) is bool)


def _arguments(value: object) -> bool:
    """Of a model; only those that Python would take silently have a rule."""
    if not isinstance(value, dict):
        return False
    return _integer(1)[1](value.get("members", 1)) and _share(value.get("views", 0) or 0)


_SAMPLES: Rule = ("must be exact or a whole number, 1 or more", _samples)
_INFINITY = float("inf")

RULES: dict[str, Rule] = {
    "m": _integer(1),
    "M": _integer(1),
    "tau": _integer(1),
    "split": _integer(0),
    "seed": _integer(0),
    "top_n": _integer(1),
    "precision": _number(0, 1, open_low=True),
    "h": _integer(1),
    "epochs": _integer(1),
    "batch_size": _integer(1),
    "lr": _number(0, _INFINITY, open_low=True),
    "l2": _number(0, _INFINITY),
    "dropout": _number(0, 1),
    "rmsprop_decay": _number(0, 1),
    "measure": _choice("annotation", *WITHOUT_MODEL, "score_parts"),
    "pool": _choice("split", "all"),
    "vocabulary": _choice("train", "pool"),
    "rename_test": _FLAG,
    "overlap": ("must be a number from 0 to 1, or null for one vocabulary", _share),
    "split_by": _choice("image", "set", "owner", "time", "column", "release"),
    "keep_unlabelled": _FLAG,
    "resume": _FLAG,
    "overwrite": _FLAG,
    "verbose": _FLAG,
    "neighborhoods.train": _SAMPLES,
    "neighborhoods.test": _SAMPLES,
    "neighborhoods.fill": _choice("none", "random"),
    "neighborhoods.drop": _number(0, 1),
    "neighborhoods.thin": ("must be auto or a number above 0, at most 1", _thinning),
    "neighborhoods.deep": _integer(1),
    "neighborhoods.lambda": _number(0, _INFINITY),
    "relations": ("must be a list of different metadata types, or null for all that the collection has", _types),
    "test_relations": (
        "must be a list of metadata types, null for a tower without neighbours; or null",
        _types_or_none,
    ),
    "schedule": _choice("constant", "cosine"),
    "loss": _choice("logistic", "asymmetric"),
    "data.dir": (
        "must be given: data=FOLDER, as prepare.py made it",
        lambda v: v not in ("", "???", None),
    ),
    "data.split_sizes": (
        "must be a list: training, validation, test",
        lambda v: isinstance(v, list),
    ),
    "data.discard_without_metadata": _FLAG,
    "model.arguments": (
        "must be keys and values, as in configs/model, with members a whole number, 1 or more, and views from 0 to 1",
        _arguments,
    ),
    **{f"trainer.limit_{part}_batches": _number(0, _INFINITY, open_low=True) for part in ("train", "val", "test")},
}
# Those that neighbors.py has too.
NEIGHBOR_KEYS = (
    *("M", "tau", "vocabulary", "split", "pool", "overlap", "rename_test", "split_by", "keep_unlabelled", "relations"),
    *("data.dir", "data.split_sizes", "data.discard_without_metadata"),
)


HYPERPARAMETERS = ("lr", "l2", "dropout", "epochs")
# Those that have a default in configs/train.yaml, too.
_FURTHER = ("drop", "thin", "lambda", "M", "schedule", "loss", "batch_size", "members")
# What only a model that is trained needs.
_OF_TRAINING = (*HYPERPARAMETERS, "rmsprop_decay", "batch_size", "schedule", "loss", "trainer")
# Root keys without a rule of their own; all others are refused, since nothing reads them.
_OTHERS = ("metadata", "test_metadata", "baseline", "logger", "ckpt_path", "logs", "cache")
_OPTIONAL = ("callbacks",)
# Keys of the groups that have no rule of their own.
_BELOW = {
    "neighborhoods": (),
    "data": ("name", "card", "backbone", "vocabulary", "hyperparameters"),
    "model": (
        *("name", "_target_", "trained", "neighbors", "values", "voters", "candidates", "hyperparameters"),
        *("visual", "visual_hyperparameters", "relational", "of", "M"),
    ),
}


def check_keys(config: dict[str, Any]) -> None:
    """Raise `UserError` naming the first key of a training config that breaks a rule, or that nothing reads.

    The keys of training are not checked where no model is trained by gradient descent.
    """
    known = {key.split(".")[0] for key in RULES} | {*_OTHERS}
    for key in sorted(config.keys() - known - {*_OPTIONAL}):
        others = {name: value for name, value in config.items() if name != key}
        raise UserError(no_such_key(key, [*dotted(others), *_OPTIONAL], "train.py"))
    _check_below(config)
    for key in sorted(known - config.keys()):
        raise UserError(f"{key} is missing; it is needed, so do not delete it.")
    trained = config["measure"] not in WITHOUT_MODEL and config["model"].get("trained") is not False
    if trained:
        _check_hyperparameters(config)
        check_trainer(config["trainer"])
    unused = () if trained else (*_OF_TRAINING, "model")
    _check_rules(config, [key for key in RULES if key.split(".")[0] not in unused])
    for key in ("metadata", "test_metadata"):
        given = config[key]
        if not isinstance(given, dict) or given.keys() != {"type", "tau"} or not isinstance(given["type"], str):
            raise UserError(f"{key}={_shown(given)}: must have a type and its tau; give {key}=tags.")
    if config["m"] > config["M"] and not config["model"].get("relational"):
        raise UserError(
            f"m={config['m']} is larger than M={config['M']}: a neighborhood of m images is drawn from the M nearest, "
            "so choose m at most M."
        )
    if config["resume"] and config["overwrite"]:
        raise UserError("resume=true and overwrite=true contradict each other; give one of them.")
    if config["ckpt_path"] is not None and not Path(config["ckpt_path"]).is_file():
        raise UserError(f"ckpt_path={config['ckpt_path']}: there is no such file; give the last.ckpt of a run.")


def _check_below(config: dict[str, Any]) -> None:
    """Raise `UserError` naming the first key below another one that nothing reads."""
    for group, names in _BELOW.items():
        if isinstance(config[group], dict):
            known = {*names, *(key.split(".", 1)[1] for key in RULES if key.startswith(f"{group}."))}
            _refuse_others(f"{group}.", config[group], known)
    for model, chosen in (config["data"].get("hyperparameters") or {}).items():
        _refuse_others(f"data.hyperparameters.{model}.", chosen, {*HYPERPARAMETERS, *_FURTHER})
    for group in ("logger", "callbacks"):
        given = config.get(group) or {}
        for place, one in {group: given}.items() if group == "logger" else given.items():
            if not isinstance(one, dict) or (one and "_target_" not in one):
                raise UserError(f"{group}: {place} has no _target_, so nothing is made of it; see configs/{group}.")


def _refuse_others(prefix: str, given: dict[str, Any], known: set[str]) -> None:
    for key in sorted(given.keys() - known):
        raise UserError(no_such_key(f"{prefix}{key}", [f"{prefix}{name}" for name in sorted(known)], "train.py"))


def check_model(config: dict[str, Any]) -> None:
    """Raise `UserError` if the model's config lacks a key that every model has, or does not fit the measure."""
    model = config["model"]
    for key in ("name", "_target_", "trained", "neighbors", "values"):
        if key not in model:
            raise UserError(f"model.{key} is missing; add {key} to the model's file in configs/model.")
    if config["measure"] == "score_parts" and model["name"] not in ("neighborhood", "relational"):
        raise UserError(
            f"measure=score_parts: model={model['name']} has no image and neighborhood part; give model=neighborhood."
        )
    if model["neighbors"]:
        _check_relations(config)


def _check_relations(config: dict[str, Any]) -> None:
    """Raise `UserError` for keys of relations that do not fit each other, or another model."""
    relational, name = config["model"].get("relational", False), config["model"]["name"]
    kinds = {key: config[key]["type"] for key in ("metadata", "test_metadata")}
    for key in ("relations", "test_relations"):
        if config[key] is not None and not relational:
            raise UserError(f"{key}: model={name} has no tower for each type; give model=relational, or leave it out.")
    if ALL in kinds.values() and not relational:
        raise UserError(
            f"metadata={ALL}: model={name} looks at one type; give metadata=union for all types together, or "
            "model=relational."
        )
    if not relational:
        return
    if config["relations"] is not None and kinds["metadata"] != ALL:
        raise UserError(f"relations: chooses from metadata={ALL}; leave out metadata={kinds['metadata']}.")
    if kinds["test_metadata"] == ALL != kinds["metadata"]:
        raise UserError(f"test_metadata={ALL}: the model has one tower, for {kinds['metadata']}; give one type.")
    if config["test_relations"] is not None and kinds["test_metadata"] != kinds["metadata"]:
        raise UserError("test_relations: says what test_metadata says; leave one of them out.")
    for key in ("relations", "test_relations"):
        kinds[key] = next((one for one in config[key] or () if one in ("visual", ALL)), "")
    for key, kind in kinds.items():
        if kind == "visual" or (kind == ALL and key.endswith("relations")):
            raise UserError(f"{key}={kind}: {kind} is not a relation; give metadata types such as tags or sets.")
    if config["neighborhoods"]["fill"] != "none":
        raise UserError("neighborhoods.fill=random: random images have no similarity; leave it out.")


def check_neighbor_keys(config: dict[str, Any]) -> None:
    """Raise `UserError` naming the first key of a config of neighbors.py that breaks a rule."""
    _check_rules(config, NEIGHBOR_KEYS)
    require_whole("block", config["block"], 1)
    require_whole("deep", config["deep"], 0)
    if config["relations"] is not None and config["metadata"]["type"] != ALL:
        raise UserError(f"relations: chooses from metadata={ALL}; leave out metadata={config['metadata']['type']}.")


def _check_hyperparameters(config: dict[str, Any]) -> None:
    """A model has its hyperparameters in its own file; a collection's file may have others."""
    for key in HYPERPARAMETERS:
        if config[key] is None:
            model = config["model"].get("name")
            raise UserError(
                f"{key}: model={model} has no hyperparameters.{key}; add it to configs/model/{model}.yaml, or for this "
                f"collection alone to configs/data/{config['data'].get('name')}.yaml as hyperparameters.{model}.{key}, "
                f"or give {key}=NUMBER."
            )


def _check_rules(config: dict[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        demand, holds = RULES[key]
        value = _value(config, key)
        if not holds(value):
            raise UserError(f"{key}={_shown(value)}: {key} {demand}.")


def _value(config: dict[str, Any], key: str) -> Any:
    """The value of a key such as ``data.dir``. Raises `UserError` if it is missing."""
    value: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        parent = ".".join(parts[:depth])
        if not isinstance(value, dict):
            raise UserError(f"{parent}={_shown(value)}: {parent} holds several keys, {key} among them; set that one.")
        if part not in value:
            raise UserError(f"{key} is missing; it is needed, so do not delete it.")
        value = value[part]
    return value


def _shown(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, dict):
        return str(value.get("type", value))
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
