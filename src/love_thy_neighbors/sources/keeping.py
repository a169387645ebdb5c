"""What an update keeps of a collection: the features of its pictures are copied, those of others are extracted."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa

from love_thy_neighbors.collection.feature_tables import store
from love_thy_neighbors.collection.table_files import Features
from love_thy_neighbors.disk import new_table
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.updating import Earlier, check_same_pictures, compare, update_entry
from love_thy_neighbors.sources.writing import link_or_copy
from love_thy_neighbors.visible import say

if TYPE_CHECKING:
    from love_thy_neighbors.features.extraction import Extracted  # torch takes seconds to import

_BLOCK = 4096  # rows copied at a time
_INSTEAD = "or overwrite=true instead of update=true"
_SIDE = b"thumbnail"  # key in the metadata of pictures.parquet: the longer side of thumbnails that was asked for
# What to give so that features fit those that are there, by the key of the card.
_CURES = {
    "sha256_of_weights": "weights=FILE with the weights of then",
    "preprocessing": "the fit= of then",
    "precision": "precision={}",
}


@dataclass(frozen=True)
class Kept:
    """Features and thumbnails of an earlier collection. rows: int64 [N], the row of each picture there, or -1."""

    rows: np.ndarray
    features: Features
    thumbnails: Path | None


@dataclass(frozen=True)
class Update:
    """The update of ``earlier``. kept: of the table that the command asks for; None if all is computed again.

    others: how the earlier collection's other tables get rows for new pictures, by their names.
    """

    earlier: Earlier
    kept: Kept | None
    others: dict[str, Extraction] = field(default_factory=dict)

    def other_table(
        self, name: str, files: Sequence[Path], rows: np.ndarray | None, partial: Path
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The table ``name`` with rows for ``files``, and its entry in the card. rows: as in `Kept`; None for none."""
        from love_thy_neighbors.features.extraction import chosen_backbone  # torch takes seconds to import

        how, folder = self.others[name], partial / "other_tables" / name
        folder.mkdir(parents=True, exist_ok=True)
        kept = None if rows is None else Kept(rows, self.earlier.features(name), None)

        def refuse(row: int, reason: str) -> NoReturn:
            raise UserError(
                f"update: the features {name} cannot be made for {files[row]}, which {reason}; leave it out."
            )

        found = extract(files, how, folder, refuse, chosen_backbone(how), kept)
        stored = store(found.table, range(len(files)), folder / "stored.npy", name)
        if stored.bad:
            refuse(*min(stored.bad.items()))
        return stored.table, found.card | stored.about


def planned(earlier: Earlier, pictures: pa.Table | None, how: Extraction, backbone: Backbone, where: str) -> Update:
    """What is kept for ``pictures`` (`contents.SCHEMA`); prints it. pictures: None if nothing can be; where: they are.

    Raises `UserError` if that would put together features that do not fit, or lose some, or if the earlier collection
    has none of the pictures.
    """
    from love_thy_neighbors.features.extraction import described, with_device  # torch takes seconds to import

    if pictures is None:
        earlier = replace(earlier, pictures=None, why="features of this source are stored as int8")
    tables = earlier.card["features"]
    if tables and backbone.name not in tables:
        raise UserError(
            f"update: {earlier.folder} has the features {', '.join(tables)}, not {backbone.name}; give their "
            f"backbone=, {_INSTEAD} to compute those of {backbone.name} for all pictures."
        )
    others = {name: _settings_of(earlier, name, how) for name in tables if name != backbone.name}
    if earlier.pictures is None or pictures is None:
        say(f"update: nothing is kept, since {earlier.why}; all features are computed.")
        return Update(earlier, None, others)
    _check_settings(earlier, backbone.name, described(backbone, with_device(how)), how.thumbnail)
    found = compare(earlier.pictures, pictures)
    check_same_pictures(found, earlier, where)
    say(
        f"update: {found.added:,} pictures are new and {found.changed:,} changed, {found.removed:,} are gone; the "
        f"features of {found.kept:,} are kept."
    )
    return Update(earlier, _kept(earlier, backbone.name, found.rows, how.thumbnail > 0), others)


def nothing_to_keep(earlier: Earlier, tables: Iterable[str]) -> dict[str, Any]:
    """The card's entry for an update from a source that has its features itself; prints that there is nothing to keep.

    tables: the names of its features. Raises `UserError` if others would be lost.
    """
    if lost := earlier.card["features"].keys() - {*tables}:
        raise UserError(
            f"update: {earlier.folder} also has the features {', '.join(sorted(lost))}, which would be lost, because "
            "this source computes no features; give a new folder as out=, or overwrite=true instead of update=true."
        )
    why = "this source computes no features"
    say(f"update: {why}, so there is nothing to keep; the collection is made anew.")
    return update_entry(replace(earlier, pictures=None, why=why), {}, 0)


def with_side(pictures: pa.Table, thumbnail: int) -> pa.Table:
    """The table of hashes with the side of the thumbnails, which `planned` compares."""
    return pictures.replace_schema_metadata({_SIDE: str(thumbnail)})


def _settings_of(earlier: Earlier, name: str, how: Extraction) -> Extraction:
    """The settings that made the table ``name``; raises `UserError` if this machine cannot make such features."""
    from love_thy_neighbors.features.again import CannotMakeError, settings_again  # torch takes seconds to import

    about = earlier.card["features"][name]
    try:
        again, _ = settings_again(name, about, replace(how, weights=None, size=None, thumbnail=0))
    except CannotMakeError as error:
        raise UserError(
            f"update: {earlier.folder} also has the features '{name}', which {error}; give another out=, {_INSTEAD} to "
            "make the collection without them."
        ) from None
    return replace(again, precision=about.get("precision", how.precision))


def _check_settings(earlier: Earlier, name: str, wanted: Mapping[str, Any], thumbnail: int) -> None:
    """Raise `UserError` unless features of this kind may stand beside those in the table ``name``.

    wanted: the entry of the new features in the card, as `features.extraction.described` gives it.
    thumbnail: the side of new thumbnails.
    """
    from love_thy_neighbors.features.extraction import SAME  # torch takes seconds to import

    about = earlier.card["features"][name]
    for key in SAME:
        if (then := about.get(key)) != wanted[key]:
            raise UserError(
                f"update: the features {name} of {earlier.folder} were made with the {key.replace('_', ' ')} '{then}', "
                f"new ones would be with '{wanted[key]}', which do not fit together; give {_CURES[key].format(then)}, "
                f"{_INSTEAD} to compute all of them again."
            )
    assert earlier.pictures is not None
    side = (earlier.pictures.schema.metadata or {}).get(_SIDE, b"0").decode("ascii", "replace")
    if thumbnail and side != str(thumbnail):
        raise UserError(
            f"update: the thumbnails of {earlier.folder} were made with thumbnail={side}, new ones would be with "
            f"thumbnail={thumbnail}; give thumbnail={side}, {_INSTEAD} to make all of them again."
        )


def _kept(earlier: Earlier, name: str, rows: np.ndarray, thumbnails: bool) -> Kept:
    """What can be kept of the table ``name``; a picture whose thumbnail is wanted and missing is not kept."""
    folder = earlier.thumbnails if thumbnails else None
    if thumbnails:
        there = {path.name for path in folder.iterdir()} if folder else set()
        rows = np.array([row if f"{row}.webp" in there else -1 for row in rows.tolist()], dtype=np.int64)
    return Kept(rows, earlier.features(name), folder)


def extract(
    files: Sequence[Path],
    how: Extraction,
    partial: Path,
    refuse: Callable[[int, str], None],
    backbone: Backbone,
    kept: Kept | None,
) -> "Extracted":
    """`features.extraction.extract_features` of ``files``, of which those with a row in ``kept`` are not read."""
    from love_thy_neighbors.features.extraction import Extracted, described, extract_features, with_device

    if kept is None:
        return extract_features(files, how, partial, refuse, backbone)
    there, missing = np.flatnonzero(kept.rows >= 0), np.flatnonzero(kept.rows < 0)
    table = new_table(partial / "joined.npy", np.float32, (len(files), backbone.dim))
    _copy(kept.features.table, kept.rows[there], table, there, kept.features.scale)
    thumbnails = _new_folder(partial / "joined_thumbnails") if how.thumbnail else None
    if thumbnails is not None and kept.thumbnails is not None:
        _link(kept.thumbnails, kept.rows[there], thumbnails, there)
    if not len(missing):
        return Extracted(table, thumbnails, {}, backbone, described(backbone, with_device(how)))
    found = extract_features(
        [files[row] for row in missing.tolist()],
        how,
        partial,
        lambda row, reason: refuse(int(missing[row]), reason),
        backbone,
    )
    _copy(found.table, np.arange(len(missing)), table, missing)
    if thumbnails is not None and found.thumbnails is not None:
        good = np.delete(np.arange(len(missing)), list(found.rejected))
        _link(found.thumbnails, good, thumbnails, missing[good])
    rejected = {int(missing[row]): reason for row, reason in found.rejected.items()}
    return Extracted(table, thumbnails, rejected, backbone, found.card)


def _copy(source: np.ndarray, rows: np.ndarray, target: np.ndarray, places: np.ndarray, scale: float = 1) -> None:
    """``target[places] = scale * source[rows]``, a block at a time."""
    for start in range(0, len(rows), _BLOCK):
        target[places[start : start + _BLOCK]] = source[rows[start : start + _BLOCK]] * np.float32(scale)


def _link(source: Path, rows: np.ndarray, target: Path, places: np.ndarray) -> None:
    for row, place in zip(rows.tolist(), places.tolist(), strict=True):
        link_or_copy(source / f"{row}.webp", target / f"{place}.webp")


def _new_folder(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path
