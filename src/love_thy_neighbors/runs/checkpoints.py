"""Checkpoints: tensors and plain types only, loaded with ``weights_only=True``; and the classes of models."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from love_thy_neighbors.disk import pass_on_refusal
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


def made_from(
    path: Path, name: str, arguments: Any, weights: dict[str, Any], kind: type[nn.Module] | None = None
) -> nn.Module:
    """The model ``name`` with these weights, in evaluation mode; raises `UserError` naming ``path`` if they do not fit.

    arguments: those of its constructor. kind: its class; by default that of configs/model/NAME.yaml.
    """
    try:
        model = (kind or _class_of(name, path))(**arguments)
        model.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise UserError(
            f"{path}: weights do not fit the model ({str(error).splitlines()[-1].strip()}); train it again."
        ) from None
    return model.eval()


def load_checkpoint(path: Path, kind: type[nn.Module] | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """The model and its ``labels`` and ``config`` in a model.ckpt, which runs before version 0.2 have.

    Raises `UserError` if the file is missing, damaged or of another kind.
    """
    saved = read_checkpoint(path)
    if not {"name", "arguments", "weights", "labels", "config"} <= saved.keys():
        raise UserError(f"{path}: not a model.ckpt of this project; give the model folder of a finished run.")
    model = made_from(path, str(saved["name"]), saved["arguments"], saved["weights"], kind)
    return model, {"labels": saved["labels"], "config": saved["config"]}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, plain types and tensors only. Raises `UserError` if it is missing, damaged or unsafe."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint; give the path of a .ckpt file.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make the unpickler raise almost any exception
        pass_on_refusal(path, error)
        reason = str(error).strip().split(". ")[0].splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path}: damaged, or not a plain checkpoint ({reason}); use another or train again.") from None
    if not isinstance(saved, dict):
        raise UserError(f"{path}: holds a {type(saved).__name__}, not a checkpoint; give the path of a .ckpt file.")
    return saved
