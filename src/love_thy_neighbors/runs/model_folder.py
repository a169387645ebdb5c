"""A model folder: a trained model that is enough by itself and can be given away.

    config.json         model, labels, metadata types, the backbone with its preprocessing and hash; see `describe`
    model.safetensors   the weights
    confidence.json     for each kind of neighbours, how scores become probabilities, and thresholds (`calibration`)
    README.md           the model card: figures for each label (Hugging Face's layout)

``huggingface_hub`` downloads and uploads such a folder. It holds tensors and JSON only: to load it runs no code of it.
"""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from love_thy_neighbors.atomic import folder_written_whole, write_json
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import known_names
from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.runs.checkpoints import check_labels, load_checkpoint, made_from

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CONFIDENCE = "confidence.json"
CARD = "README.md"
NAMES = known_names(*map(re.escape, (CONFIG, WEIGHTS, CONFIDENCE, CARD)))  # all files of a model folder
LIBRARY = "love-thy-neighbors"
FORMAT = 1
# The conditions under which a model scores a photo, and so the keys of confidence.json: with neighbours out of the
# photo's own part of the split, out of all parts, or without neighbours. 'other' is for models that need more.
SPLIT, ALL, NONE, OTHER = "split", "all", "none", "other"
_KEYS: dict[str, type | tuple[type, ...]] = {
    "model": dict,
    "labels": list,
    "neighbours": (dict, type(None)),
    "backbone": dict,
    "trained_on": dict,
    "validation": dict,
    "config": dict,
}

# What the values of these keys must have, unless they are null.
_PARTS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "model": {"name": str, "arguments": dict},
    "neighbours": {"m": int, "M": int, "pool": str, "metadata": dict, "test_metadata": dict},
    "backbone": {"name": str, "dim": int},
    "trained_on": {"run": str, "collection": str, "fingerprint": str},
}
MOST_NEIGHBOURS = 10_000  # a wrong M would fill the memory


def write_model_folder(
    folder: Path,
    description: dict[str, Any],
    weights: dict[str, torch.Tensor],
    confidence: dict[str, dict[str, Any]],
    card: str,
) -> None:
    """Write a model folder completely or not at all.

    description: the keys ``model`` {name, arguments}, ``labels``, ``neighbours`` (m, M, test, fill, metadata,
        test_metadata and pool, or None for a model without), ``backbone`` (name, dim, and what the collection's card
        says about its features), ``trained_on`` (run, collection, fingerprint, date), ``validation`` (how many
        neighbours the validation images had) and ``config``, the settings.
    confidence: {condition: `calibration.Confidence` as plain types}. card: the text of README.md.
    """
    with folder_written_whole(folder, NAMES) as temporary:
        # As bytes: safetensors' own writing makes a file for the owner alone, and names a full disk in its own way.
        (temporary / WEIGHTS).write_bytes(save({name: value.contiguous().cpu() for name, value in weights.items()}))
        write_json(temporary / CONFIG, {"format": FORMAT, "library_name": LIBRARY, **description})
        write_json(temporary / CONFIDENCE, {"format": FORMAT, "conditions": confidence})
        (temporary / CARD).write_text(card, encoding="utf-8")


def load_model(path: Path | str, kind: type[nn.Module] | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """A trained model in evaluation mode, and what is known about it.

    path: a model folder, a run folder, or the ``model.ckpt`` of a run before version 0.2.
    kind: the model's class; by default that of the config with the model's name in configs/model.

    The second value has ``labels``, names in the order of the scores, and ``config``, the settings of training; from a
    model folder also the other keys of its config.json.

    >>> model, about = load_model("logs/runs/<run>/model")      # doctest: +SKIP
    >>> scores = model(x, z, mask)                              # doctest: +SKIP

    Raises:
        UserError: the folder or file is missing, damaged, or not written by this project.
    """
    path = Path(path)
    if path.is_file() or path.suffix == ".ckpt":
        return load_checkpoint(path, kind)
    if not (path / "model").is_dir() and (path / "model.ckpt").is_file():
        return load_checkpoint(path / "model.ckpt", kind)
    folder = model_folder(path)
    about = read_description(folder)
    weights = folder / WEIGHTS
    try:
        weights.open("rb").close()  # safetensors says that a file is missing if it may not be read
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        pass_on_refusal(weights, error)
        raise UserError(f"{weights}: missing or damaged ({error}); copy it again, or train the model again.") from None
    model = about["model"]
    return made_from(weights, model["name"], model["arguments"], tensors, kind), about


def model_folder(path: Path) -> Path:
    """The model folder that ``path`` is or has; raises `UserError` if there is none."""
    if (path / CONFIG).is_file():
        return path
    if (path / "model" / CONFIG).is_file():
        return path / "model"
    if (path / "model.ckpt").is_file():
        raise UserError(
            f"{path}: this run was made before version 0.2 and has a model.ckpt but no model folder; train it again "
            "with overwrite=true, or give the file itself to load_model."
        )
    raise UserError(f"{path}: no model folder (it has no {CONFIG}); give the folder of a finished run, or its model/.")


def read_description(folder: Path) -> dict[str, Any]:
    """The content of config.json; raises `UserError` naming the key that is missing or wrong."""
    path = folder / CONFIG
    values = _read_json(path)
    for key, type_ in _KEYS.items():
        if key not in values or not isinstance(values[key], type_):
            raise UserError(f"{path}: key '{key}' is missing or of a wrong type; copy the folder again.")
    for key, parts in _PARTS.items():
        for name, type_ in parts.items() if values[key] is not None else ():
            _check_part(path, f"{key}.{name}", values[key].get(name), type_)
    check_labels(path, values["labels"], values["model"]["arguments"])
    dim = values["backbone"]["dim"]
    if values["model"]["arguments"].get("dim", dim) != dim:  # a vote has none
        raise UserError(f"{path}: backbone.dim is not the dim of model.arguments; copy the folder again.")
    if values["neighbours"] is not None:
        _check_neighbours(path, values["neighbours"])
    for condition, numbers in values["validation"].items():
        for name in ("neighbours", "without_neighbours"):
            found = numbers.get(name) if isinstance(numbers, dict) else None
            _check_part(path, f"validation.{condition}.{name}", found, (int, float))
    return values


def _check_part(path: Path, key: str, value: object, type_: type | tuple[type, ...]) -> None:
    if not isinstance(value, type_) or isinstance(value, bool):
        raise UserError(f"{path}: key '{key}' is missing or of a wrong type; copy the folder again.")


def _check_neighbours(path: Path, neighbours: dict[str, Any]) -> None:
    for key in ("metadata", "test_metadata"):
        _check_part(path, f"neighbours.{key}.type", neighbours[key].get("type"), str)
        _check_part(path, f"neighbours.{key}.tau", neighbours[key].get("tau", "missing"), (int, type(None)))
        if neighbours[key]["tau"] is not None and neighbours[key]["tau"] < 1:
            raise UserError(f"{path}: neighbours.{key}.tau must be 1 or more; copy the folder again.")
    if "relations" in neighbours:
        _check_part(path, "neighbours.lambda", neighbours.get("lambda"), (int, float))
        _check_relations(path, neighbours["relations"], neighbours.get("tested_relations"))
    if not 1 <= neighbours["m"] <= neighbours["M"] <= MOST_NEIGHBOURS:
        raise UserError(
            f"{path}: neighbours.m and M must be from 1 to {MOST_NEIGHBOURS}, m not above M; copy the folder again."
        )


def _check_relations(path: Path, relations: object, tested: object) -> None:
    """Check the names of a relational model's towers, and what each of them saw when the model was tested."""
    named = isinstance(relations, list) and relations and all(isinstance(one, str) for one in relations)
    if not (named and isinstance(relations, list) and isinstance(tested, list) and len(relations) == len(tested)):
        raise UserError(
            f"{path}: neighbours.relations and tested_relations must be lists of one length; copy the folder again."
        )
    for one in filter(None, tested):
        given = one if isinstance(one, dict) else {}
        _check_part(path, "neighbours.tested_relations.type", given.get("type"), str)
        _check_part(path, "neighbours.tested_relations.tau", given.get("tau"), (int, type(None)))


def read_confidence(folder: Path) -> dict[str, dict[str, Any]]:
    """The content of confidence.json by condition, as plain types; raises `UserError` if it is missing or damaged."""
    path = folder / CONFIDENCE
    conditions = _read_json(path).get("conditions")
    if not isinstance(conditions, dict) or not all(isinstance(one, dict) for one in conditions.values()):
        raise UserError(f"{path}: key 'conditions' is missing or of a wrong type; copy the folder again.")
    return conditions


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        pass_on_refusal(path, error)
        raise UserError(f"{path}: missing or not readable ({error}); copy the folder again.") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = f"{values.get('format')!r:.40}" if isinstance(values, dict) else type(values).__name__
        raise UserError(f"{path}: format {found} is not {FORMAT}, which this version reads; update, or train again.")
    return values
