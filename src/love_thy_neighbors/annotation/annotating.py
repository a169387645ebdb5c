"""Scores the photos of a plan block by block, and writes the files of an annotation folder.

The work is done in a partial folder. Each finished block has a file there, so an interrupted annotation continues.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from love_thy_neighbors.annotation.files import (
    ABOUT,
    SCORES,
    About,
)
from love_thy_neighbors.annotation.joining import BLOCKS, block_file, join_blocks
from love_thy_neighbors.annotation.own_files import BLOCK_FILES
from love_thy_neighbors.annotation.photos import Photos
from love_thy_neighbors.annotation.plans import Plan, fitted_types
from love_thy_neighbors.annotation.relational_scoring import RelationalScorer
from love_thy_neighbors.annotation.scoring import Scorer
from love_thy_neighbors.annotation.suggesting import (
    Probabilities,
    photos_table,
    shared_values,
    suggestions_table,
)
from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.calibration.confidence import Confidence, probabilities_and_limits
from love_thy_neighbors.cluster.engine import LOCAL
from love_thy_neighbors.disk import new_table
from love_thy_neighbors.neighbors.jaccard import jaccard_search
from love_thy_neighbors.neighbors.list_files import BLOCK as LISTS_BLOCK
from love_thy_neighbors.neighbors.list_files import is_complete, write_lists
from love_thy_neighbors.neighbors.lists import without_neighbors
from love_thy_neighbors.neighbors.similarities import similarities
from love_thy_neighbors.ownership import known_names, remove_own
from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.runs.model_folder import NONE

BLOCK = 1024  # photos scored and stored at a time
_KEY = "key.json"
_BLOCKS = known_names(*BLOCK_FILES)


@dataclass(frozen=True)
class Method:
    """How photos are scored.

    description: of the model (config.json); key: what the model's files are, as a hash. M: neighbours a photo.
    confidence: by condition. precision: share of suggestions that should be right. top: labels a photo that get a row
    although they may not be suggested.
    """

    scorer: Scorer | RelationalScorer
    description: dict[str, Any]
    key: str
    M: int
    confidence: dict[str, Confidence]
    precision: float
    top: int


def annotate(plan: Plan, method: Method, partial: Path) -> None:
    """Write photos.parquet, suggestions.parquet and .csv, scores.npy and annotation.json into ``partial``."""
    types = [one and [one.type, one.tau] for one in plan.types]
    settings = [*plan.fingerprints, plan.neighbours, types, method.key, method.precision, method.top]
    digest = hashlib.sha256(json.dumps([*settings, BLOCK]).encode())
    digest.update(np.ascontiguousarray(plan.photos.targets).tobytes())
    _start_again_unless(digest.hexdigest(), partial)
    lists = _neighbour_lists(plan, method, partial)
    count, width = len(plan.photos.targets), len(plan.labels.names)
    scores = _open_scores(partial / SCORES, (count, width))
    starts = range(0, count, BLOCK)
    missing = [start for start in starts if not block_file(partial, start, "suggestions").is_file()]
    done = count - sum(min(BLOCK, count - start) for start in missing)
    with progress_bar("photos", count, done=done) as advance:
        for start in missing:
            numbers = plan.photos.targets[start : start + BLOCK]
            stop = start + len(numbers)
            scores[start:stop] = _do_block(plan, method, partial, start, numbers, lists[start:stop])
            scores.flush()  # the scores must be on disk before the block counts as done
            block_file(partial, start, "unfinished").rename(block_file(partial, start, "suggestions"))
            advance(len(numbers))
    counts = {"photos": count, **join_blocks(plan, partial, list(starts))}
    counts["photos_without_neighbours"] = int(without_neighbors(lists).sum())
    write_json(partial / ABOUT, asdict(_about(plan, method, counts, lists, partial)))


def remove_unfinished(folder: Path) -> None:
    """Remove what only an interrupted annotation needs."""
    remove_own(folder / BLOCKS, _BLOCKS)
    (folder / _KEY).unlink(missing_ok=True)


def _start_again_unless(key: str, partial: Path) -> None:
    """Keep the finished blocks in ``partial`` only if they were made with the same key."""
    partial.mkdir(parents=True, exist_ok=True)
    path = partial / _KEY
    try:
        same = read_json(path) == key
    except (OSError, ValueError):
        same = False
    if not same:
        remove_unfinished(partial)
        (partial / SCORES).unlink(missing_ok=True)
    (partial / BLOCKS).mkdir(exist_ok=True)
    write_json(path, key)


def _neighbour_lists(plan: Plan, method: Method, partial: Path) -> np.ndarray:
    """Neighbour lists int32 [n, R, M] of the photos to score by every relation, -1 for none; R is at least 1."""
    photos, shape = plan.photos, (len(plan.photos.targets), method.M)
    if not any(photos.relations):
        return np.full((shape[0], method.scorer.relations, 1), -1, dtype=np.int32)
    lists = []
    for number, relation in enumerate(photos.relations):
        path = partial / BLOCKS / f"neighbours-{number}.npy"
        if relation is None:
            lists.append(np.broadcast_to(np.int32(-1), shape))
            continue
        if not is_complete(path, shape):
            search = jaccard_search(relation.matrix, photos.targets, photos.pool, method.M)
            write_lists(path, search, f"{relation.name} neighbours", LOCAL, LISTS_BLOCK)
        lists.append(np.load(path, mmap_mode="r", allow_pickle=False))
    return np.stack(lists, axis=1) if len(lists) > 1 else lists[0][:, np.newaxis]


def _open_scores(path: Path, shape: tuple[int, int]) -> np.memmap:
    try:
        scores = np.lib.format.open_memmap(path, mode="r+")
        if scores.shape == shape and scores.dtype == np.float32:
            return scores
    except (OSError, ValueError):
        pass  # none yet
    return new_table(path, np.float32, shape)


def _do_block(
    plan: Plan, method: Method, partial: Path, start: int, numbers: np.ndarray, lists: np.ndarray
) -> np.ndarray:
    """Write the tables of a block, the suggestions under an unfinished name; returns its scores [B, L].

    Shape: lists [B, R, M].
    """
    photos, similar = plan.photos, _similarities(plan.photos, numbers, lists)
    lists = lists.reshape(len(numbers), -1).astype(np.int64)
    present = lists >= 0
    unique, inverse = np.unique(np.maximum(lists, 0), return_inverse=True)
    places = np.where(present, inverse.reshape(lists.shape), -1)
    last = present & photos.archived[lists]
    how = last
    if isinstance(method.scorer, RelationalScorer):
        how, method.scorer.model.complete = similar, photos.complete
    scores = method.scorer.score(photos.features(numbers), photos.features(unique), places, how)
    without, alone = np.asarray(~present.any(axis=1)), method.confidence[NONE]
    confidence = method.confidence[plan.condition]
    judged, limits = probabilities_and_limits(scores.total, method.precision, confidence, alone, without)
    image = alone.probabilities(scores.image + scores.bias)
    found = Probabilities(*(one.astype(np.float32) for one in (judged, image, limits)))
    shared = shared_values(photos, numbers, lists)
    pq.write_table(photos_table(photos, numbers, lists, shared, plan.labels), block_file(partial, start, "photos"))
    table = suggestions_table(photos, numbers, start, scores, found, plan.labels, lists, shared, method.top)
    pq.write_table(table, block_file(partial, start, "unfinished"))
    return scores.total


def _similarities(photos: Photos, numbers: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Jaccard similarities [B, R * M] of the neighbours in lists [B, R, M], 0 for none."""
    found = np.zeros(lists.shape, dtype=np.float32)
    for number, relation in enumerate(photos.relations):
        if relation is not None:
            found[:, number] = similarities(relation.matrix, numbers, lists[:, number])
    return found.reshape(len(numbers), -1)


def _about(plan: Plan, method: Method, counts: dict[str, int], lists: np.ndarray, partial: Path) -> About:
    description, collections = method.description, plan.photos.collections
    thresholds = method.confidence[plan.condition].thresholds(method.precision)
    folders = [
        str(folder.relative_to(partial) if folder.is_relative_to(partial) else folder.absolute())
        for folder in (collection.folder for collection in collections)
    ]
    return About(
        model=description["model"]["name"],
        run=description["trained_on"]["run"],
        collection=description["trained_on"]["collection"],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        precision=method.precision,
        labels=list(plan.labels.names),
        never_suggested=_never_suggested(plan, method, lists),
        thresholds=[float(value) if np.isfinite(value) else None for value in thresholds],
        neighbours=plan.neighbours,
        metadata=plan.metadata,
        kinds=plan.photos.kinds,
        photos_folder=None if plan.photos_folder is None else str(plan.photos_folder.absolute()),
        collections={"new": folders[0], "archive": folders[-1]},
        types=list(collections[0].metadata),
        counts=counts,
        notes=notes(plan, method, lists),
    )


def _never_suggested(plan: Plan, method: Method, lists: np.ndarray) -> list[str]:
    """The labels that none of these photos can get: photos without neighbours have thresholds of their own."""
    without = without_neighbors(lists)
    conditions = [NONE] * bool(without.any()) + [plan.condition] * bool(not without.all())
    thresholds = [method.confidence[condition].thresholds(method.precision) for condition in conditions]
    hidden = np.isinf(np.array(thresholds)).all(axis=0)
    return [name for name, never in zip(plan.labels.names, hidden, strict=True) if never]


def notes(plan: Plan, method: Method, lists: np.ndarray) -> list[str]:
    """The plan's notes, and sentences about differences to the validation images, which the probabilities were fitted
    on."""
    found = list(plan.notes)
    if plan.metadata is None:
        return found
    fitted_with = fitted_types(method.description)
    mean, without = float((lists >= 0).sum() / len(lists)), float(without_neighbors(lists).mean())
    known = method.description["validation"].get(plan.condition)
    if known is not None and (mean < 0.75 * known["neighbours"] or without > known["without_neighbours"] + 0.1):
        found.append(
            f"These photos have {mean:.1f} neighbours on average and {100 * without:.0f} % have none; the validation "
            f"images had {known['neighbours']:.1f} and {100 * known['without_neighbours']:.0f} %. So the probabilities "
            "may be too high or too low: check some suggestions of each label before you trust them."
        )
    if method.description["neighbours"].get("fill") == "random":
        found.append(
            "The model saw random images in place of missing neighbours (neighborhoods.fill=random), which is not done "
            "here: check some suggestions of each label before you trust the probabilities."
        )
    if plan.metadata != fitted_with:
        found.append(
            f"The probabilities were fitted with neighbours by {fitted_with}, but these neighbours are by "
            f"{plan.metadata}: check some suggestions of each label before you trust them."
        )
    return found
