"""Measures of a collection without any model: Table 1 and Figure 6."""

import time
from pathlib import Path

import numpy as np

from love_thy_neighbors.analysis.label_correlation import chance, coverage, label_correlation
from love_thy_neighbors.analysis.statistics import collection_statistics
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.neighbors.lists import NeighborQuery, neighbor_lists
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.runs.results import begin, write_results
from love_thy_neighbors.runs.settings import Settings

K = 20  # neighbours of Figure 6


def measure_statistics(settings: Settings, folder: Path) -> None:
    """Table 1: counts of the collection's images that take part (labelled, and not discarded)."""
    since = time.monotonic()
    begin(folder, settings)
    collection = load_collection(settings.collection.folder, settings.collection.backbone, settings.neighbors.cache)
    counted = np.diff(collection.labels.indptr) > 0
    if settings.split.keep_unlabelled:
        counted[:] = True
    if settings.split.discard_without_metadata:
        counted &= ~collection.without_metadata
    statistics = collection_statistics(collection, np.flatnonzero(counted))
    write_results(folder, settings, time.monotonic() - since, {}, statistics=statistics)


def measure_label_correlation(settings: Settings, folder: Path) -> None:
    """Figure 6: P(k-th neighbour has a label | the image has it), k = 1 .. 20, by metadata type and by features."""
    since = time.monotonic()
    begin(folder, settings)
    collection = load_collection(settings.collection.folder, settings.collection.backbone, settings.neighbors.cache)
    split = split_collection(collection, settings.split)
    rows = split.rows["test"]
    neighbors = settings.neighbors
    types = [*collection.metadata, "visual"]
    probability, covered = [], {}
    for kind in types:
        tau = neighbors.tau if kind == "tags" else None
        query = NeighborQuery(kind, tau, neighbors.pool, vocabulary=neighbors.vocabulary)
        lists = neighbor_lists(collection, split, query, K, "test", neighbors.cache)
        probability.append(label_correlation(collection.labels, rows, lists))
        covered[kind] = coverage(lists).tolist()
    expected = chance(collection.labels, rows)
    means = {kind: _mean_over_labels(one) for kind, one in zip(types, probability, strict=True)}
    figures = {"types": types, "K": K, "mean": means, "coverage": covered, "chance": float(expected.mean())}
    figures["labels"] = list(collection.label_names)
    arrays = {"probability": np.stack(probability).astype(np.float32), "chance": expected.astype(np.float32)}
    write_results(folder, settings, time.monotonic() - since, arrays, label_correlation=figures)


def _mean_over_labels(probability: np.ndarray) -> list[float | None]:
    """Mean over the labels with a value, for each k; None where there is none. Shape: [K, L]."""
    counts = np.isfinite(probability).sum(axis=1)
    sums = np.nansum(probability, axis=1)
    return [float(total / count) if count else None for total, count in zip(sums, counts, strict=True)]
