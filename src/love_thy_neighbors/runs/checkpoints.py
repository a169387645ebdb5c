"""Trained models as plain files: tensors and plain types only, loaded with ``weights_only=True``."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.baselines.sparse import BagLogistic, NeighborhoodTagVector
from love_thy_neighbors.baselines.visual import VisualMLP, VisualOnly
from love_thy_neighbors.baselines.voting import LabelVoting, NeighborVoting
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.model import NeighborhoodModel

MODELS: dict[str, type[nn.Module]] = {
    "neighborhood": NeighborhoodModel,
    "visual_only": VisualOnly,
    "visual_mlp": VisualMLP,
    "neighborhood_tagvec": NeighborhoodTagVector,
    "tag_only": BagLogistic,
    "upper_bound": BagLogistic,
    "knn_voting": LabelVoting,
    "tag_voting": LabelVoting,
    "neighbor_voting": NeighborVoting,
}


def save_model(
    path: Path, name: str, arguments: dict[str, Any], weights: dict[str, Any], about: dict[str, Any]
) -> None:
    """Write a model: its name in `MODELS`, constructor arguments, weights, and what it was trained on."""
    with written_whole(path) as temporary:
        torch.save({"name": name, "arguments": arguments, "weights": weights, **about}, temporary)


def load_model(path: Path | str) -> tuple[nn.Module, dict[str, Any]]:
    """A trained model in evaluation mode, and what was saved with it.

    That is ``labels``, names in the order of the scores, and ``config``, what it was trained with.

    >>> model, about = load_model("logs/<run>/model.ckpt")      # doctest: +SKIP
    >>> scores = model(x, z, mask)                              # doctest: +SKIP

    Raises:
        UserError: the file is missing, damaged, or not written by `save_model`.
    """
    saved = read_checkpoint(Path(path))
    if str(saved.get("name")) not in MODELS or not {"arguments", "weights", "labels", "config"} <= saved.keys():
        raise UserError(f"{path}: not a model.ckpt of this project; give the model.ckpt of a finished run.")
    model = MODELS[saved["name"]](**saved["arguments"])
    try:
        model.load_state_dict(saved["weights"])
    except RuntimeError as error:
        raise UserError(
            f"{path}: weights do not fit the model ({str(error).splitlines()[-1].strip()}); train it again."
        ) from None
    return model.eval(), {"labels": saved["labels"], "config": saved["config"]}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, plain types and tensors only; raises `UserError` if it is missing, damaged or unsafe."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint; give the path of a .ckpt file.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # arbitrary bytes make the unpickler raise almost anything, KeyError for one
        reason = str(error).strip().split(". ")[0].splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path}: damaged, or not a plain checkpoint ({reason}); use another or train again.") from None
    if not isinstance(saved, dict):
        raise UserError(f"{path}: holds a {type(saved).__name__}, not a checkpoint; give the path of a .ckpt file.")
    return saved
