"""What is to be annotated: new photos, or the photos of the collection that the model was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from love_thy_neighbors.annotation.photos import ARCHIVE, NEW, Photos, check_type, new_photos
from love_thy_neighbors.annotation.suggesting import Labels
from love_thy_neighbors.collection.card import collection_fingerprint
from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.neighbors.lists import (
    NeighborQuery,
    Overlap,
    counted_rows,
    metadata_matrix,
    metadata_values,
    neighbor_pool,
)
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.runs.model_folder import ALL, NONE, SPLIT
from love_thy_neighbors.runs.settings import SplitSettings
from love_thy_neighbors.splits import Split

BOTH, NOBODY = "both", "none"
NEIGHBOURS = (NEW, ARCHIVE, BOTH, NOBODY)
UNLABELLED, TEST = "unlabelled", "test"
IMAGES = (UNLABELLED, TEST)


@dataclass(frozen=True)
class Plan:
    """Which photos are scored, with which neighbours.

    neighbours: 'new', 'archive', 'both' or 'none'. metadata: the type that chooses them, or None. photos_folder:
    where the pictures are, or None. tau: how many values of ``metadata`` count, None for all.
    """

    photos: Photos
    labels: Labels
    neighbours: str
    metadata: str | None
    photos_folder: Path | None = None
    tau: int | None = None

    @property
    def condition(self) -> str:
        """The key of confidence.json whose probabilities hold for photos with neighbours."""
        return {NEW: SPLIT, NOBODY: NONE}.get(self.neighbours, ALL)

    @property
    def fingerprints(self) -> list[str]:
        """What the result depends on, besides the model and the keys of the command."""
        return [collection_fingerprint(one.folder, one.features.backbone) for one in self.photos.collections]


def plan_for_new(
    about: dict[str, Any],
    new: Collection,
    archive: Collection | None,
    neighbours: str | None,
    metadata: str | None,
    most_frequent: int | None = None,
    photos_folder: Path | None = None,
) -> Plan:
    """All photos of ``new``, which the model was not trained on.

    about: the description of the model (config.json). neighbours: None for 'both' with an archive, else 'new'.
    metadata: None for the type that the model was tested with. most_frequent: how many of its values count; None for
    as many as in training. Raises `UserError` naming the key that does not fit.
    """
    has_archive = archive is not None
    neighbours, kind, tau = _neighbours(about, neighbours, metadata, has_archive, archive, most_frequent)
    if kind is not None and new.metadata:  # photos without any metadata are scored alone
        check_type(new, kind)
    if kind is not None and archive is not None:
        check_type(archive, kind)
    photos = new_photos(new, archive, neighbours, kind, tau)
    labels = _labels(about["labels"], new, np.zeros(0, dtype=np.int64))
    return Plan(photos, labels, neighbours, kind, photos_folder, tau)


def plan_for_own(
    about: dict[str, Any], collection: Collection, images: str | None, neighbours: str | None, metadata: str | None
) -> Plan:
    """Photos of the collection that the model was trained on.

    images: 'unlabelled' for the photos without labels, which get suggestions, and the validation and test images, whose
        labels may be doubtful; 'test' for the test images with the neighbours of the run's own test; None for
        'unlabelled' if there are any such photos, else 'test'.

    With 'unlabelled' the photos with labels count as the archive. With 'test' the photos outside the test part do.
    """
    split = own_split(about, collection)
    unlabelled = np.flatnonzero(np.diff(collection.labels.indptr) == 0)
    if images is None:
        images = UNLABELLED if len(unlabelled) else TEST
    if images == UNLABELLED and not len(unlabelled):
        raise UserError(
            f"images=unlabelled: every photo of the collection in {collection.folder} has a label; give images=test, "
            "or other photos (photos=DIR)."
        )
    own = about["neighbours"]
    if images == TEST:
        neighbours = NOBODY if own is None else (neighbours or (NEW if own["pool"] == SPLIT else BOTH))
    neighbours, kind, tau = _neighbours(about, neighbours, metadata, has_archive=True)
    archived = np.ones(len(collection), dtype=bool)
    archived[unlabelled if images == UNLABELLED else split.neighbors["test"]] = False
    query = None if kind is None else _query(about, kind, tau, neighbours)
    pool = np.arange(len(collection)) if query is None or images == UNLABELLED else neighbor_pool(split, query, "test")
    if neighbours in (NEW, ARCHIVE):
        pool = pool[archived[pool] == (neighbours == ARCHIVE)]
    judged = split.rows["test"] if images == TEST else np.concatenate([split.rows["val"], split.rows["test"]])
    targets = judged if images == TEST else np.union1d(unlabelled, judged)
    matrix, values = None, []
    if query is not None:
        check_type(collection, query.kind)
        own_test = images == TEST or query.vocabulary == "train"
        counted = counted_rows(split, query, "test") if own_test else pool
        matrix = metadata_matrix(collection, split, query, counted)
        values = metadata_values(collection, split, query, counted)
    photos = Photos((collection,), archived, targets, pool, matrix, values)
    labels = _labels(about["labels"], collection, judged, suggest_all=images == TEST)
    return Plan(photos, labels, neighbours, kind)


def own_split(about: dict[str, Any], collection: Collection) -> Split:
    """The split that the model was trained on."""
    try:
        config = about["config"]
        data = config["data"]
        settings = SplitSettings(
            config["split"],
            data["split_sizes"],
            config["split_by"],
            config["keep_unlabelled"],
            data["discard_without_metadata"],
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"config.json: config does not say how the photos were split ({error}); train again.") from None
    return split_collection(collection, settings)


def _neighbours(
    about: dict[str, Any],
    neighbours: str | None,
    metadata: str | None,
    has_archive: bool,
    archive: Collection | None = None,
    tau: int | None = None,
) -> tuple[str, str | None, int | None]:
    """Whose neighbours, by which metadata type, and how many of its values count; raises `UserError`.

    archive, tau: what the user gave. has_archive: also true for photos of the model's own collection.
    """
    own = about["neighbours"]
    if own is None or neighbours == NOBODY:
        given = {"metadata": metadata, "tau": tau, "archive": archive}
        unused = [key for key, value in given.items() if value is not None]
        unused += ["neighbours"] if own is None and neighbours not in (None, NOBODY) else []
        if unused:
            why = f"the model {about['model']['name']} sees no neighbours" if own is None else "neighbours=none"
            raise UserError(f"{unused[0]}: is not used, because of {why}; leave this key out.")
        return NOBODY, None, None
    if neighbours == NEW and archive is not None:
        raise UserError("archive: is not used with neighbours=new; leave one of them out.")
    if neighbours in (ARCHIVE, BOTH) and not has_archive:
        raise UserError(f"neighbours={neighbours}: needs an archive; give archive=COLLECTION.")
    trained = own["test_metadata"]
    kind = metadata or trained["type"]
    if kind == "visual":
        raise UserError(
            "metadata=visual: neighbours by features are a comparison of the paper (Table 3), not a way to annotate; "
            "give metadata=tags or another type."
        )
    if tau is None and kind == trained["type"]:
        tau = trained["tau"]
    elif tau is None and kind in ("tags", "union"):
        tau = own["metadata"]["tau"]
    return neighbours or (BOTH if has_archive else NEW), kind, tau


def _query(about: dict[str, Any], kind: str, tau: int | None, neighbours: str) -> NeighborQuery:
    own, overlap = about["neighbours"], None
    if own.get("overlap") is not None and kind == "tags":
        overlap = Overlap(own["overlap"], True, about["config"]["split"])
    vocabulary = own.get("vocabulary", "train")
    return NeighborQuery(kind, tau, "split" if neighbours == NEW else "all", overlap, vocabulary)


def _labels(names: list[str], collection: Collection, judged: np.ndarray, suggest_all: bool = False) -> Labels:
    """The given labels of ``collection`` under the model's names. ``judged`` are rows; with none, all labelled ones."""
    place = {name: column for column, name in enumerate(names)}
    own = collection.labels.tocoo()
    columns = np.array([place.get(name, -1) for name in collection.label_names], dtype=np.int64)
    kept = columns[own.col] >= 0 if len(columns) else np.zeros(0, dtype=bool)
    shape = (len(collection), len(names))
    entries = (own.row[kept], columns[own.col[kept]]) if len(columns) else (own.row, own.col)
    given = sparse.csr_matrix((own.data[kept], entries), shape=shape)
    labelled = np.diff(collection.labels.indptr) > 0
    is_judged = labelled.copy()
    if len(judged):
        is_judged[:] = False
        is_judged[judged] = True
    known = np.isin(names, collection.label_names)
    return Labels(names, known, given, labelled, is_judged, suggest_all)
