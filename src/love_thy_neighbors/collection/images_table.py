"""Reads ``images.parquet``: checks its columns, and makes matrices of its lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from love_thy_neighbors.collection.card import TEXT_COLUMNS, is_type_name, metadata_columns
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError

_STRINGS = (pa.string(), pa.large_string())
_LISTS = (pa.list_(pa.string()), pa.large_list(pa.string()))


@dataclass(frozen=True)
class Images:
    """What ``images.parquet`` holds of N images: its text columns, and its lists as matrices.

    Shapes: ``texts`` Arrow strings [N] for every name in `TEXT_COLUMNS`, nulls where the file has no such column;
    ``labels`` [N, L] and ``metadata[type]`` [N, T_type] binary CSR; ``values[type]`` the T_type values in column order.
    """

    texts: dict[str, pa.Array]
    labels: sparse.csr_matrix
    metadata: dict[str, sparse.csr_matrix]
    values: Mapping[str, list[str]]


def read_images(path: Path, label_names: tuple[str, ...]) -> Images:
    """Read ``images.parquet`` into memory; raises `UserError` for a wrong column, and for a label that has no name."""
    table = read_images_table(path)
    labels, _ = _binary_matrix(path, table, "labels", known=label_names)
    metadata, values = {}, {}
    for kind in metadata_columns(table.column_names):
        metadata[kind], values[kind] = _binary_matrix(path, table, kind)
    images = Images({column: _text(table, column) for column in TEXT_COLUMNS}, labels, metadata, values)
    pa.default_memory_pool().release_unused()  # a quarter of a gigabyte for NUS-WIDE
    return images


def read_images_table(path: Path) -> pa.Table:
    """Read ``images.parquet`` and check its columns; raises `UserError` naming file, row or column, and the cure."""
    if not path.is_file():
        raise UserError(f"{path} is missing; run prepare.py again.")
    try:
        with pq.ParquetFile(path) as file:  # not `read_table`, which imports pyarrow.dataset for folders of files
            table = file.read()
        table.validate(full=True)  # Parquet does not check that strings are UTF-8
    except (pa.ArrowException, OSError) as error:
        pass_on_refusal(path, error)
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: not a readable Parquet file ({reason}); run prepare.py again.") from None
    for column in ("id", "labels"):
        if column not in table.column_names:
            raise UserError(f"{path}: column '{column}' is missing; run prepare.py again.")
    for column in table.column_names:
        kind, is_text = table.schema.field(column).type, column in TEXT_COLUMNS
        if kind not in (_STRINGS if is_text else _LISTS):
            expected = "string" if is_text else "list<string>"
            raise UserError(f"{path}: column '{column}' is {kind}, not {expected}; run prepare.py again.")
        if column not in (*TEXT_COLUMNS, "labels") and not is_type_name(column):
            raise UserError(
                f"{path}: column '{column}' cannot name a metadata type; use letters, digits, '_' and '-', and none of "
                "the names images, union and visual."
            )
        if column == "id" or column not in TEXT_COLUMNS:
            _refuse_nulls(path, table, column)
    return table


def has_unlabelled(folder: Path) -> bool:
    """Whether the collection in ``folder`` has photos without labels; raises `UserError` if it cannot be read."""
    return bool(
        pc.any(pc.equal(pc.list_value_length(read_images_table(folder / "images.parquet")["labels"]), 0)).as_py()
    )


def _refuse_nulls(path: Path, table: pa.Table, column: str) -> None:
    data = table[column].combine_chunks()
    if data.null_count:
        row = int(np.flatnonzero(pc.is_null(data).to_numpy(zero_copy_only=False))[0])
        raise UserError(f"{path}: row {row} has no value in column '{column}'; write an empty list or drop the row.")
    if column != "id" and data.flatten().null_count:
        entry = np.flatnonzero(pc.is_null(data.flatten()).to_numpy(zero_copy_only=False))[0]
        row = int(pc.list_parent_indices(data)[int(entry)].as_py())
        raise UserError(f"{path}: row {row} has a null inside '{column}'; drop it from the list.")


def _text(table: pa.Table, column: str) -> pa.Array:
    if column not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    return table[column].combine_chunks()


def _binary_matrix(
    path: Path, table: pa.Table, column: str, known: tuple[str, ...] | None = None
) -> tuple[sparse.csr_matrix, list[str]]:
    """The list column as binary CSR [N, T], and its T values in column order (``known``, or sorted)."""
    lists = table[column].combine_chunks()
    flat, rows = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
    if known is None:
        names = sorted(pc.unique(flat).to_pylist())
    else:
        names = list(known)
    codes = pc.index_in(flat, pa.array(names, flat.type))
    if codes.null_count:
        entry = int(np.flatnonzero(pc.is_null(codes).to_numpy(zero_copy_only=False))[0])
        raise UserError(
            f"{path}: row {rows[entry]} has the label '{flat[entry].as_py()}', which card.json does not list in "
            "labels.names; run prepare.py again."
        )
    shape = (table.num_rows, len(names))
    ones = np.ones(len(flat), dtype=np.uint8)
    matrix = sparse.csr_matrix((ones, (rows, codes.to_numpy(zero_copy_only=False))), shape=shape)
    matrix.data[:] = 1  # a value that a row has twice counts once
    matrix.sort_indices()
    return matrix, names
