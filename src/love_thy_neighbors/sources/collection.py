"""Adds features to a collection: ``prepare.py source=collection root=data/mine features=resnet50 images=photos/``

The table is extracted beside the collection and moved into it at the end; an interrupted extraction continues. The card
is replaced last, so it never describes a table that is not complete.
"""

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import track

from love_thy_neighbors.atomic import folder_written_whole, write_json, written_whole
from love_thy_neighbors.collection.card import read_card, sha256
from love_thy_neighbors.collection.feature_tables import store
from love_thy_neighbors.collection.images_table import read_images_table
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.collection.writing import NAMES, THUMBNAILS, table_entry
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import check_name, table_name
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.ownership import remove_remains
from love_thy_neighbors.sources.given_features import is_file_name, open_given
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.rejects import RowError
from love_thy_neighbors.sources.writing import partial_folder
from love_thy_neighbors.terminal import terminal


@dataclass(frozen=True)
class Options:
    """The keys of configs/source/collection.yaml; raises `UserError` for wrong values.

    ``features`` is the name of a backbone, or a file with one row per image (`given_features`).
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
        return self.features is not None and is_file_name(self.features)


def add_features(options: Options, how: Extraction) -> None:
    """Add a feature table to the collection in ``options.root``; if it raises `UserError`, nothing has changed.

    An existing table of that name is replaced only with overwrite=true. Every image must get its features.
    """
    assert options.root is not None
    assert options.features is not None
    root = options.root.resolve()  # keeps a link to the collection
    name = Path(options.features).stem if options.given else table_name(options.features)
    with partial_folder(root, NAMES) as partial:
        for file in ("card.json", "thumbnails", f"features/{name}.npy"):
            remove_remains(root / file)
        card = read_card(root)
        if name in card["features"] and not options.overwrite:
            raise UserError(f"features: {options.root} already has '{name}'; overwrite=true replaces the whole table.")
        path = partial / "stored.npy"
        if options.given:
            about, thumbnails = _given(options, how, card["images"], path), None
        else:
            how = replace(how, backbone=options.features)
            about, thumbnails = _extracted(options, how, card["images"], path)
        if thumbnails is not None:
            with folder_written_whole(root / "thumbnails", THUMBNAILS) as folder:
                shutil.copytree(thumbnails, folder, dirs_exist_ok=True)
            if not card["features"]:  # else the collection counts as the same one: see `collection_fingerprint`
                card["thumbnails"] = f"WebP, longer side at most {how.thumbnail} pixels, transparency on white"
        _put(root, card, name, path, about, options.overwrite)
    _show(options.root, name, about)


def _show(root: Path, name: str, about: dict[str, Any]) -> None:
    """Print the table's size, and how to choose it."""
    collection = load_collection(root, name)
    rows, dim = collection.features.table.shape
    lines = [f"{rows:,} x {dim:,} features in {root / 'features' / f'{name}.npy'}"]
    if "stored" in about:
        lines.append(f"features {name} are stored {about['stored']}")
    if (first := next(iter(collection.card["features"]))) != name:
        lines.append(f"data.backbone={name} trains with them; without this key, '{first}' is used as before")
    for line in lines:
        terminal().print(line, highlight=False, soft_wrap=True)


def _given(options: Options, how: Extraction, images: int, target: Path) -> dict[str, Any]:
    """Write the table in features= to ``target``; its entry in the card."""
    path = Path(str(options.features))
    if how.weights is not None:
        raise UserError("weights: features=FILE.npy needs no network; leave weights= out.")
    given = open_given(path, target.parent)
    if len(given) != images:
        raise UserError(f"{path}: {len(given)} rows, but {options.root} has {images} images; give one row per image.")
    target.parent.mkdir(exist_ok=True)
    stored = store(given, range(len(given)), target, str(path))
    if stored.bad:
        row, reason = min(stored.bad.items())
        raise UserError(f"{path}: row {row} {reason}; every image needs its features, so correct the row.")
    about = {"source": path.name, "dtype_given": str(given.dtype), "sha256_of_source": sha256(path)}
    return about | stored.about


def _extracted(options: Options, how: Extraction, images: int, target: Path) -> tuple[dict[str, Any], Path | None]:
    """Write the features of the collection's pictures to ``target``; their entry in the card, and the folder of
    thumbnails if the collection has none."""
    from love_thy_neighbors.features.extraction import chosen_backbone, extract_features  # torch: late

    assert options.root is not None
    assert options.images is not None
    backbone = chosen_backbone(how)
    if os.path.lexists(options.root / "thumbnails"):
        how = replace(how, thumbnail=0)
    path = options.root / "images.parquet"

    def stop(row: int, reason: str) -> UserError:
        return UserError(f"{path}: row {row} {reason}; every image needs its features, so restore the picture.")

    names, files = _names(path, images), []
    for row, name in enumerate(track(names, "checking pictures", transient=True)):
        try:
            files.append(checked_picture(options.images, name, how.max_pixels))
        except RowError as problem:
            raise stop(row, str(problem)) from None

    def unusable(row: int, reason: str) -> None:
        raise stop(row, f"has the file {names[row]!r}, which {reason}")

    found = extract_features(files, how, target.parent, unusable, backbone)
    stored = store(found.table, range(len(files)), target, backbone.name)
    if stored.bad:
        row, reason = min(stored.bad.items())
        raise stop(row, f"has the file {names[row]!r}, whose feature vector {reason}")
    return found.card | stored.about, found.thumbnails


def _names(path: Path, images: int) -> list[str]:
    """The column ``file`` of the table ``path``; raises `UserError` if it is missing or has gaps."""
    table = read_images_table(path)
    if "file" not in table.column_names:
        raise UserError(f"{path}: column 'file' is missing, so the pictures are unknown; give features=FILE.npy.")
    names: list[str | None] = table["file"].to_pylist()
    if len(names) != images:
        raise UserError(f"{path}: {len(names)} rows, but card.json says {images} images; run prepare.py again.")
    if None in names:
        row = names.index(None)
        raise UserError(f"{path}: row {row} has no file, so its picture is unknown; give features=FILE.npy.")
    return [str(name) for name in names]


def _put(
    root: Path, card: dict[str, Any], name: str, path: Path, about: dict[str, Any], overwrite: bool = False
) -> None:
    """Copy the table ``path`` into the collection; after a crash, too, the card lists only complete tables.

    A table that is replaced keeps its place, as the first one is used by default. Raises `UserError` for a file of that
    name that the card does not list, without ``overwrite``; the same table, which a killed process has put there, may
    stay.
    """
    order = [*card["features"], name]
    target = root / "features" / f"{name}.npy"
    if name not in card["features"] and not overwrite and os.path.lexists(target) and not _same(target, path):
        raise UserError(
            f"features: {target} is not a table that card.json lists; move it away, or give overwrite=true to replace "
            "it."
        )
    if card["features"].pop(name, None) is not None:
        write_json(root / "card.json", card)  # remove the old entry before the old file
    with written_whole(target) as temporary:
        shutil.copyfile(path, temporary)
    card["features"][name] = table_entry(target, about)
    card["features"] = dict(sorted(card["features"].items(), key=lambda entry: order.index(entry[0])))
    write_json(root / "card.json", card)


def _same(target: Path, path: Path) -> bool:
    return target.is_file() and not target.is_symlink() and sha256(target) == sha256(path)
