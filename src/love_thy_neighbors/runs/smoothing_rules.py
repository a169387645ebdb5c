"""The rules that a config of model=smoothed keeps, checked on the plain config before anything is loaded."""

from typing import Any

from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.runs.rules import ALL

CANDIDATES = {
    "weight": ("numbers above 0, at most 1", lambda v: type(v) in (int, float) and 0 < v <= 1),
    "hops": ("whole numbers, 1 or more", lambda v: type(v) is int and v >= 1),
    "mixed": ("scores or probabilities", lambda v: v in ("scores", "probabilities")),
}


def check_smoothing(config: dict[str, Any]) -> None:
    """Raise `UserError` naming the first key that does not fit a model that mixes the scores of another one."""
    _check_mixed_model(config["model"]["of"])
    require_whole("model.M", config["model"].get("M"), 1)
    candidates = config["model"].get("candidates")
    if not isinstance(candidates, dict) or candidates.keys() != CANDIDATES.keys():
        raise UserError(f"model.candidates: must have {', '.join(CANDIDATES)}; see configs/model/smoothed.yaml.")
    for key, (what, holds) in CANDIDATES.items():
        values = candidates[key]
        if not isinstance(values, list) or not values or not all(holds(value) for value in values):
            raise UserError(f"model.candidates.{key}={values}: must be a list of {what}.")
    _check_types(config)


def _check_mixed_model(of: Any) -> None:
    cure = "give model.of=relational, neighborhood, visual_mlp or visual_only"
    if not isinstance(of, dict) or "name" not in of:
        raise UserError(f"model.of={of}: must be a model in configs/model; {cure}.")
    if of.get("trained") is not True:
        raise UserError(f"model.of={of['name']}: is not trained by gradient descent; {cure}.")
    if (of.get("values") or {}).get("type") == "labels":
        raise UserError(f"model.of={of['name']}: sees the labels of the images that it scores; {cure}.")


def _check_types(config: dict[str, Any]) -> None:
    """Raise `UserError` for neighbours that cannot be weighed by the similarity of their metadata."""
    of = config["model"]["of"]
    if config["overlap"] is not None:
        raise UserError(f"overlap={config['overlap']}: is for tags alone, and model=smoothed sees other types, too.")
    if config["test_relations"] is not None and not of.get("relational"):
        raise UserError(f"test_relations: model.of={of['name']} has no tower for each type; leave it out.")
    kind = config["test_metadata"]["type"]
    if kind == "visual" and config["metadata"]["type"] != kind:
        raise UserError("test_metadata=visual: features have no similarity; give a metadata type such as tags.")
    for kind in config["relations"] or ():
        if kind in ("visual", "union", ALL):
            raise UserError(f"relations={kind}: {kind} is not one metadata type; give types such as tags or sets.")
