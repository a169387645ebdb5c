"""A data set on disk and in memory.

On disk a collection is a folder:

    images.parquet            one row per image: id, file, owner, split (train, val or test), taken (an ISO date), all
                              strings; labels and metadata (lists of strings)
    features/<backbone>.npy   [N, d] float16 or float32, or int8 to be multiplied by the scale in the card
    thumbnails/<row>.webp     optional small pictures for figures
    splits.npy                optional int8 [S, N], the part of each image in S splits that the release itself defines
    pictures.parquet          optional hashes of the pictures' content, for an update; nothing else reads it
    card.json                 origin, licence, counts, label names, feature scale, how labels were made

Every list column but ``labels`` is a metadata type: tags, sets and groups as in the paper, and any other. In memory a
data set is a `Collection`: features, a label matrix and one sparse binary matrix per metadata type. The program knows
images by their row numbers; ids are for people and need not be unique.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from love_thy_neighbors.collection.card import SPLITS, TEXT_COLUMNS, is_type_name, metadata_columns, read_card, sha256
from love_thy_neighbors.collection.feature_tables import refuse_non_finite
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError

_STRINGS = (pa.string(), pa.large_string())
LARGEST_SCALE = float(np.finfo(np.float32).max) / 128  # int8 times it is a number of float32
_LISTS = (pa.list_(pa.string()), pa.large_list(pa.string()))


@dataclass(frozen=True)
class Features:
    """A memory-mapped table of image features, phi(x) = scale * table[x].

    Shapes: ``table`` [N, d], float16 or float32 (scale 1), or int8.
    """

    backbone: str
    table: np.ndarray
    scale: float

    @property
    def dim(self) -> int:
        return int(self.table.shape[1])


@dataclass(frozen=True)
class Collection:
    """A collection in memory.

    Shapes: ``labels`` [N, L] and each ``metadata[type]`` [N, T_type], binary CSR (uint8, sorted indices); the L
    ``label_names`` and the T_type ``values[type]`` are in column order. ``ids``, ``files`` and ``owners`` are Arrow
    string columns of N rows, and so are ``parts`` (column ``split``) and ``taken``; all but ``ids`` may hold nulls.
    ``splits`` int8 [S, N] or None, see `splits.given_split`.
    """

    folder: Path
    card: dict[str, Any]
    ids: pa.Array
    files: pa.Array
    owners: pa.Array
    label_names: tuple[str, ...]
    labels: sparse.csr_matrix
    metadata: dict[str, sparse.csr_matrix]
    values: dict[str, list[str]]
    features: Features
    splits: np.ndarray | None = None
    parts: pa.Array | None = None
    taken: pa.Array | None = None

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    @cached_property
    def without_metadata(self) -> np.ndarray:
        """Boolean [N]: images without a value of any metadata type."""
        counts = np.zeros(len(self), dtype=np.int64)
        for matrix in self.metadata.values():
            counts += np.diff(matrix.indptr)
        return counts == 0


def load_collection(folder: Path, backbone: str | None = None) -> Collection:
    """Read and check the collection in ``folder``; raises `UserError` naming the file, the row or key, and the cure.

    ``backbone`` names the feature table; None takes the first in the card. Features stay memory-mapped: they are
    checked for NaN and infinity block by block, and nothing of size N x d is copied.
    """
    card = read_card(folder)
    path = folder / "images.parquet"
    table = read_images_table(path)
    rows = table.num_rows
    if rows != card["images"]:
        raise UserError(f"{path}: {rows} rows, but card.json says {card['images']} images; run prepare.py again.")
    names = tuple(card["labels"]["names"])
    labels, _ = _binary_matrix(path, table, "labels", known=names)
    metadata, values = _load_metadata(folder, card, table)
    _refuse_another_file(path, folder / "card.json", "images_sha256", card.get("images_sha256"))
    collection = Collection(
        folder=folder,
        card=card,
        ids=_text(table, "id"),
        files=_text(table, "file"),
        owners=_text(table, "owner"),
        label_names=names,
        labels=labels,
        metadata=metadata,
        values=values,
        features=_load_features(folder, card, backbone, rows),
        splits=_load_splits(folder, card, rows),
        parts=_text(table, "split"),
        taken=_text(table, "taken"),
    )
    pa.default_memory_pool().release_unused()  # a quarter of a gigabyte for NUS-WIDE
    return collection


def _load_metadata(
    folder: Path, card: dict[str, Any], table: pa.Table
) -> tuple[dict[str, sparse.csr_matrix], dict[str, list[str]]]:
    """The matrix and the values of each metadata type; raises `UserError` if the card says something else."""
    metadata, values = {}, {}
    for kind in metadata_columns([*table.column_names, *card["metadata"]]):
        declared = card["metadata"].get(kind)
        if (kind in table.column_names) != (declared is not None):
            where, other = ("images.parquet", "card.json") if declared is None else ("card.json", "images.parquet")
            raise UserError(f"{folder}: {where} has '{kind}' but {other} does not; run prepare.py again.")
        if declared is None:
            continue
        metadata[kind], values[kind] = _binary_matrix(folder / "images.parquet", table, kind)
        count = declared.get("values") if isinstance(declared, dict) else None
        if count != len(values[kind]):
            raise UserError(
                f"{folder / 'card.json'}: metadata.{kind}.values is {count}, but images.parquet has "
                f"{len(values[kind])} distinct {kind}; run prepare.py again."
            )
    return metadata, values


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


def _load_features(folder: Path, card: dict[str, Any], backbone: str | None, rows: int) -> Features:
    cards, card_path = card["features"], folder / "card.json"
    if not cards:
        raise UserError(
            f"{card_path}: the collection has no features yet; add them with python prepare.py source=collection "
            f"root={folder} features=efficientnet_lite0 images=DIR."
        )
    if backbone is None:  # the first, so that a table that is added does not change what a command does
        backbone = next(iter(cards))
    if backbone not in cards:
        raise UserError(f"data.backbone: '{backbone}' is not in {card_path}; it has {', '.join(cards)}.")
    key = f"{card_path}: features.{backbone}"
    if Path(backbone).name != backbone:
        raise UserError(f"{key} is not a plain name; run prepare.py again.")
    path = folder / "features" / f"{backbone}.npy"
    table = open_npy(path)
    if table.ndim != 2 or table.dtype not in (np.float16, np.float32, np.int8):
        found = f"{table.dtype} {list(table.shape)}"
        raise UserError(f"{path}: {found}, not a float16, float32 or int8 table [N, d]; run prepare.py again.")
    if len(table) != rows:
        raise UserError(f"{path}: {len(table)} rows, but images.parquet has {rows}; run prepare.py again.")
    declared = cards[backbone] if isinstance(cards[backbone], dict) else {}
    for name, found in (("dim", table.shape[1]), ("dtype", str(table.dtype))):
        if declared.get(name) != found:
            raise UserError(f"{key}.{name} is {declared.get(name)}, but the table has {found}; run prepare.py again.")
    scale = declared.get("scale")
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= LARGEST_SCALE:
        raise UserError(f"{key}.scale must be a positive number, not {scale}, in float32; run prepare.py again.")
    refuse_non_finite(path, table)
    _refuse_another_file(path, card_path, f"features.{backbone}.sha256", declared.get("sha256"))
    return Features(backbone=backbone, table=table, scale=float(scale))


def _load_splits(folder: Path, card: dict[str, Any], rows: int) -> np.ndarray | None:
    declared, path = card.get("splits"), folder / SPLITS
    if declared is None:
        return None
    splits = open_npy(path)
    if splits.ndim != 2 or splits.dtype != np.int8 or splits.shape[1] != rows or np.any((splits < -1) | (splits > 2)):
        found = f"{splits.dtype} {list(splits.shape)}"
        raise UserError(f"{path}: {found}, not an int8 table [S, {rows}] of -1, 0, 1 and 2; run prepare.py again.")
    given = declared.get("sha256") if isinstance(declared, dict) else None
    _refuse_another_file(path, folder / "card.json", "splits.sha256", given)
    return splits


def _refuse_another_file(path: Path, card: Path, key: str, declared: str | None) -> None:
    """Raise `UserError` if the content of ``path`` has another hash than the card says; results depend on the hash."""
    if declared is not None and declared != sha256(path):
        raise UserError(f"{path}: has been changed, its hash is not {key} of {card}; run prepare.py again.")


def open_npy(path: Path, shown: Path | None = None) -> np.ndarray:
    """Memory-map a ``.npy`` file without pickle; raises `UserError` if it is missing, truncated or no ``.npy`` file.

    ``shown`` is the file that an error names, if it is another.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing; give the path of a .npy file, or run prepare.py again.")
    try:
        # Copy-on-write: nothing is written, but torch accepts only writable arrays.
        # Not numpy.load, which advises people to unpickle files of other kinds.
        return np.lib.format.open_memmap(path, mode="c")
    except (ValueError, OSError, EOFError) as error:
        pass_on_refusal(path, error)
        raise UserError(
            f"{shown or path}: truncated or not a plain .npy array ({error}); write it again with numpy.save."
        ) from None
