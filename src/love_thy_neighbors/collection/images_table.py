"""Reads ``images.parquet``: checks its columns, and makes matrices of its lists."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    texts = {column: text_column(path, column) for column in TEXT_COLUMNS}
    labels, _ = list_column(path, "labels", label_names)
    found = {kind: list_column(path, kind) for kind in list_columns(path)}
    metadata, values = ({kind: pair[place] for kind, pair in found.items()} for place in (0, 1))
    pa.default_memory_pool().release_unused()  # a quarter of a gigabyte for NUS-WIDE
    return Images(texts, labels, metadata, {kind: sorted_values.to_pylist() for kind, sorted_values in values.items()})


def list_columns(path: Path) -> tuple[str, ...]:
    """The metadata types of ``images.parquet``; reads only its footer, and raises `UserError` if that is wrong."""
    with _opened(path) as file:
        _check_columns(path, file.schema_arrow)
        return metadata_columns(file.schema_arrow.names)


def read_images_table(path: Path, column: str | None = None) -> pa.Table:
    """Read ``images.parquet``, or one of its columns alone, and check it; raises `UserError` naming file, row or
    column, and the cure."""
    with _opened(path) as file:
        _check_columns(path, file.schema_arrow)
        table = file.read(None if column is None else [column])
        table.validate(full=True)  # Parquet does not check that strings are UTF-8
    for name in table.column_names:
        if name == "id" or name not in TEXT_COLUMNS:
            _refuse_nulls(path, table, name)
    return table


def require_there(path: Path) -> None:
    """Raise `UserError` if the file is missing."""
    if not path.is_file():
        raise UserError(f"{path} is missing; run prepare.py again.")


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; raises `UserError` if it is missing or cannot be read, inside as well."""
    require_there(path)
    try:
        with pq.ParquetFile(path) as file:  # not `read_table`, which imports pyarrow.dataset for folders of files
            yield file
    except (pa.ArrowException, OSError) as error:
        pass_on_refusal(path, error)
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: not a readable Parquet file ({reason}); run prepare.py again.") from None


def _check_columns(path: Path, schema: pa.Schema) -> None:
    for column in ("id", "labels"):
        if column not in schema.names:
            raise UserError(f"{path}: column '{column}' is missing; run prepare.py again.")
    for column in schema.names:
        kind, is_text = schema.field(column).type, column in TEXT_COLUMNS
        if kind not in (_STRINGS if is_text else _LISTS):
            expected = "string" if is_text else "list<string>"
            raise UserError(f"{path}: column '{column}' is {kind}, not {expected}; run prepare.py again.")
        if column not in (*TEXT_COLUMNS, "labels") and not is_type_name(column):
            raise UserError(
                f"{path}: column '{column}' cannot name a metadata type; use letters, digits, '_' and '-', and none of "
                "the names images, union and visual."
            )


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


def text_column(path: Path, column: str) -> pa.Array:
    """A text column of ``images.parquet``; nulls if it has no such column."""
    with _opened(path) as file:
        if column != "id" and column not in file.schema_arrow.names:
            return pa.nulls(file.metadata.num_rows, pa.string())
    return read_images_table(path, column)[column].combine_chunks()


def list_column(path: Path, column: str, known: tuple[str, ...] | None = None) -> tuple[sparse.csr_matrix, pa.Array]:
    """A list column as binary CSR [N, T], and its T values in column order (``known``, or sorted)."""
    lists = read_images_table(path, column)[column].combine_chunks()
    flat = lists.flatten()
    names = _sorted(pc.unique(flat)) if known is None else pa.array(known, flat.type)
    codes = pc.index_in(flat, names)
    if codes.null_count:
        entry = int(np.flatnonzero(pc.is_null(codes).to_numpy(zero_copy_only=False))[0])
        row = pc.list_parent_indices(lists)[entry].as_py()
        raise UserError(
            f"{path}: row {row} has the label '{flat[entry].as_py()}', which card.json does not list in "
            "labels.names; run prepare.py again."
        )
    ends = np.concatenate(([0], np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False), dtype=np.int64)))
    columns = np.array(codes.to_numpy(zero_copy_only=False), dtype=np.int32)  # a copy, which is sorted in place
    ones = np.ones(len(columns), dtype=np.uint8)
    matrix = sparse.csr_matrix((ones, columns, ends), shape=(len(lists), len(names)))
    matrix.sum_duplicates()  # sorts, too
    matrix.data[:] = 1  # a value that a row has twice counts once
    return matrix, names


def _sorted(values: pa.Array) -> pa.Array:
    """In the order of Python's texts: that of code points, which is also that of the bytes of UTF-8."""
    return values.take(pc.array_sort_indices(values))
