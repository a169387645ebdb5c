"""Trained models as plain files: tensors and plain types only, loaded with ``weights_only=True``."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.errors import UserError

CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "model"


def model_class(target: str) -> type[nn.Module]:
    """The class that ``target``, ``package.module.Class``, names; raises `UserError` if it is not a model."""
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"model._target_: {target} cannot be imported ({error}); correct it in configs/model."
        ) from None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f"model._target_: {target} is not a class of torch.nn.Module; correct it in configs/model.")
    return found


def _class_of(name: str, path: Path) -> type[nn.Module]:
    """The class of the model that configs/model/NAME.yaml describes. A checkpoint itself never names code to run."""
    file = CONFIGS / f"{name}.yaml"
    if not re.fullmatch(r"\w+", name) or not file.is_file():
        raise UserError(f"{path}: its model is '{name}', but {file} is missing; restore that file, or train again.")
    return model_class(str(yaml.safe_load(file.read_text(encoding="utf-8"))["_target_"]))


def save_model(
    path: Path, name: str, arguments: dict[str, Any], weights: dict[str, Any], about: dict[str, Any]
) -> None:
    """Write a model: the name of its file in configs/model, constructor arguments, weights, and ``about``."""
    with written_whole(path) as temporary:
        torch.save({"name": name, "arguments": arguments, "weights": weights, **about}, temporary)


def load_model(path: Path | str, kind: type[nn.Module] | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """A trained model in evaluation mode, and what it was trained on.

    kind: the model's class; by default that of the config with the model's name in configs/model.

    The second value has ``labels``, names in the order of the scores, and ``config``, the settings of training.

    >>> model, about = load_model("logs/<run>/model.ckpt")      # doctest: +SKIP
    >>> scores = model(x, z, mask)                              # doctest: +SKIP

    Raises:
        UserError: the file is missing, damaged, or not written by `save_model`.
    """
    saved = read_checkpoint(Path(path))
    if not {"name", "arguments", "weights", "labels", "config"} <= saved.keys():
        raise UserError(f"{path}: not a model.ckpt of this project; give the model.ckpt of a finished run.")
    try:
        model = (kind or _class_of(str(saved["name"]), Path(path)))(**saved["arguments"])
        model.load_state_dict(saved["weights"])
    except (RuntimeError, TypeError) as error:
        raise UserError(
            f"{path}: weights do not fit the model ({str(error).splitlines()[-1].strip()}); train it again."
        ) from None
    return model.eval(), {"labels": saved["labels"], "config": saved["config"]}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, plain types and tensors only. Raises `UserError` if it is missing, damaged or unsafe."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint; give the path of a .ckpt file.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make the unpickler raise almost any exception
        reason = str(error).strip().split(". ")[0].splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path}: damaged, or not a plain checkpoint ({reason}); use another or train again.") from None
    if not isinstance(saved, dict):
        raise UserError(f"{path}: holds a {type(saved).__name__}, not a checkpoint; give the path of a .ckpt file.")
    return saved
