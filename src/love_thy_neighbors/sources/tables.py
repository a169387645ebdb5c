"""Tables of images: made from records, without rare labels, counted as in the paper's Table 1."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.analysis.statistics import spread
from love_thy_neighbors.collection.card import METADATA_TYPES, TEXT_COLUMNS, metadata_columns
from love_thy_neighbors.sources.records import Record

_LIST = pa.list_(pa.string())


def records_table(records: Sequence[Record]) -> pa.Table:
    """The table of ``images.parquet``: without columns that no record has, and with empty lists instead of nulls."""
    columns: dict[str, pa.Array] = {}
    for name in TEXT_COLUMNS:
        values = [getattr(record, name) for record in records]
        if name == "id" or any(value is not None for value in values):
            columns[name] = pa.array(values, pa.string())
    for name in ("labels", *METADATA_TYPES):
        lists = [getattr(record, name) for record in records]
        if name == "labels" or any(value is not None for value in lists):
            columns[name] = pa.array([list(value or ()) for value in lists], _LIST)
    for name in sorted({name for record in records for name in record.other}):
        columns[name] = pa.array([list(record.other.get(name, ())) for record in records], _LIST)
    return pa.table(columns)


def list_column(offsets: np.ndarray, codes: np.ndarray, values: Sequence[str] | pa.Array) -> pa.Array:
    """A list column from codes: row i holds ``values[codes[offsets[i]:offsets[i + 1]]]``.

    Shapes: ``offsets`` [N + 1], ``codes`` [n], both integers. Makes no Python strings, so it is fast.
    """
    known = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    flat = known.take(pa.array(codes, pa.int32()))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def encoded(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """The reverse of `list_column`: the row [n] and the code [n] of each entry, and the values; a value that a row has
    twice counts once."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    rows = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    coded = lists.flatten().dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    width = max(1, len(coded.dictionary))
    pairs = np.sort(rows * width + codes, kind="stable")  # numpy.unique hashes, which takes many times as long here
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = pairs[1:] != pairs[:-1]
    pairs = pairs[first]
    return pairs // width, pairs % width, coded.dictionary


def frequent(column: pa.ChunkedArray | pa.Array, count: int) -> pa.Array:
    """The list column with only its ``count`` most frequent values; ties go to the value that sorts first."""
    rows, codes, values = encoded(column)
    images = np.bincount(codes, minlength=len(values))
    order = np.lexsort((np.array(values.to_pylist(), dtype=object), -images))[:count]
    kept = np.isin(codes, order)
    offsets = np.searchsorted(rows[kept], np.arange(len(column) + 1))
    return list_column(offsets, codes[kept], values)


def drop_rare_labels(table: pa.Table, min_positives: int) -> tuple[pa.Table, list[str], dict[str, int]]:
    """The table without labels of fewer than ``min_positives`` images, the sorted names of the other labels, and the
    dropped labels with their numbers of images."""
    _, codes, values = encoded(table["labels"])
    images = np.bincount(codes, minlength=len(values))
    names = values.to_pylist()
    kept = images >= min_positives
    dropped = {names[code]: int(images[code]) for code in np.flatnonzero(~kept)}
    if dropped:  # the other labels keep their order
        lists = table["labels"].combine_chunks()
        stays = pc.is_in(lists.flatten(), pa.array([names[code] for code in np.flatnonzero(kept)], pa.string()))
        left = np.concatenate([[0], np.cumsum(stays.to_numpy(zero_copy_only=False))])
        ends = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())])
        column = pa.ListArray.from_arrays(pa.array(left[ends], pa.int32()), lists.flatten().filter(stays))
        table = table.set_column(table.column_names.index("labels"), "labels", column)
    return table, sorted(names[code] for code in np.flatnonzero(kept)), dict(sorted(dropped.items()))


def statistics(table: pa.Table) -> dict[str, dict[str, Any]]:
    """The paper's Table 1 for a collection: for each column the values, images per value and values per image."""
    result: dict[str, dict[str, Any]] = {}
    for name in ("labels", *metadata_columns(table.column_names)):
        rows, codes, values = encoded(table[name])
        per_image = np.bincount(rows, minlength=table.num_rows)
        result[name] = spread(np.bincount(codes, minlength=len(values)), per_image)
        result[name]["images_with_any"] = int((per_image > 0).sum())
    return result
