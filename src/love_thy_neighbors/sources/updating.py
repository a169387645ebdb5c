"""The collection that ``prepare.py ... update=true`` brings up to date: which pictures it has already.

Pictures are compared by their content, so a picture with another name keeps its feature, and one that was changed does
not. Everything else of the new collection, such as its tags, is read anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from love_thy_neighbors.collection.card import PICTURES, UPDATE, UPDATE_COUNTS, read_card, sha256
from love_thy_neighbors.collection.images_table import read_images_table
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.collection.table_files import Features
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.contents import read_hashes
from love_thy_neighbors.visible import say

_MOST_EARLIER = 100  # states of a collection that its card remembers, 70 bytes each


@dataclass(frozen=True)
class Earlier:
    """The collection in ``folder`` before its update.

    pictures: the hashes of its pictures (`contents.SCHEMA`), or None, and then ``why`` says why there are none.
    """

    folder: Path
    card: dict[str, Any]
    pictures: pa.Table | None
    why: str | None = None

    def features(self, name: str) -> Features:
        """Its feature table of this name; raises `UserError` if it is damaged."""
        with _telling_of_overwrite():
            return load_collection(self.folder, name).features

    @property
    def thumbnails(self) -> Path | None:
        """Its folder of thumbnails."""
        return self.folder / "thumbnails" if (self.folder / "thumbnails").is_dir() else None


@contextmanager
def _telling_of_overwrite() -> Iterator[None]:
    """The same command would find the same damage again."""
    try:
        yield
    except UserError as error:
        text = str(error).removesuffix(".")
        raise UserError(f"update: {text}, with overwrite=true instead of update=true.") from None


def earlier_collection(folder: Path) -> Earlier | None:
    """The collection in ``folder``; None, with a line that says so, if there is nothing. Raises `UserError` if it is
    damaged."""
    if not folder.is_dir() or not any(folder.iterdir()):
        say(f"update: there is no collection in {folder} yet; it is made.")
        return None
    card, path = read_card(folder), folder / "images.parquet"
    with _telling_of_overwrite():
        images = read_images_table(path)
    pictures = read_hashes(folder / PICTURES)
    if not card["features"]:
        return Earlier(folder, card, None, f"{folder} has no features yet")
    if pictures is None:
        return Earlier(folder, card, None, f"{folder} has no {PICTURES} with the hashes of its pictures, as older ones")
    belongs_to = (pictures.schema.metadata or {}).get(b"images_sha256", b"").decode("ascii", "replace")
    if len(pictures) != len(images) or belongs_to != sha256(path):
        return Earlier(folder, card, None, f"{folder / PICTURES} belongs to another images.parquet")
    return Earlier(folder, card, pictures)


@dataclass(frozen=True)
class Comparison:
    """How N pictures differ from those of an earlier collection.

    rows: int64 [N], the row of the same content there, or -1.
    kept: pictures with such a row, ``renamed`` of them under a name that was not there.
    changed: pictures with other content under a name that was there. added: the others.
    removed: earlier pictures of which neither content nor name is there any more.
    """

    rows: np.ndarray
    kept: int
    renamed: int
    changed: int
    added: int
    removed: int

    def as_dict(self) -> dict[str, int]:
        """The counts."""
        return {key: getattr(self, key) for key in UPDATE_COUNTS}


def compare(earlier: pa.Table, now: pa.Table) -> Comparison:
    """Compare two tables of `contents.SCHEMA`, in which a null hash is like no other."""
    old_names, old_hashes = earlier["file"].to_pylist(), earlier["sha256"].to_pylist()
    names, hashes = now["file"].to_pylist(), now["sha256"].to_pylist()
    row_of = {digest: row for row, digest in enumerate(old_hashes) if digest is not None}
    known_names, there, contents = {*old_names}, {*names}, {*hashes} - {None}
    rows = np.array([-1 if digest is None else row_of.get(digest, -1) for digest in hashes], dtype=np.int64)
    named = np.array([name in known_names for name in names], dtype=bool)
    gone = [name not in there and digest not in contents for name, digest in zip(old_names, old_hashes, strict=True)]
    kept = rows >= 0
    counts = (kept, kept & ~named, ~kept & named, ~kept & ~named, np.array(gone, dtype=bool))
    return Comparison(rows, *(int(one.sum()) for one in counts))


def check_same_pictures(found: Comparison, earlier: Earlier, where: str) -> None:
    """Raise `UserError` if the earlier collection and ``where`` have nothing in common, as after a mistyped path."""
    if not found.kept and not found.changed and earlier.card["images"]:
        raise UserError(
            f"update: none of the {earlier.card['images']:,} pictures of {earlier.folder} is in {where}; give the "
            "right one, or overwrite=true instead of update=true to replace the collection."
        )


def update_entry(earlier: Earlier, counts: dict[str, int], computed: int) -> dict[str, Any]:
    """What the card says about the update: counts, how many features were computed, and the images_sha256 of the
    states before it, the newest last, by which `annotation` knows for which collection a model was trained."""
    states = [*(earlier.card.get(UPDATE) or {}).get("earlier", []), earlier.card.get("images_sha256")]
    states = list(dict.fromkeys(one for one in states if isinstance(one, str)))[-_MOST_EARLIER:]
    why = {} if earlier.why is None else {"nothing_kept": earlier.why}
    return {**counts, "features_computed": computed, **why, "earlier": states}
