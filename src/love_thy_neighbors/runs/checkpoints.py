"""Checkpoints: tensors and plain types only, loaded with ``weights_only=True``; and the classes of models."""

import re
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

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


def made_from(path: Path, name: str, arguments: Any, weights: Any, kind: type[nn.Module] | None = None) -> nn.Module:
    """The model ``name`` with these weights, in evaluation mode; raises `UserError` naming ``path`` if they do not fit.

    The sizes that ``arguments`` ask for are compared with the weights before memory is taken for them.

    arguments: those of its constructor. kind: its class; by default that of configs/model/NAME.yaml.
    """
    kind = kind or _class_of(name, path)
    if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
        raise UserError(f"{path}: the arguments of its model are not named values; train it again.")
    try:
        _compare_sizes(kind, arguments, weights)
        model = kind(**arguments)
        model.load_state_dict(weights)
    except Exception as error:  # a constructor may raise anything for arguments that are not its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise UserError(f"{path}: weights do not fit the model ({reason}); train it again.") from None
    return model.eval()


def _compare_sizes(kind: type[nn.Module], arguments: dict[str, Any], weights: Any) -> None:
    """Raise ValueError if the model of these arguments has other weights; makes it without memory for numbers."""
    try:
        with torch.device("meta"):
            shapes = kind(**arguments).state_dict()
    except (NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error):
            raise
        return  # a model of one's own may use numbers of its weights when it is made
    unlike = difference(shapes, weights)
    if unlike is not None:
        raise ValueError(unlike)


def difference(wanted: Mapping[str, Tensor], found: Any) -> str | None:
    """How tensors of a file differ in names, shapes or kind from those ``wanted``; None if they fit.

    A tensor has to hold all its numbers: one of a checkpoint may repeat a single number a trillion times.
    """
    if not isinstance(found, dict):
        return f"{type(found).__name__} in place of named tensors"
    for name, tensor in wanted.items():
        one = found.get(name)
        if not isinstance(one, Tensor):
            return f"{name} is missing"
        if one.shape != tensor.shape:
            return f"{name} is {tuple(one.shape)} there and {tuple(tensor.shape)} in this model"
        if one.is_floating_point() != tensor.is_floating_point() or one.is_complex() or not _is_whole(one):
            return f"{name} is not an array of numbers as this model has"
    left = [str(name) for name in found if name not in wanted]
    return f"{left[0]:.60} is not in this model" if left else None


def _is_whole(tensor: Tensor) -> bool:
    if tensor.layout != torch.strided or tensor.device.type == "meta" or tensor.is_quantized:
        return False
    return tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()


def load_checkpoint(path: Path, kind: type[nn.Module] | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """The model and its ``labels`` and ``config`` in a model.ckpt, which runs before version 0.2 have.

    Raises `UserError` if the file is missing, damaged or of another kind.
    """
    saved = read_checkpoint(path)
    if not {"name", "arguments", "weights", "labels", "config"} <= saved.keys():
        raise UserError(f"{path}: not a model.ckpt of this project; give the model folder of a finished run.")
    labels, config = saved["labels"], saved["config"]
    if not isinstance(saved["name"], str) or not isinstance(config, dict):
        raise UserError(f"{path}: its 'name' or 'config' is of a wrong type; give the model.ckpt as it was written.")
    check_labels(path, labels, saved["arguments"])
    model = made_from(path, saved["name"], saved["arguments"], saved["weights"], kind)
    return model, {"labels": labels, "config": config}


def check_labels(path: Path, labels: Any, arguments: Any) -> None:
    """Raise `UserError` unless ``labels`` are different names, as many as the model's ``arguments`` say, if any."""
    named = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not named or len(set(labels)) != len(labels):
        raise UserError(f"{path}: labels must be a list of different strings; copy the file again.")
    if isinstance(arguments, dict) and arguments.get("labels", len(labels)) != len(labels):
        raise UserError(f"{path}: names {len(labels)} labels, but its model has another number; copy the file again.")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, plain types and tensors only. Raises `UserError` if it is missing, damaged or unsafe."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint; give the path of a .ckpt file.")
    try:
        _refuse_compressed(path)
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make the unpickler raise almost any exception
        pass_on_refusal(path, error)
        reason = str(error).strip().split(". ")[0].splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path}: damaged, or not a plain checkpoint ({reason}); use another or train again.") from None
    if not isinstance(saved, dict):
        raise UserError(f"{path}: holds a {type(saved).__name__}, not a checkpoint; give the path of a .ckpt file.")
    return saved


def _refuse_compressed(path: Path) -> None:
    """Raise ValueError for a file that grows when it is read; torch writes zip files without compression."""
    with zipfile.ZipFile(path) as file:
        if sum(entry.file_size for entry in file.infolist()) > path.stat().st_size:
            raise ValueError("it is compressed")
