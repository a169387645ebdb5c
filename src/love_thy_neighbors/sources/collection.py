"""Adds features to a collection: ``prepare.py source=collection root=data/mine features=resnet50 images=photos/``

The table is extracted beside the collection and moved into it at the end; an interrupted extraction continues. The card
is replaced last, so it never describes a table that is not complete.
"""

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from love_thy_neighbors.atomic import folder_written_whole, write_json, written_whole
from love_thy_neighbors.collection.card import read_card, sha256
from love_thy_neighbors.collection.feature_tables import to_float16
from love_thy_neighbors.collection.loading import load_collection, open_npy, read_images_table
from love_thy_neighbors.collection.writing import table_entry
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import check_name
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.rejects import RowError
from love_thy_neighbors.sources.writing import partial_folder

# If these keys of the card are equal, two tables of one name have the same features.
_IDENTITY = ("sha256_of_weights", "preprocessing", "precision", "sha256_of_source")


@dataclass(frozen=True)
class Options:
    """The keys of configs/source/collection.yaml; raises `UserError` for wrong values.

    ``features`` is the name of a backbone, or a ``.npy`` file with one row per image.
    """

    root: Path | None
    features: str | None
    images: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError("root: give the collection that gets the features (root=data/mine).")
        if not (self.root / "card.json").is_file():
            raise UserError(f"root: {self.root} is not a collection (it has no card.json); give the path of one.")
        if not os.access(self.root, os.W_OK):
            raise UserError(f"root: {self.root} is not writable; copy the collection, or ask for write permission.")
        if self.features is None:
            raise UserError("features: give the name of a backbone (resnet50), or a .npy file of one row per image.")
        if self.given:
            if self.images is not None:
                raise UserError("images: features=FILE.npy needs no pictures; leave images= out.")
            if not re.fullmatch(r"[\w.-]+", Path(self.features).stem, re.ASCII):
                raise UserError(
                    f"features: {self.features} names the table, so it may have only letters, digits, '.', '_' and "
                    "'-'; rename the file."
                )
            return
        check_name(self.features)
        if self.images is None:
            raise UserError("images: give the folder that the 'file' column is relative to (images=photos/).")
        if not self.images.is_dir():
            raise UserError(f"images: {self.images} is not a folder; give the one that 'file' is relative to.")

    @property
    def given(self) -> bool:
        """Whether the features come from a file."""
        return self.features is not None and self.features.endswith(".npy")


@dataclass(frozen=True)
class _Table:
    """A finished feature table: its name, the ``.npy`` float16 [N, d], its card entry, a folder of thumbnails."""

    name: str
    path: Path
    about: dict[str, Any]
    thumbnails: Path | None = None


def add_features(options: Options, how: Extraction) -> None:
    """Add a feature table to the collection in ``options.root``; if it raises `UserError`, nothing has changed.

    An existing table of that name is replaced only with overwrite=true. Every image must get its features.
    """
    assert options.root is not None
    assert options.features is not None
    root = options.root.resolve()  # keeps a link to the collection
    with partial_folder(root) as partial:
        card = read_card(root)
        take = _given if options.given else _extracted
        table = take(options, replace(how, backbone=how.backbone if options.given else options.features), card, partial)
        _put(root, card, table, how.thumbnail)
    features = load_collection(root, table.name).features
    rows, dim = features.table.shape
    path = options.root / "features" / f"{table.name}.npy"
    Console().print(f"{rows:,} x {dim:,} features in {path}", highlight=False, soft_wrap=True)


def _given(options: Options, how: Extraction, card: dict[str, Any], partial: Path) -> _Table:
    """The table in features=, as float16."""
    path = Path(str(options.features))
    if how.weights is not None:
        raise UserError("weights: features=FILE.npy needs no network; leave weights= out.")
    given = open_npy(path)
    if given.ndim != 2 or given.dtype.kind != "f" or given.shape[1] == 0:
        raise UserError(f"{path}: {given.dtype} {list(given.shape)}, not a table [N, d] of floats.")
    if len(given) != card["images"]:
        raise UserError(
            f"{path}: {len(given)} rows, but {options.root} has {card['images']} images; give one row per image."
        )
    about = {"source": path.name, "dtype_given": str(given.dtype), "sha256_of_source": sha256(path)}
    _check_existing(options, card, path.stem, about)
    partial.mkdir(exist_ok=True)
    _, bad = to_float16(given, range(len(given)), partial / "float16.npy")
    if bad:
        row, reason = min(bad.items())
        raise UserError(f"{path}: row {row} {reason}; every image needs its features, so correct the row.")
    return _Table(path.stem, partial / "float16.npy", about)


def _extracted(options: Options, how: Extraction, card: dict[str, Any], partial: Path) -> _Table:
    """Extract the features of the collection's pictures, and thumbnails if it has none."""
    from love_thy_neighbors.features.extraction import chosen_backbone, describe, extract_features  # torch: late

    assert options.root is not None
    backbone = chosen_backbone(how)
    about = describe(backbone, how)
    _check_existing(options, card, backbone.name, about)
    if (options.root / "thumbnails").exists():
        how = replace(how, thumbnail=0)
    names, error = _files(options.root, card["images"])
    files = _checked(names, options, how, error)

    def stop(row: int, reason: str) -> Exception:
        return error(row, f"has the file {names[row]!r}, which {reason}")

    found = extract_features(files, how, partial, stop, backbone)
    _, bad = to_float16(found.table, range(len(files)), partial / "float16.npy")
    if bad:
        row, reason = min(bad.items())
        raise error(row, f"has the file {names[row]!r}, whose feature vector {reason}")
    return _Table(backbone.name, partial / "float16.npy", about, found.thumbnails)


def _check_existing(options: Options, card: dict[str, Any], name: str, about: dict[str, Any]) -> None:
    existing = card["features"].get(name)
    if existing is None or options.overwrite:
        return
    existing = {"precision": "float32"} | existing  # older cards have no such key
    if all(existing.get(key) == about[key] for key in _IDENTITY if key in about):
        raise UserError(
            f"features: {options.root} already has '{name}' with the same weights and preprocessing; overwrite=true "
            "extracts it again."
        )
    raise UserError(
        f"features: {options.root} already has '{name}' with other weights, preprocessing or precision; overwrite=true "
        "replaces the whole table."
    )


_RowError = Callable[[int, str], UserError]


def _files(root: Path, rows: int) -> tuple[list[str], _RowError]:
    """The collection's ``file`` column, and a function that makes the error for one of its rows."""
    path = root / "images.parquet"

    def error(row: int, reason: str) -> UserError:
        return UserError(f"{path}: row {row} {reason}; every image needs its features, so restore the picture.")

    table = read_images_table(path)
    if "file" not in table.column_names:
        raise UserError(f"{path}: column 'file' is missing, so the pictures are unknown; give features=FILE.npy.")
    names = table["file"].to_pylist()
    if len(names) != rows:
        raise UserError(f"{path}: {len(names)} rows, but card.json says {rows} images; run prepare.py again.")
    for row, name in enumerate(names):
        if not isinstance(name, str):
            raise UserError(f"{path}: row {row} has no file, so its picture is unknown; give features=FILE.npy.")
    return names, error


def _checked(names: Sequence[str], options: Options, how: Extraction, error: _RowError) -> list[Path]:
    """The paths of the pictures; raises `UserError` for a path outside images= and for a header that is not usable."""
    assert options.images is not None
    files = []
    for row, name in enumerate(track(names, "checking pictures", transient=True)):
        try:
            files.append(checked_picture(options.images, name, how.max_pixels))
        except RowError as problem:
            raise error(row, str(problem)) from None
    return files


def _put(root: Path, card: dict[str, Any], table: _Table, side: int) -> None:
    """Move ``table`` into the collection; even if the process is killed, the card lists only complete tables."""
    if card["features"].pop(table.name, None) is not None:
        write_json(root / "card.json", card)  # remove the old entry before the old file
    target = root / "features" / f"{table.name}.npy"
    with written_whole(target) as temporary:
        shutil.copyfile(table.path, temporary)
    if table.thumbnails is not None:
        with folder_written_whole(root / "thumbnails") as folder:
            shutil.copytree(table.thumbnails, folder, dirs_exist_ok=True)
        card["thumbnails"] = f"WebP, longer side at most {side} pixels, transparency on white"
    card["features"][table.name] = table_entry(target, table.about)
    write_json(root / "card.json", card)
