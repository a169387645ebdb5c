"""The splits of the paper's release: images for training, validation and test."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.paper_release.images import numbers
from love_thy_neighbors.sources.paper_release.matlab_files import read_variables, variable_names

_PARTS = ("train_id", "test_id", "orig_ids")
_CURE = "get this file of the release again."
_MOST_UNLABELLED = 0.05  # of a split's images


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
    return sorted(found, key=lambda path: [int(part) if part.isdigit() else part for part in _digits(path, root)])


def _digits(path: Path, root: Path) -> list[str]:
    return re.split(
        r"(\d+)", path.relative_to(root).as_posix()
    )  # texts and numbers alternate, so any two lists compare


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
    _check_labelled(path, labelled[split >= 0])
    advance(1)
    return split


def _positions(path: Path, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers, from 0, of train_id and of test_id in their order."""
    prefix = "split." if "split" in variable_names(path) else ""
    names = [f"{prefix}{part}" for part in _PARTS]
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


def _check_labelled(path: Path, labelled: np.ndarray) -> None:
    """Raise `UserError` if many images have no label: the paper left them out, so the split must mean other images."""
    without = int((~labelled).sum())
    if without > _MOST_UNLABELLED * len(labelled):
        raise UserError(
            f"{path}: {without} of its {len(labelled)} images have no label in NUS_data.mat, but the paper left such "
            "images out, so orig_ids must count other rows; give the split files of this NUS_data.mat."
        )
