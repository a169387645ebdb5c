"""Features of new photos: made by the model's own backbone, or found in a collection and compared with it."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.collection.card import read_card
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import check_name, load_backbone
from love_thy_neighbors.features.backbones.preprocessing import Fit
from love_thy_neighbors.features.images import file_stamp
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.sources import folder as source
from love_thy_neighbors.sources.folder.files import find_pictures
from love_thy_neighbors.sources.prepare import make

_COLLECTION, _LISTING = "collection", "photos.json"


@dataclass(frozen=True)
class PictureFolder:
    """How a folder of pictures is read; the keys are those of prepare.py, see configs/annotate.yaml.

    workers: 0 by default, because processes would run a user's own script again unless it guards its main part.
    """

    words: str = "title"
    ignore_tags: Path | None = None
    iptc_charset: str | None = None
    exiftool: bool = True
    on_error: str = "skip"
    weights: Path | None = None
    thumbnail: int = 256
    batch_size: int = 32
    workers: int = 0
    device: str = "auto"


def collection_of_pictures(root: Path, backbone: dict[str, Any], partial: Path, reading: PictureFolder) -> Path:
    """The folder of a collection of the pictures below ``root``, with the model's features, made below ``partial``.

    An interrupted extraction continues. A finished collection is used again if no picture has changed since.
    Raises `UserError` for a folder without pictures, and for features that cannot be made again.
    """
    options = source.Options(
        root=root,
        words=reading.words,
        ignore_tags=reading.ignore_tags,
        iptc_charset=reading.iptc_charset,
        exiftool=reading.exiftool,
        on_error=reading.on_error,
    )
    how = extraction(backbone, reading)
    if partial.resolve().is_relative_to(root.resolve()):
        raise UserError(f"out: lies inside photos={root}, among the photos; give a folder elsewhere.")
    out, listing = partial / _COLLECTION, _listing(root, reading, backbone)
    if out.is_dir() and _read(partial / _LISTING) == listing:
        return out
    shutil.rmtree(out, ignore_errors=True)
    make(source.read, options, out, False, how)
    write_json(partial / _LISTING, listing)
    return out


def extraction(backbone: dict[str, Any], reading: PictureFolder) -> Extraction:
    """The settings that make the features which ``backbone`` describes; raises `UserError` if there are none.

    backbone: from a model's config.json: name of the feature table, hash of the weights, text of the preprocessing.
    """
    table, hashed, wanted = str(backbone["name"]), backbone.get("sha256_of_weights"), backbone.get("preprocessing")
    if hashed is None or wanted is None:
        raise UserError(
            f"photos: the model's features '{table}' were given as a file, so they cannot be made for new pictures; "
            "make a collection with features of the same kind (features=FILE.npy) and give collection=."
        )
    name = str(backbone.get("backbone", table))
    check_name(name)
    loaded = load_backbone(name, _cpu(), reading.weights)
    if loaded.sha256 != hashed:
        raise UserError(
            f"weights: the model was trained with features of another {name} (SHA-256 {hashed[:12]}...); give the file "
            "of its weights (weights=FILE)."
        )
    fits: tuple[Fit, ...] = ("crop", "pad")
    for size in (None, *map(int, re.findall(r"(\d+) (?:x|pixels)", wanted))):
        for fit in fits:
            if loaded.preprocessing.at(size).text(fit) == wanted:
                return Extraction(
                    backbone=name,
                    weights=reading.weights,
                    fit=fit,
                    size=size,
                    thumbnail=reading.thumbnail,
                    batch_size=reading.batch_size,
                    workers=reading.workers,
                    device=reading.device,
                )
    raise UserError(
        f"photos: the model's features were made with the preprocessing '{wanted}', which this version cannot do; "
        "train again."
    )


def matching_table(folder: Path, backbone: dict[str, Any], key: str) -> str:
    """The feature table of a collection that the model's backbone made; raises `UserError` if it has none.

    Features that were given as a file have no hash; then the name and the length have to be equal.
    """
    tables = read_card(folder)["features"]
    same = ("sha256_of_weights", "preprocessing", "dim")
    for name, about in tables.items():
        known = backbone.get("sha256_of_weights") is not None or name == backbone["name"]
        if known and isinstance(about, dict) and all(about.get(part) == backbone.get(part) for part in same):
            return str(name)
    network, wanted = backbone.get("backbone", backbone["name"]), backbone.get("preprocessing", "not known")
    raise UserError(
        f"{key}: the collection in {folder} has the feature tables {', '.join(tables) or 'none'}, but the model needs "
        f"those of {network} with the same weights and preprocessing ({wanted}); add "
        f"them with python prepare.py source=collection root={folder} features={network} images=DIR."
    )


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def _listing(root: Path, reading: PictureFolder, backbone: dict[str, Any]) -> str:
    """A hash of the names, sizes and times of change of pictures and sidecars, and of the settings that count."""
    paths, _ = find_pictures(root, skip_unreadable=True)
    network = json.dumps(backbone, sort_keys=True)
    of_tags = f"{reading.words} {reading.iptc_charset} {reading.exiftool}"
    settings = f"{root.resolve()} {of_tags} {reading.on_error} {reading.thumbnail} {network}"
    digest = hashlib.sha256(settings.encode("utf-8", "surrogateescape"))
    if reading.ignore_tags is not None:
        digest.update(file_stamp(reading.ignore_tags))
    for path in paths:
        for file in (path, f"{path}.xmp", f"{path.rpartition('.')[0]}.xmp"):
            digest.update(file_stamp(root / file))
    return digest.hexdigest()


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None
