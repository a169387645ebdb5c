"""What is to be annotated: new photos, or the photos of the collection that the model was trained on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from love_thy_neighbors.annotation.photos import ARCHIVE, NEW, Photos, Relation, check_type, has_type, new_photos
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
from love_thy_neighbors.runs.relations import LIMITED
from love_thy_neighbors.runs.settings import SplitSettings, ValuesSettings
from love_thy_neighbors.splits import Split

BOTH, NOBODY = "both", "none"
NEIGHBOURS = (NEW, ARCHIVE, BOTH, NOBODY)
UNLABELLED, TEST = "unlabelled", "test"
IMAGES = (UNLABELLED, TEST)


@dataclass(frozen=True)
class Plan:
    """Which photos are scored, with which neighbours.

    neighbours: 'new', 'archive', 'both' or 'none'. types: the metadata types that choose them, as
    `photos.Photos.relations`. photos_folder: where the pictures are, or None. notes: sentences for the user.
    """

    photos: Photos
    labels: Labels
    neighbours: str
    types: tuple[ValuesSettings | None, ...]
    photos_folder: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def metadata(self) -> str | None:
        """The types in words; None without neighbours."""
        return ", ".join(dict.fromkeys(one.type for one in self.types if one)) or None

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
    neighbours, types = _neighbours(about, neighbours, metadata, has_archive, archive, most_frequent)
    photos, types = _new_photos(about, new, archive, neighbours, types, metadata)
    labels = _labels(about["labels"], new, np.zeros(0, dtype=np.int64))
    return Plan(photos, labels, neighbours, types, photos_folder)


def plan_for_updated(
    about: dict[str, Any],
    collection: Collection,
    neighbours: str | None,
    metadata: str | None,
    most_frequent: int | None = None,
) -> Plan:
    """The photos without labels of the model's own collection, which was updated since the model was trained.

    The others count as the archive. Which of them the model was trained on is not known any more, so their labels are
    not judged, and the probabilities are those of neighbours from all parts. Other arguments: `plan_for_new`.
    """
    labelled = np.diff(collection.labels.indptr) > 0
    if labelled.all():
        raise UserError(
            f"collection: every photo in {collection.folder} has a label, and it was updated since the model was "
            "trained, so it is not known which of them the model has seen; train again."
        )
    neighbours, types = _neighbours(about, neighbours, metadata, has_archive=True, tau=most_frequent)
    photos, types = _new_photos(about, collection, None, NEW, types, metadata)
    pool = photos.pool
    if neighbours in (NEW, ARCHIVE):
        pool = pool[labelled[pool] == (neighbours == ARCHIVE)]
    photos = replace(photos, archived=labelled, targets=np.flatnonzero(~labelled), pool=pool)
    labels = _labels(about["labels"], collection, np.zeros(0, dtype=np.int64))
    note = (
        "The collection was updated since the model was trained, so its labels are not judged; train again for a model "
        "that knows all its photos."
    )
    return Plan(photos, labels, neighbours, types, notes=(note,))


def _new_photos(
    about: dict[str, Any],
    new: Collection,
    archive: Collection | None,
    neighbours: str,
    types: tuple[ValuesSettings | None, ...],
    metadata: str | None,
) -> tuple[Photos, tuple[ValuesSettings | None, ...]]:
    """`photos.new_photos`, and the types that are there; raises `UserError` if one that was asked for is not."""
    towers = tuple(relations_of(about))
    given = [new] if archive is None else [new, archive]
    if towers and metadata is None:  # a tower whose type no photo has gets no neighbours
        types = tuple(one if one and any(has_type(some, one.type) for some in given) else None for one in types)
    else:
        for one in {one for one in types if one is not None}:
            for some in given if new.metadata else given[1:]:  # photos without any metadata are scored alone
                check_type(some, one.type)
    return new_photos(new, archive, neighbours, types, towers if types else ()), types


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
    neighbours, types = _neighbours(about, neighbours, metadata, has_archive=True)
    archived = np.ones(len(collection), dtype=bool)
    archived[unlabelled if images == UNLABELLED else split.neighbors["test"]] = False
    queries = [None if one is None else _query(about, one, neighbours) for one in types]
    asked = [query for query in queries if query is not None]  # all have the same pool
    pool = np.arange(len(collection)) if not asked or images == UNLABELLED else neighbor_pool(split, asked[0], "test")
    if neighbours in (NEW, ARCHIVE):
        pool = pool[archived[pool] == (neighbours == ARCHIVE)]
    judged = split.rows["test"] if images == TEST else np.concatenate([split.rows["val"], split.rows["test"]])
    targets = judged if images == TEST else np.union1d(unlabelled, judged)
    counted = None if images == TEST else pool
    relations = tuple(None if one is None else _relation(collection, split, one, counted) for one in queries)
    towers = tuple(relations_of(about)) if relations else ()
    photos = Photos((collection,), archived, targets, pool, relations, towers)
    labels = _labels(about["labels"], collection, judged, suggest_all=images == TEST)
    return Plan(photos, labels, neighbours, types)


def _relation(collection: Collection, split: Split, query: NeighborQuery, counted: np.ndarray | None) -> Relation:
    """counted: the photos on which the most frequent values are counted, if the vocabulary is not the run's own."""
    check_type(collection, query.kind)
    if counted is None or query.vocabulary == "train":
        counted = counted_rows(split, query, "test")
    found = (metadata_matrix(collection, split, query, counted), metadata_values(collection, split, query, counted))
    return Relation(query.kind, *found)


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
) -> tuple[str, tuple[ValuesSettings | None, ...]]:
    """Whose neighbours, and by which metadata types, one for each tower of a relational model; raises `UserError`.

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
        return NOBODY, ()
    if neighbours == NEW and archive is not None:
        raise UserError("archive: is not used with neighbours=new; leave one of them out.")
    if neighbours in (ARCHIVE, BOTH) and not has_archive:
        raise UserError(f"neighbours={neighbours}: needs an archive; give archive=COLLECTION.")
    return neighbours or (BOTH if has_archive else NEW), _types(about, metadata, tau)


def _types(about: dict[str, Any], metadata: str | None, tau: int | None) -> tuple[ValuesSettings | None, ...]:
    """The metadata types that choose neighbours, one for each tower of a relational model; arguments: `_neighbours`."""
    own, towers = about["neighbours"], relations_of(about)
    if metadata is None and towers:
        return _tested(own, tau)
    trained = own["test_metadata"]
    kind = metadata or trained["type"]
    if kind == "visual":
        raise UserError(
            "metadata=visual: neighbours by features are a comparison of the paper (Table 3), not a way to annotate; "
            "give metadata=tags or another type."
        )
    if tau is None and kind == trained["type"]:
        tau = trained["tau"]
    elif tau is None and kind in LIMITED:
        tau = own["metadata"]["tau"]
    # A relational model has a tower for the type, or else looks at it through every tower.
    values = ValuesSettings(kind, tau)
    return tuple(values if name == kind or kind not in towers else None for name in towers or [kind])


def relations_of(about: dict[str, Any]) -> list[str]:
    """The names of a relational model's towers; none of another model."""
    return list((about["neighbours"] or {}).get("relations", []))


def fitted_types(about: dict[str, Any]) -> str:
    """The metadata types that the probabilities were fitted with, in words."""
    own = about["neighbours"]
    return ", ".join(relations_of(about)) or str(own["test_metadata"]["type"])


def _tested(own: dict[str, Any], tau: int | None) -> tuple[ValuesSettings | None, ...]:
    """The types that the towers saw when the model was tested. tau: how many tags count, None for as many as then."""
    return tuple(
        one and ValuesSettings(one["type"], one["tau"] if tau is None or one["tau"] is None else tau)
        for one in own["tested_relations"]
    )


def _query(about: dict[str, Any], values: ValuesSettings, neighbours: str) -> NeighborQuery:
    own, overlap = about["neighbours"], None
    if own.get("overlap") is not None and values.type == "tags":
        overlap = Overlap(own["overlap"], True, about["config"]["split"])
    vocabulary = own.get("vocabulary", "train")
    pool = "split" if neighbours == NEW else "all"
    return NeighborQuery(values.type, values.tau, pool, overlap, vocabulary)


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
