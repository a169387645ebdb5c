"""The settings that make features of the same kind as a card or a model describes."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from love_thy_neighbors.features.backbones import Backbone, check_name, load_backbone
from love_thy_neighbors.features.backbones.preprocessing import Fit
from love_thy_neighbors.features.settings import Extraction


class CannotMakeError(Exception):
    """Why such features cannot be made. what: 'given', 'weights' or 'preprocessing', which is missing here.

    The message completes "the features ...".
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(reason)
        self.what = what


def settings_again(table: str, about: Mapping[str, Any], how: Extraction) -> tuple[Extraction, Backbone]:
    """``how`` with the network, fit and size that made the feature table ``table``, and that network on the CPU.

    about: the table's entry in a card, or a model's ``backbone`` in its config.json. how: with the weights of that
    network, if they are not the published ones. Raises `CannotMakeError`, and `UserError` for an unknown network.
    """
    hashed, wanted = about.get("sha256_of_weights"), about.get("preprocessing")
    if hashed is None or wanted is None:
        raise CannotMakeError("given", "were given as a file, so they cannot be made for new pictures")
    name = str(about.get("backbone", table))
    check_name(name)
    loaded = load_backbone(name, torch.device("cpu"), how.weights)
    if loaded.sha256 != hashed:
        raise CannotMakeError("weights", f"were made with other weights of {name} (SHA-256 {str(hashed)[:12]}...)")
    fits: tuple[Fit, ...] = ("crop", "pad")
    for size in (None, *map(int, re.findall(r"(\d+) (?:x|pixels)", str(wanted)))):
        for fit in fits:
            if loaded.preprocessing.at(size).text(fit) == wanted:
                return replace(how, backbone=name, fit=fit, size=size), loaded
    raise CannotMakeError("preprocessing", f"were made with the preprocessing '{wanted}', which this version cannot do")
