"""A Flickr photo's metadata, and the table of many photos, kept as columns of codes to save memory."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.tables import list_column


@dataclass(frozen=True)
class Photo:
    """A photo's metadata: values in the order of the file, without repeats and empty texts.

    ``labels`` are by their source ("NUS", "MIR", ...). ``without_id`` counts albums and groups without an id, which are
    left out.
    """

    id: str  # Flickr id; empty if the file has none
    owner: str | None = None  # nsid
    tags: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()  # albums, by id
    groups: tuple[str, ...] = ()  # pools, by id
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without_id: int = 0


class Lists:
    """A growing list column: the row and the value's code of each entry."""

    def __init__(self) -> None:
        self.rows, self.codes = array("i"), array("i")
        self.values: dict[str, int] = {}

    def add(self, row: int, values: Iterable[str]) -> None:
        """Add the values of a row; rows come in order."""
        for value in values:
            self.rows.append(row)
            self.codes.append(self.values.setdefault(value, len(self.values)))

    def column(self, rows: int) -> pa.Array:
        """The list column [rows]."""
        offsets = np.searchsorted(np.array(self.rows, dtype=np.int32), np.arange(rows + 1))
        return list_column(offsets, np.array(self.codes, dtype=np.int32), list(self.values))


class PhotoColumns:
    """Photos, one row each, in the order of `add`."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._owners: list[str | None] = []
        self._metadata = {kind: Lists() for kind in ("tags", "sets", "groups")}
        self._labels: dict[str, Lists] = {}

    def add(self, photo: Photo) -> None:
        row = len(self._ids)
        self._ids.append(photo.id)
        self._owners.append(photo.owner)
        for kind, lists in self._metadata.items():
            lists.add(row, getattr(photo, kind))
        for source, labels in photo.labels.items():
            self._labels.setdefault(source, Lists()).add(row, labels)

    def label_source(self, path: object, wanted: str | None) -> str | None:
        """The source ``wanted``, or the only one; None if no photo has a label.

        Raises `UserError` with ``path`` and the sources if there is no such source, or if there are several.
        """
        if wanted is None and len(self._labels) < 2:
            return next(iter(self._labels), None)
        if wanted not in self._labels:
            found = ", ".join(repr(source) for source in sorted(self._labels)[:10]) or "nobody"
            none = "" if wanted is None else f", none from '{wanted}'"
            raise UserError(
                f"label_source: {path} has labels from {found}{none}; choose one of them (label_source=NUS)."
            )
        return wanted

    def table(self, label_source: str | None) -> pa.Table:
        """The columns of ``images.parquet`` except ``file``, with the labels of that source, without empty types of
        metadata."""
        rows = len(self._ids)
        columns = {"id": pa.array(self._ids, pa.string())}
        if any(owner is not None for owner in self._owners):
            columns["owner"] = pa.array(self._owners, pa.string())
        lists = {"labels": self._labels.get(label_source, Lists()) if label_source is not None else Lists()}
        lists |= {kind: found for kind, found in self._metadata.items() if found.values}
        return pa.table(columns | {name: found.column(rows) for name, found in lists.items()})
