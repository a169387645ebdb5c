"""After training: probabilities and thresholds from the validation images, and the model folder."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.calibration.confidence import (
    Alone,
    confidence_figures,
    fit_confidence,
    probabilities_and_limits,
)
from love_thy_neighbors.metrics import average_precision_per_label
from love_thy_neighbors.neighbors.lists import without_neighbors
from love_thy_neighbors.runs.identity import identity, needed_run, run_name
from love_thy_neighbors.runs.model_card import LabelFigures, model_card
from love_thy_neighbors.runs.model_folder import ALL, NONE, OTHER, SPLIT, write_model_folder
from love_thy_neighbors.runs.results import MODEL
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.task import AnnotationTask

Scored = tuple[Tensor, Tensor, np.ndarray]  # scores and labels [n, L] of the images of one part, and their rows [n]


def keep_model(
    folder: Path,
    settings: Settings,
    data: NeighborhoodData,
    model: tuple[dict[str, Any], dict[str, Tensor]],
    scored: dict[str, Scored],
    test: dict[str, Any],
    other_conditions: dict[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Write the model folder of a run; returns the value of ``confidence`` in results.json.

    model: arguments of the model's constructor, and its weights. scored: those of the parts 'val' and 'test'. test:
    figures on test images. other_conditions: scores of all validation images under the conditions that the model was
    not trained for (see `runs.model_folder`).
    """
    names = list(data.collection.label_names)
    own = _own_condition(settings, data)
    labels = scored["val"][1].numpy().astype(bool)
    # debug= and trainer.limit_val_batches score only some of the validation images.
    places = np.searchsorted(data.split.rows["val"], scored["val"][2])
    scores = {own: scored["val"][0], **{key: one[places] for key, one in (other_conditions or {}).items()}}
    fitted = {condition: fit_confidence(one.numpy(), labels) for condition, one in scores.items()}
    tested, test_labels = scored["test"][0].numpy(), scored["test"][1].numpy().astype(bool)
    alone = None
    if NONE in fitted and own != NONE:
        alone = Alone(fitted[NONE], *(_without_neighbours(data, part, scored[part][2]) for part in ("val", "test")))
    judged = (scores[own].numpy(), labels, tested, test_labels)
    figures = confidence_figures(*judged, names, settings.precision, fitted[own], alone)
    arguments, weights = model
    description = _description(folder, settings, data, arguments)
    second = (None, None) if alone is None else (alone.confidence, alone.test)
    judged_test = probabilities_and_limits(tested, settings.precision, fitted[own], *second)
    rows = _label_figures(data, scored["test"], fitted[own].thresholds(settings.precision), *judged_test)
    licence = str(data.collection.card.get("licence", "not stated"))
    card = model_card(description, test, figures, rows, licence, annotates=NONE in fitted)
    write_model_folder(folder / MODEL, description, weights, {key: one.to_dict() for key, one in fitted.items()}, card)
    return figures


def _without_neighbours(data: NeighborhoodData, part: str, rows: np.ndarray) -> np.ndarray:
    """Boolean [n]: which of the images ``rows`` of a part have no neighbour."""
    lists = data.lists(part)
    assert lists is not None
    return without_neighbors(lists[np.searchsorted(data.split.rows[part], rows)])


def part_scores(
    task: AnnotationTask,
    data: NeighborhoodData,
    part: str,
    pool: str | None,
    advance: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Scores [n, L] of ``data.split.rows[part]`` with neighbours from ``pool``, 'split' or 'all', or without (None).

    advance: called with the number of images after each batch.
    """
    task.eval()
    device, found = task.device, []
    task.look_at(data, part, alone=pool is None)
    with torch.inference_mode():
        for places in data.batches_with(part, pool):
            batch = data.gather(places.each(lambda one: one.to(device)))
            found.append(task(batch).float().cpu())
            advance(len(found[-1]))
    return torch.cat(found)


def other_conditions(settings: Settings, task: AnnotationTask, data: NeighborhoodData) -> dict[str, Tensor]:
    """Scores of the validation images under the conditions that annotate.py may meet besides the run's own.

    New photos may find neighbours among themselves, in an archive, or none at all. A model with a sparse input is left
    out: it reads values of the training vocabulary, which new photos need not have.
    """
    if data.neighbors is None or settings.model.values is not None:
        return {}
    pools = {SPLIT: "split", ALL: "all", NONE: None}
    return {
        condition: part_scores(task, data, "val", pool)
        for condition, pool in pools.items()
        if pool != data.neighbors.pool
    }


def _own_condition(settings: Settings, data: NeighborhoodData) -> str:
    model = settings.model
    if model.values is not None or model.voters is not None or settings.smoothing is not None:
        return OTHER
    return NONE if data.neighbors is None else {"split": SPLIT}.get(data.neighbors.pool, ALL)


def _description(folder: Path, settings: Settings, data: NeighborhoodData, arguments: dict[str, Any]) -> dict[str, Any]:
    features, kept = data.collection.features, identity(settings)
    card = data.collection.card["features"][features.backbone]
    made = {key: value for key, value in card.items() if key not in ("scale", "dtype", "stored", "sha256", "dim")}
    neighbours = None
    if settings.model.neighbors:
        keys = ("m", "M", "pool", "overlap", "metadata", "test_metadata")
        neighbours = {key: kept.get(key) for key in keys} | kept.get("neighborhoods", {})
        neighbours["vocabulary"] = kept.get("vocabulary", "train")
        if data.relational:  # it looks at all M neighbours of each relation
            tested = [None if one is None else {"type": one.kind, "tau": one.tau} for one in data.queries["test"]]
            neighbours |= {"m": settings.neighbors.M, "relations": data.relations, "tested_relations": tested}
    needed = needed_run(settings)
    return {
        "model": {"name": settings.model.name, "arguments": arguments},
        **({} if settings.smoothing is None or needed is None else {"scored_by": run_name(needed)}),
        "labels": list(data.collection.label_names),
        "neighbours": neighbours,
        "backbone": {"name": features.backbone, "dim": features.dim, **made},
        "trained_on": {
            "run": folder.name,
            "collection": settings.collection.name,
            "fingerprint": kept["data"]["fingerprint"],
            "images_sha256": data.collection.card.get("images_sha256"),
            "split": settings.split.number,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        "validation": _neighbours_in_validation(settings, data),
        "config": kept,
    }


def _neighbours_in_validation(settings: Settings, data: NeighborhoodData) -> dict[str, dict[str, float]]:
    """How many neighbours the validation images had under each condition, which new photos are compared with."""
    if not settings.model.neighbors or settings.model.values is not None:
        return {}
    pools = {SPLIT: "split", ALL: "all"}
    found = {}
    for condition, pool in pools.items():
        lists = data.lists("val", pool)
        assert lists is not None
        found[condition] = {
            "neighbours": float((lists >= 0).sum() / len(lists)),
            "without_neighbours": float(without_neighbors(lists).mean()),
        }
    return found


def _label_figures(
    data: NeighborhoodData, tested: Scored, thresholds: np.ndarray, probabilities: np.ndarray, limits: np.ndarray
) -> list[LabelFigures]:
    """Of each label; ``thresholds`` [L] are those of images with neighbours, ``limits`` [n, L] those of each image."""
    scores, labels = tested[0], tested[1].numpy().astype(bool)
    ap = average_precision_per_label(scores, tested[1]).numpy()
    suggested = probabilities >= limits
    images = np.asarray(data.collection.labels[data.split.rows["train"]].sum(axis=0)).ravel()
    right, positives = (suggested & labels).sum(axis=0), labels.sum(axis=0)
    return [
        LabelFigures(
            label=name,
            images=int(images[column]),
            average_precision=None if np.isnan(ap[column]) else float(ap[column]),
            threshold=float(thresholds[column]) if np.isfinite(thresholds[column]) else None,
            suggested=int(suggested[:, column].sum()),
            precision=_share(right[column], suggested[:, column].sum()),
            coverage=_share(right[column], positives[column]),
        )
        for column, name in enumerate(data.collection.label_names)
    ]


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
