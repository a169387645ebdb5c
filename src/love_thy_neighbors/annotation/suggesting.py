"""Suggestions for a block of photos: which labels are worth a look, how sure the model is, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from love_thy_neighbors.annotation.files import NEIGHBOR, NEIGHBOR_PART, photos_schema, suggestions_schema
from love_thy_neighbors.annotation.photos import ARCHIVE, NEW, Photos
from love_thy_neighbors.annotation.scoring import Scores

SHOWN = 3  # neighbours named in a row of suggestions
DOUBTFUL = 0.05  # a given label of a lower probability is doubtful, and so is a missing one above 1 - 0.05


@dataclass(frozen=True)
class Labels:
    """What is known about the labels.

    names: L names. known: boolean [L], labels that the collection uses; of the others nothing is doubtful.
    given: binary CSR [N, L] of the photos of the new collection, labelled: boolean [N], those with any label.
    judged: boolean [N], photos with labels that the model was not trained on: their labels may be doubtful.
    suggest_all: labelled photos get suggestions too, as the test images of a run do.
    """

    names: Sequence[str]
    known: np.ndarray
    given: sparse.csr_matrix
    labelled: np.ndarray
    judged: np.ndarray
    suggest_all: bool = False

    def decided(self, numbers: np.ndarray) -> np.ndarray:
        """Whether people gave or withheld each label [B, L]: they could not, where the collection does not use it."""
        return self.labelled[numbers][:, None] & self.known


@dataclass(frozen=True)
class Probabilities:
    """Of B photos [B, L]: with neighbours, and of the image alone; and the thresholds [B, L], inf for never."""

    with_neighbours: np.ndarray
    alone: np.ndarray
    thresholds: np.ndarray


def chosen_pairs(
    found: Probabilities, labels: Labels, numbers: np.ndarray, top: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The photos (places in the block) and labels worth a row: the ``top`` labels of each photo, all suggestions and
    doubtful labels; and for each pair whether it is suggested, and whether it is doubtful.

    Ordered by photo, then by falling probability.
    """
    p, given = found.with_neighbours, labels.given[numbers].toarray().astype(bool)
    suggested = p >= found.thresholds
    if not labels.suggest_all:
        suggested &= ~labels.decided(numbers)
    doubtful = np.where(given, p < DOUBTFUL, p > 1 - DOUBTFUL) & labels.judged[numbers][:, None] & labels.known
    worth = suggested | doubtful
    if top:
        best = np.argpartition(-p, min(top, p.shape[1]) - 1, axis=1)[:, :top]
        np.put_along_axis(worth, best, True, axis=1)
    photos, columns = np.nonzero(worth)
    order = np.lexsort((columns, -p[photos, columns], photos))
    photos, columns = photos[order], columns[order]
    return photos, columns, suggested[photos, columns], doubtful[photos, columns]


def shared_values(photos: Photos, numbers: np.ndarray, lists: np.ndarray) -> pa.ListArray:
    """For each present neighbour in ``lists`` of the photos ``numbers``, row by row, the values both have.

    Shape: lists [B, R * M], the neighbours by one relation after the other.
    """
    row, column = np.nonzero(lists >= 0)
    texts, places = [pa.array([], pa.list_(pa.string()))], []
    for number, relation in enumerate(photos.relations):
        of_it = np.flatnonzero(_relation_of(photos, lists, column) == number)
        if relation is None or not len(of_it):
            continue
        both = relation.matrix[numbers[row[of_it]]].multiply(relation.matrix[lists[row[of_it], column[of_it]]]).tocsr()
        both.sort_indices()
        values = pa.array(relation.values, pa.string()).take(pa.array(both.indices))
        texts.append(pa.ListArray.from_arrays(pa.array(both.indptr, pa.int32()), values))
        places.append(of_it)
    order = np.argsort(np.concatenate([np.zeros(0, dtype=np.int64), *places]))
    return pa.concat_arrays(texts).take(pa.array(order))


def _relation_of(photos: Photos, lists: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The number of the relation of each column of lists [B, R * M]."""
    return column // (lists.shape[1] // max(1, len(photos.relations)))


def _types(photos: Photos, lists: np.ndarray, column: np.ndarray) -> pa.Array:
    """The metadata types by which the neighbours in these columns were found; null if there is only one."""
    if not photos.towers:
        return pa.nulls(len(column), pa.string())
    names = [None if relation is None else relation.name for relation in photos.relations]
    return pa.array(names, pa.string()).take(pa.array(_relation_of(photos, lists, column)))


def neighbours_column(photos: Photos, lists: np.ndarray, shared: pa.ListArray) -> pa.ListArray:
    """The column ``neighbours`` of photos.parquet for lists [B, M]."""
    present = lists >= 0
    flat = lists[present].astype(np.int64)
    kinds = pa.array([NEW, ARCHIVE]).take(pa.array(photos.archived[flat].astype(np.int8)))
    rows, ids, files = photos.place_of(flat)[1], photos.texts("ids", flat), photos.texts("files", flat)
    types = _types(photos, lists, np.nonzero(present)[1])
    texts = [pa.array(one, pa.string()) for one in (ids, files)]
    columns = [kinds, pa.array(rows, pa.int32()), *texts, shared, types]
    return _lists(present.sum(axis=1), pa.StructArray.from_arrays(columns, fields=list(NEIGHBOR)))


def photos_table(
    photos: Photos, numbers: np.ndarray, lists: np.ndarray, shared: pa.ListArray, labels: Labels
) -> pa.Table:
    """The rows of photos.parquet of a block."""
    collection = photos.collections[0]
    types, rows = list(collection.metadata), photos.place_of(numbers)[1]
    names = pa.array(list(collection.label_names), pa.string())
    given = _values(collection.labels[rows], names, labels.labelled[numbers])
    columns = [
        pa.array(photos.texts("ids", numbers), pa.string()),
        pa.array(photos.texts("files", numbers), pa.string()),
        pa.array(rows, pa.int32()),
        given,
    ]
    for kind in types:
        columns.append(_values(collection.metadata[kind][rows], pa.array(collection.values[kind], pa.string())))
    return pa.table([*columns, neighbours_column(photos, lists, shared)], schema=photos_schema(types))


def suggestions_table(
    photos: Photos,
    numbers: np.ndarray,
    first: int,
    scores: Scores,
    found: Probabilities,
    labels: Labels,
    lists: np.ndarray,
    shared: pa.ListArray,
    top: int,
) -> pa.Table:
    """The rows of suggestions.parquet for the photos ``numbers`` [B], the first of which is row ``first`` of
    photos.parquet; lists [B, M] are their neighbours."""
    place, column, suggested, doubtful = chosen_pairs(found, labels, numbers, top)
    present = lists[place] >= 0
    archive = photos.archived[lists[place]] & present
    parts = None if scores.parts is None else scores.parts(place, column)
    kinds = photos.kinds
    given = labels.given[numbers].toarray().astype(bool)[place, column]
    threshold = found.thresholds[place, column]
    texts = [np.array(photos.texts(name, numbers), dtype=object)[place] for name in ("ids", "files")]
    values = {
        "photo": first + place,
        "id": texts[0],
        "file": texts[1],
        "label": np.array(labels.names, dtype=object)[column],
        "probability": found.with_neighbours[place, column],
        "threshold": pa.array(threshold, pa.float32(), mask=~np.isfinite(threshold)),
        "suggested": suggested,
        "given": pa.array(given, pa.bool_(), mask=~labels.decided(numbers)[place, column]),
        "doubtful": doubtful,
        "image_alone": found.alone[place, column],
        "score": scores.total[place, column],
        "bias": scores.bias[column],
        "part_image": scores.image[place, column],
        **(_tower_parts(kinds, parts) if photos.towers else _kind_parts(kinds, scores, place, column, parts, archive)),
        "neighbours": _largest(parts, present, lists, place, photos, shared),
    }
    schema = suggestions_schema(kinds)
    arrays = [
        value if isinstance(value, pa.Array) else pa.array(value, schema.field(name).type)
        for name, value in values.items()
    ]
    return pa.table(arrays, schema=schema)


def _tower_parts(kinds: list[str], parts: np.ndarray | None) -> dict[str, np.ndarray]:
    """The part of each tower in the score of each pair: the sum of its neighbours' parts [P, R * M]."""
    if not kinds:
        return {}
    assert parts is not None
    by_tower = parts.reshape(len(parts), len(kinds), -1).sum(axis=2)
    return {f"part_{kind}": by_tower[:, number] for number, kind in enumerate(kinds)}


def _kind_parts(
    kinds: list[str],
    scores: Scores,
    place: np.ndarray,
    column: np.ndarray,
    parts: np.ndarray | None,
    archive: np.ndarray,
) -> dict[str, np.ndarray]:
    """The part of each kind of neighbours in the score of each pair [P]; with image part and bias they add up to it."""
    if not kinds:
        return {}
    if parts is not None:
        by_kind = {NEW: (parts * ~archive).sum(axis=1), ARCHIVE: (parts * archive).sum(axis=1)}
    else:
        assert scores.without is not None
        without_archive = scores.without[place, column]
        by_kind = {
            NEW: without_archive - scores.image[place, column] - scores.bias[column],
            ARCHIVE: scores.total[place, column] - without_archive,
        }
    return {f"part_{kind}": by_kind[kind] for kind in kinds}


def _largest(
    parts: np.ndarray | None,
    present: np.ndarray,
    lists: np.ndarray,
    place: np.ndarray,
    photos: Photos,
    shared: pa.ListArray,
) -> pa.ListArray:
    """The column ``neighbours``: of each pair the neighbours with the largest parts; without parts, the nearest."""
    M = lists.shape[1]
    weight = np.where(present, -np.arange(M, dtype=np.float32) if parts is None else parts, -np.inf)
    order = np.argsort(-weight, axis=1, kind="stable")[:, :SHOWN]
    there = np.take_along_axis(present, order, axis=1)
    counts, chosen = there.sum(axis=1), order[there]
    pair = np.repeat(np.arange(len(place)), counts)
    # The place of each neighbour among all present ones of the block, which is its place in ``shared``.
    number = (np.cumsum(lists >= 0) - 1).reshape(lists.shape)[place[pair], chosen]
    listed = (np.cumsum(lists >= 0, axis=1) - 1)[place[pair], chosen]  # its place in the photo's list
    part = np.full(len(pair), np.nan) if parts is None else parts[pair, chosen]
    neighbours = lists[place[pair], chosen].astype(np.int64)
    unique, inverse = np.unique(neighbours, return_inverse=True)
    ids = pa.array(photos.texts("ids", unique), pa.string()).take(pa.array(inverse))
    columns = [
        pa.array(listed, pa.int32()),
        ids,
        pa.array(part, pa.float32(), mask=np.isnan(part)),
        shared.take(pa.array(number)) if len(number) else shared.slice(0, 0),
        _types(photos, lists, chosen),
    ]
    return _lists(counts, pa.StructArray.from_arrays(columns, fields=list(NEIGHBOR_PART)))


def _lists(counts: np.ndarray, values: pa.Array) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _values(matrix: sparse.csr_matrix, names: pa.Array, there: np.ndarray | None = None) -> pa.ListArray:
    """The names of the columns that are set in each row; null where ``there`` is false."""
    offsets = pa.array(matrix.indptr, pa.int32())
    values = names.take(pa.array(matrix.indices))
    if there is None or there.all():
        return pa.ListArray.from_arrays(offsets, values)
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(~there))
