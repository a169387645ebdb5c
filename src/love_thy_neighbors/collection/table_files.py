"""Opens the large files of a collection, feature tables and splits, memory-mapped and checked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.collection.card import SPLITS, sha256
from love_thy_neighbors.collection.checked_files import Memory, check_once
from love_thy_neighbors.collection.feature_tables import refuse_non_finite
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError

LARGEST_SCALE = float(np.finfo(np.float32).max) / 128  # int8 times it is a number of float32


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


def load_features(
    folder: Path, card: dict[str, Any], backbone: str | None, rows: int, memory: Memory | None
) -> Features:
    """Open and check the feature table ``backbone``, or the first; raises `UserError` naming file or key, and the cure.

    rows: the number of images. memory: see `checked_files`.
    """
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
    require_hash(
        path,
        card_path,
        f"features.{backbone}.sha256",
        declared.get("sha256"),
        memory,
        partial(refuse_non_finite, table=table),
    )
    return Features(backbone=backbone, table=table, scale=float(scale))


def load_splits(folder: Path, card: dict[str, Any], rows: int, memory: Memory | None) -> np.ndarray | None:
    """The splits int8 [S, rows] that the release defines, or None; raises `UserError` like `load_features`."""
    declared, path = card.get("splits"), folder / SPLITS
    if declared is None:
        return None
    splits = open_npy(path)
    if splits.ndim != 2 or splits.dtype != np.int8 or splits.shape[1] != rows or np.any((splits < -1) | (splits > 2)):
        found = f"{splits.dtype} {list(splits.shape)}"
        raise UserError(f"{path}: {found}, not an int8 table [S, {rows}] of -1, 0, 1 and 2; run prepare.py again.")
    given = declared.get("sha256") if isinstance(declared, dict) else None
    require_hash(path, folder / "card.json", "splits.sha256", given, memory)
    return splits


def require_hash(
    path: Path,
    card: Path,
    key: str,
    declared: str | None,
    memory: Memory | None,
    check: Callable[[Path], None] = lambda path: None,
) -> None:
    """Raise `UserError` if the content of ``path`` has another hash than the card says; results depend on the hash.

    check: what else must hold, asked first. Neither is asked of a file that ``memory`` knows.
    """

    def whole() -> None:
        check(path)
        if declared is not None and declared != sha256(path):
            raise UserError(f"{path}: has been changed, its hash is not {key} of {card}; run prepare.py again.")

    check_once(path, declared, memory, whole)


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
