"""The resolver ``${chosen:KEY,OTHERWISE}`` of configs/train.yaml: a hyperparameter's default for the model at hand."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def chosen(key: str, otherwise: Any = None, *, _root_: DictConfig) -> Any:
    """The value of ``hyperparameters.KEY`` that the collection's file has for the model, else that of the model's file.

    A model that uses another model's scores (``model.of``) has the hyperparameters of that one.
    """
    model = "model" if OmegaConf.select(_root_, "model.of.name") is None else "model.of"
    name = OmegaConf.select(_root_, f"{model}.name")
    for place in (f"data.hyperparameters.{name}", f"{model}.hyperparameters"):
        value = OmegaConf.select(_root_, f"{place}.{key}")
        if value is not None:
            return value
    return otherwise
