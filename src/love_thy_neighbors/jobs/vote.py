"""The baselines in which neighbours vote: they learn one number, which is chosen on validation images."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from love_thy_neighbors.jobs.build import make_data
from love_thy_neighbors.jobs.keep_model import keep_model
from love_thy_neighbors.metrics import annotation_metrics
from love_thy_neighbors.runs.checkpoints import model_class
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.runs.results import begin, write_results
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.loggers import close_loggers, log_result, make_loggers

BLOCK = 512  # images scored in one go

Inputs = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def vote(settings: Settings, folder: Path, visual: Path | None) -> None:
    """Choose the candidate with the highest validation mAP_L, the first of equals, and write its results.

    ``visual`` is the finished visual-only run whose scores `baselines.voting.NeighborVoting` weighs.
    """
    since = time.monotonic()
    begin(folder, settings)
    data = make_data(settings)
    model_type = model_class(settings.model.target)
    inputs, fixed, weights = _neighbor_voting(data, visual) if visual else _label_voting(data)
    ((number, candidates),) = settings.model.candidates.items()
    tried = []
    for value in candidates:
        model = model_type(**fixed, **{number: value})
        model.load_state_dict(weights)
        val = _scored(model, data, "val", inputs)
        tried.append((value, model, val, annotation_metrics(*val, n=settings.top_n)))
    value, model, val, validation = max(tried, key=lambda one: one[3]["mAP_L"])
    scores, labels = _scored(model, data, "test", inputs)
    scored = {"val": (*val, data.split.rows["val"]), "test": (scores, labels, data.split.rows["test"])}
    results = {"val": validation, "test": annotation_metrics(scores, labels, n=settings.top_n)}
    kept = ({**fixed, number: value}, weights)
    confidence = keep_model(folder, settings, data, kept, scored, results["test"])
    arrays = {"scores": scores.numpy(), "rows": data.split.rows["test"], "neighbors": data.lists("test")}
    loggers = make_loggers(settings, folder)
    try:
        write_results(
            folder, settings, time.monotonic() - since, arrays, **results, confidence=confidence, chosen={number: value}
        )
        log_result(loggers, results)
    finally:
        close_loggers(loggers)


def _label_voting(data: NeighborhoodData) -> tuple[Inputs, dict[str, Any], dict[str, Tensor]]:
    """Inputs, fixed arguments and weights for votes of labels. Only labels of training images are read."""
    training = data.split.rows["train"]
    known = torch.zeros_like(data.labels)
    known[training] = data.labels[training]
    frequency = known[training].float().mean(dim=0)

    def inputs(rows: Tensor, neighbors: Tensor) -> tuple[Tensor, ...]:
        return known[neighbors.clamp(min=0)], neighbors >= 0

    return inputs, {"frequency": frequency.tolist()}, {}


def _neighbor_voting(data: NeighborhoodData, visual: Path) -> tuple[Inputs, dict[str, Any], dict[str, Tensor]]:
    """Inputs, fixed arguments and weights for a weighted vote of a trained visual-only model's scores."""
    trained = load_model(visual)[0]
    device = torch.device("cpu")

    def inputs(rows: Tensor, neighbors: Tensor) -> tuple[Tensor, ...]:
        return data.features.gather(rows, device), data.features.gather(neighbors, device), neighbors >= 0

    fixed = {"dim": data.dim, "labels": len(data.collection.label_names)}
    return inputs, fixed, {f"visual.{key}": value for key, value in trained.state_dict().items()}


def _scored(model: nn.Module, data: NeighborhoodData, part: str, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Scores and labels [n, L] of the images of one part."""
    rows = torch.from_numpy(data.split.rows[part])
    lists = data.lists(part)
    assert lists is not None
    neighbors = torch.from_numpy(np.asarray(lists, dtype=np.int64))
    with torch.inference_mode():
        blocks = [
            model(*inputs(rows[start : start + BLOCK], neighbors[start : start + BLOCK]))
            for start in range(0, len(rows), BLOCK)
        ]
    return torch.cat(blocks), data.labels[rows]
