"""The baseline in which a trained model's scores are mixed with those of neighbours; nothing is trained.

Metadata types, weight, number of hops and what is mixed are those with the highest mAP_L on validation images.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.baselines.smoothed import (
    Neighbors,
    Smoothed,
    as_mixed,
    as_scores,
    combined,
    repeated_averages,
)
from love_thy_neighbors.jobs.evaluate import trained_task
from love_thy_neighbors.jobs.keep_model import keep_model, part_scores
from love_thy_neighbors.metrics import annotation_metrics, average_precision_per_label
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.runs.results import begin, write_results
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.splits import Split
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.loggers import close_loggers, log_result, make_loggers
from love_thy_neighbors.training.neighbor_queries import relation_queries
from love_thy_neighbors.training.opened_lists import OpenedLists
from love_thy_neighbors.training.relation_lists import relation_lists, whole
from love_thy_neighbors.training.task import AnnotationTask

PARTS = ("val", "test")


def smooth(settings: Settings, folder: Path, trained: Path) -> None:
    """Mix the scores of the finished run ``trained`` with those of neighbours, and write the results."""
    since = time.monotonic()
    begin(folder, settings)
    assert settings.scored_by is not None
    assert settings.smoothing is not None
    data, task = trained_task(settings.scored_by, trained)
    split, scored = data.split, scored_images(data.split, settings.smoothing.pool)
    scores = _scores(data, task, scored)
    neighbors = _neighbors(data, settings, scored)
    rows = {part: torch.from_numpy(split.rows[part]) for part in PARTS}
    arguments = choose(scores, neighbors, rows["val"], data.labels[rows["val"]], settings.model.candidates)
    mixed = Smoothed(**arguments)(scores, joined(neighbors, arguments["types"]))
    parts = {part: (mixed[rows[part]], data.labels[rows[part]], split.rows[part]) for part in PARTS}
    results = {part: annotation_metrics(*parts[part][:2], n=settings.top_n) for part in PARTS}
    confidence = keep_model(folder, settings, data, (arguments, {}), parts, results["test"])
    looked_at = _of_tested(neighbors, arguments["types"], split, scored)
    arrays = {"scores": parts["test"][0].numpy(), "rows": split.rows["test"], "neighbors": looked_at}
    loggers = make_loggers(settings, folder)
    try:
        further = {"confidence": confidence, "chosen": arguments, "scored_by": trained.name}
        write_results(folder, settings, time.monotonic() - since, arrays, **results, **further)
        log_result(loggers, results)
    finally:
        close_loggers(loggers)


def scored_images(split: Split, pool: str) -> Split:
    """The split with all images whose scores are needed as rows of 'val' and 'test': those that may be neighbours, too.

    With the pool 'all' training images are among those of 'val', because they find their neighbours in the same way.
    """
    parts = ("train", "val") if pool == "all" else ("val",)
    others = np.sort(np.concatenate([split.neighbors[part] for part in parts]))
    return replace(split, rows={**split.rows, "val": others, "test": split.neighbors["test"]})


def _scores(data: NeighborhoodData, task: AnnotationTask, scored: Split) -> Tensor:
    """The trained model's scores [N, L] of the images of the collection; 0 for those that are not in ``scored``."""
    scores = torch.zeros(data.labels.shape)
    pool = None if data.neighbors is None else data.neighbors.pool
    split, data.split = data.split, scored
    try:
        with progress_bar("scores", sum(len(scored.rows[part]) for part in PARTS)) as advance:
            for part in PARTS:
                scores[torch.from_numpy(scored.rows[part])] = part_scores(task, data, part, pool, advance)
    finally:
        data.split = split
    return scores


def _neighbors(data: NeighborhoodData, settings: Settings, scored: Split) -> dict[str, Neighbors]:
    """The neighbours of all ``scored`` images by each metadata type that may be chosen."""
    smoothing = settings.smoothing
    assert smoothing is not None
    asked = relation_queries(smoothing, settings.split.number, list(data.collection.metadata))
    rows = torch.from_numpy(np.concatenate([scored.rows[part] for part in PARTS]))
    opened = OpenedLists(data.collection, smoothing.cache)
    found = [
        [whole(one) for one in relation_lists(opened, scored, queries, smoothing.M, part)]
        for part, queries in zip(PARTS, asked, strict=True)
    ]
    others, similarities = (torch.from_numpy(np.concatenate(one)) for one in zip(*found, strict=True))
    return {
        query.kind: Neighbors(rows, others[:, place], similarities[:, place])
        for place, query in enumerate(asked[0])
        if query is not None
    }


def _of_tested(
    neighbors: Mapping[str, Neighbors], types: Sequence[str], split: Split, scored: Split
) -> np.ndarray | None:
    """The neighbours [n, R, M] of the test images by each of ``types``; None without types."""
    tested = len(scored.rows["val"]) + np.searchsorted(scored.rows["test"], split.rows["test"])
    return np.stack([neighbors[kind].others[tested].numpy() for kind in types], axis=1) if types else None


def joined(neighbors: Mapping[str, Neighbors], types: Sequence[str]) -> Neighbors:
    """The neighbours by all of ``types``; who is a neighbour by two of them counts with both similarities."""
    rows = next(iter(neighbors.values())).rows
    chosen = [neighbors[kind] for kind in types]
    if not chosen:
        return Neighbors(rows, torch.full((len(rows), 1), -1), torch.zeros(len(rows), 1))
    others, similarities = (torch.cat([one[place] for one in chosen], dim=1) for place in (1, 2))
    return Neighbors(rows, others, similarities)


def choose(
    scores: Tensor,
    neighbors: Mapping[str, Neighbors],
    rows: Tensor,
    labels: Tensor,
    candidates: Mapping[str, Sequence[Any]],
) -> dict[str, Any]:
    """The arguments of `Smoothed` with the highest mAP_L on the validation images ``rows``, the first of equals.

    The metadata types grow by one as long as it raises mAP_L: the one that raises it most, with the best weight, hops
    and kind of mixture for these types. If no type raises it, the weight is 0 and no type is chosen.

    Shapes: scores [N, L]; rows [n]; labels [n, L].
    """
    best = Tried(_mAP(scores[rows], labels), {"types": [], "weight": 0, "hops": 1, "mixed": candidates["mixed"][0]})
    rounds = len(neighbors) * (len(neighbors) + 1) // 2
    with progress_bar("weights and types", rounds) as advance:
        while True:
            found = best
            for kind in [one for one in neighbors if one not in best.arguments["types"]]:
                types = [one for one in neighbors if one in (*best.arguments["types"], kind)]
                tried = _best_of(scores, joined(neighbors, types), (rows, labels), candidates)
                if tried.precision > found.precision:
                    found = Tried(tried.precision, {"types": types, **tried.arguments})
                advance(1)
            if found is best:
                return best.arguments
            best = found


@dataclass(frozen=True)
class Tried:
    """Arguments of `Smoothed`, and mAP_L on validation images (a fraction of 1) with them."""

    precision: float
    arguments: dict[str, Any]


def _best_of(
    scores: Tensor, neighbors: Neighbors, validation: tuple[Tensor, Tensor], candidates: Mapping[str, Sequence[Any]]
) -> Tried:
    """The best weight, hops and kind of mixture for these neighbours."""
    rows, labels = validation
    tried = []
    for mixed in candidates["mixed"]:
        averages = repeated_averages(as_mixed(scores, mixed), neighbors, max(candidates["hops"]))
        own = [one[rows] for one in averages]
        for hops, weight in product(candidates["hops"], candidates["weight"]):
            values = as_scores(combined(own[: hops + 1], weight), mixed)
            tried.append(Tried(_mAP(values, labels), {"weight": weight, "hops": hops, "mixed": mixed}))
    return max(tried, key=lambda one: one.precision)


def _mAP(scores: Tensor, labels: Tensor) -> float:
    return average_precision_per_label(scores, labels).nanmean().item()
