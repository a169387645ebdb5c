"""Tables of images: built from records, freed of rare labels, counted as in the paper's Table 1."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.analysis.statistics import spread
from love_thy_neighbors.collection.card import METADATA_TYPES
from love_thy_neighbors.collection.loading import LIST_COLUMNS, TEXT_COLUMNS
from love_thy_neighbors.sources.records import Record

_LIST = pa.list_(pa.string())


def records_table(records: Sequence[Record]) -> pa.Table:
    """The table of ``images.parquet``: a column that no record has is left out, and lists are never null."""
    columns: dict[str, pa.Array] = {}
    for name in TEXT_COLUMNS:
        values = [getattr(record, name) for record in records]
        if name == "id" or any(value is not None for value in values):
            columns[name] = pa.array(values, pa.string())
    for name in LIST_COLUMNS:
        lists = [getattr(record, name) for record in records]
        if name == "labels" or any(value is not None for value in lists):
            columns[name] = pa.array([list(value or ()) for value in lists], _LIST)
    return pa.table(columns)


def list_column(offsets: np.ndarray, codes: np.ndarray, values: Sequence[str] | pa.Array) -> pa.Array:
    """A list column from codes: row i holds ``values[codes[offsets[i]:offsets[i + 1]]]``.

    Shapes: ``offsets`` [N + 1], ``codes`` [n], both integers. No Python string is made for an entry.
    """
    known = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    flat = known.take(pa.array(codes, pa.int32()))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def encoded(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """The reverse of `list_column`: row of each entry [n], code of each entry [n], and the values; a value that a row
    names twice counts once."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    rows = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    coded = lists.flatten().dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    width = max(1, len(coded.dictionary))
    pairs = np.unique(rows * width + codes)
    return pairs // width, pairs % width, coded.dictionary


def frequent(column: pa.ChunkedArray | pa.Array, count: int) -> pa.Array:
    """The list column with the ``count`` values that most images have and no others; ties go by the values' order."""
    rows, codes, values = encoded(column)
    images = np.bincount(codes, minlength=len(values))
    order = np.lexsort((np.array(values.to_pylist(), dtype=object), -images))[:count]
    kept = np.isin(codes, order)
    offsets = np.searchsorted(rows[kept], np.arange(len(column) + 1))
    return list_column(offsets, codes[kept], values)


def drop_rare_labels(table: pa.Table, min_positives: int) -> tuple[pa.Table, list[str], dict[str, int]]:
    """The table without the labels that fewer than ``min_positives`` images have; the names kept, sorted; those
    dropped, with their number of images."""
    _, codes, values = encoded(table["labels"])
    images = np.bincount(codes, minlength=len(values))
    names = values.to_pylist()
    kept = images >= min_positives
    dropped = {names[code]: int(images[code]) for code in np.flatnonzero(~kept)}
    if dropped:  # what stays keeps its order
        lists = table["labels"].combine_chunks()
        stays = pc.is_in(lists.flatten(), pa.array([names[code] for code in np.flatnonzero(kept)], pa.string()))
        left = np.concatenate([[0], np.cumsum(stays.to_numpy(zero_copy_only=False))])
        ends = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())])
        column = pa.ListArray.from_arrays(pa.array(left[ends], pa.int32()), lists.flatten().filter(stays))
        table = table.set_column(table.column_names.index("labels"), "labels", column)
    return table, sorted(names[code] for code in np.flatnonzero(kept)), dict(sorted(dropped.items()))


def statistics(table: pa.Table) -> dict[str, dict[str, Any]]:
    """The paper's Table 1 for a collection: per column the number of values, images per value, values per image."""
    result: dict[str, dict[str, Any]] = {}
    for name in ("labels", *METADATA_TYPES):
        if name not in table.column_names:
            continue
        rows, codes, values = encoded(table[name])
        per_image = np.bincount(rows, minlength=table.num_rows)
        result[name] = spread(np.bincount(codes, minlength=len(values)), per_image)
        result[name]["images_with_any"] = int((per_image > 0).sum())
    return result
