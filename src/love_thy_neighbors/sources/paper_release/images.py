"""The paper's release: ids, labels and tags of the rows of ``NUS_data.mat``, and the splits into parts of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.paper_release.matlab_files import Value, read_variables, variable_names
from love_thy_neighbors.sources.tables import list_column

_PARTS = ("label_matrix", "tag_matrix", "tags", "labels", "photo_ids")
_SPLIT_PARTS = ("train_id", "test_id", "orig_ids")
_MOST_UNLABELLED = 0.05  # of a split's images
_CURE = "get this file of the release again."


@dataclass(frozen=True)
class Images:
    """N images: Flickr ``ids`` [N], ``labels`` [N, L] and ``tags`` [N, T], binary CSR with names in column order."""

    ids: pa.Array
    labels: sparse.csr_matrix
    label_names: pa.Array
    tags: sparse.csr_matrix
    tag_names: pa.Array
    counts: dict[str, int]

    @property
    def labelled(self) -> np.ndarray:
        """Boolean [N]: images that have a label."""
        return np.diff(self.labels.indptr) > 0

    def table(self, rows: np.ndarray) -> pa.Table:
        """The columns id, labels and tags of ``rows``."""
        return pa.table(
            {
                "id": self.ids.take(pa.array(rows)),
                "labels": _lists(self.labels[rows], self.label_names),
                "tags": _lists(self.tags[rows], self.tag_names),
            }
        )


def read_images(path: Path) -> Images:
    """The images of ``NUS_data.mat``; raises `UserError` if its parts do not fit together."""
    found = read_variables(path, [f"NUS.{part}" for part in _PARTS])
    values = {part: found[f"NUS.{part}"] for part in _PARTS}
    ids, counts = _ids(path, "NUS.photo_ids", values["photo_ids"])
    names = {part: _names(path, part, values[part]) for part in ("labels", "tags")}
    labels, other_labels = _binary(path, "label_matrix", values["label_matrix"], len(ids), len(names["labels"]))
    tags, other_tags = _binary(path, "tag_matrix", values["tag_matrix"], len(ids), len(names["tags"]))
    if other_labels:
        raise UserError(f"{path}: NUS.label_matrix holds {other_labels} values other than 0 and 1; {_CURE}")
    nameless = pc.equal(pc.utf8_trim_whitespace(names["tags"]), "").to_numpy(zero_copy_only=False)
    if nameless.any():
        tags = tags @ sparse.diags((~nameless).astype(np.uint8), dtype=np.uint8, format="csr")
        tags.eliminate_zeros()
    counts = {
        "rows": len(ids),
        "rows_without_labels": int((np.diff(labels.indptr) == 0).sum()),
        "rows_without_tags": int((np.diff(tags.indptr) == 0).sum()),
        "tags_without_a_name": int(nameless.sum()),
        "tag_values_other_than_0_and_1": other_tags,
        **counts,
    }
    return Images(ids, labels, names["labels"], tags, names["tags"], counts)


def photo_ids(path: Path, name: str) -> tuple[pa.Array, dict[str, int]]:
    """The Flickr ids in the variable ``name``, as text, and the number of repeats; raises `UserError`."""
    return _ids(path, name, read_variables(path, [name])[name])


def _ids(path: Path, name: str, value: Value) -> tuple[pa.Array, dict[str, int]]:
    """The ids, which are texts, or numbers in one row or column."""
    if isinstance(value, pa.Array):
        ids = pc.utf8_trim_whitespace(value)
    else:
        ids = pa.array(numbers(path, name, value), pa.int64()).cast(pa.string())
    sound = pc.match_substring_regex(ids, "^[0-9]{1,18}$").to_numpy(zero_copy_only=False)
    if not sound.all():
        place = int(np.flatnonzero(~sound)[0])
        raise UserError(f"{path}: entry {place + 1} of {name} is {ids[place].as_py()[:30]!r}, not a Flickr id; {_CURE}")
    if not len(ids):
        raise UserError(f"{path}: {name} is empty; {_CURE}")
    return ids, {f"ids_twice_in_{name.rpartition('.')[2]}": len(ids) - len(pc.unique(ids))}


def numbers(path: Path, name: str, value: Value) -> np.ndarray:
    """Whole numbers [n] in one row or column; raises `UserError` for anything else."""
    if not isinstance(value, np.ndarray) or 1 not in value.shape:
        raise UserError(f"{path}: {name} is not one row or column of numbers; {_CURE}")
    flat = value.ravel().astype(np.float64)
    if not (np.isfinite(flat) & (flat == np.floor(flat)) & (np.abs(flat) < 2**53)).all():
        raise UserError(f"{path}: {name} holds something other than whole numbers; {_CURE}")
    return flat.astype(np.int64)


def _names(path: Path, part: str, value: Value) -> pa.Array:
    if not isinstance(value, pa.Array) or not len(value):
        raise UserError(f"{path}: NUS.{part} is not a cell array of names; {_CURE}")
    if part == "labels" and len(pc.unique(value)) < len(value):
        raise UserError(f"{path}: NUS.labels names a label twice; {_CURE}")
    return value


def _binary(path: Path, part: str, value: Value, rows: int, columns: int) -> tuple[sparse.csr_matrix, int]:
    """The matrix as binary CSR [rows, columns], transposed if necessary, and how many values are neither 0 nor 1: those
    above 0 count as 1."""
    if isinstance(value, pa.Array):
        raise UserError(f"{path}: NUS.{part} is not a matrix; {_CURE}")
    if rows == columns or value.shape not in ((rows, columns), (columns, rows)):
        square = "so its images can be rows or columns" if rows == columns else "which do not fit"
        raise UserError(
            f"{path}: NUS.{part} is {value.shape[0]} x {value.shape[1]}, but there are {rows} photo ids and {columns} "
            f"names, {square}; {_CURE}"
        )
    matrix = sparse.csr_matrix(value if value.shape == (rows, columns) else value.T)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if not (matrix.data > 0).all():  # NaN is not above 0
        raise UserError(f"{path}: NUS.{part} holds negative values or NaN; {_CURE}")
    other = int((matrix.data != 1).sum())
    ones = np.ones(matrix.nnz, dtype=np.uint8)
    return sparse.csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape), other


def _lists(matrix: sparse.csr_matrix, names: pa.Array) -> pa.Array:
    matrix.sort_indices()
    return list_column(matrix.indptr, matrix.indices, names)


def find_splits(root: Path, given: list[str] | None, others: set[str]) -> list[Path]:
    """The split files ``given``, below ``root``, or else all ``.mat`` files with a split except ``others``, in the
    order of their names (split2 before split10); raises `UserError`."""
    if given is not None:
        if not given or not all(isinstance(name, str) for name in given) or len(set(given)) < len(given):
            raise UserError("splits: must be a list of different files (splits=[split1.mat,split2.mat]).")
        return [root / name for name in given]
    found = sorted(path for path in root.rglob("*.mat") if path.is_file())
    found = [path for path in found if path.relative_to(root).as_posix() not in others]
    found = [path for path in found if not {"split", "train_id"}.isdisjoint(variable_names(path))]
    return sorted(found, key=_texts_and_numbers)


def _texts_and_numbers(path: Path) -> list[str | int]:
    """The path, cut so that texts and numbers alternate: any two such lists compare."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]


def read_split(path: Path, labelled: np.ndarray, train_images: int, advance: Callable[[int], None]) -> np.ndarray:
    """int8 [N] for N = ``len(labelled)`` images (see `splits.given_split`): 0 for the first ``train_images`` of
    train_id, 1 for the rest of it, 2 for test_id, -1 for all other images.

    Raises `UserError` if the file has other content. Calls ``advance(1)`` at the end.
    """
    train, test = _positions(path, len(labelled))
    if len(train) <= train_images:
        raise UserError(
            f"{path}: train_id has {len(train)} images, none left for validation after train_images={train_images}; "
            "give a smaller number, or the paper's file."
        )
    split = np.full(len(labelled), -1, dtype=np.int8)
    for part, rows in enumerate((train[:train_images], train[train_images:], test)):
        split[rows] = part
    without = int((~labelled[split >= 0]).sum())
    if without > _MOST_UNLABELLED * (split >= 0).sum():  # the paper left them out, so the split means other images
        raise UserError(
            f"{path}: {without} of its {(split >= 0).sum()} images have no label in NUS_data.mat, but the paper left "
            "such images out, so orig_ids must count other rows; give the split files of this NUS_data.mat."
        )
    advance(1)
    return split


def _positions(path: Path, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers, from 0, of train_id and of test_id in their order."""
    prefix = "split." if "split" in variable_names(path) else ""
    names = [f"{prefix}{part}" for part in _SPLIT_PARTS]
    found = read_variables(path, names)
    train, test, originals = (numbers(path, name, found[name]) for name in names)
    _check_range(path, names[2], originals, images, f"the {images} rows of NUS_data.mat")
    for name, values in zip(names[:2], (train, test), strict=True):
        _check_range(path, name, values, len(originals), f"the {len(originals)} images of orig_ids")
    if len(np.intersect1d(train, test)):
        raise UserError(f"{path}: train_id and test_id have images in common; {_CURE}")
    return originals[train - 1] - 1, originals[test - 1] - 1


def _check_range(path: Path, name: str, values: np.ndarray, most: int, what: str) -> None:
    if not len(values):
        raise UserError(f"{path}: {name} is empty; {_CURE}")
    if values.min() < 1 or values.max() > most:
        wrong = int(values[(values < 1) | (values > most)][0])
        raise UserError(f"{path}: {name} holds {wrong}, which is not a number from 1 in {what}; {_CURE}")
    if len(np.unique(values)) < len(values):
        raise UserError(f"{path}: {name} holds a number twice; {_CURE}")
