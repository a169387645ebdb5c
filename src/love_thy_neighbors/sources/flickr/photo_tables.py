"""The table of a collection from Flickr photos, kept as columns of codes to save memory."""

from array import array
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.flickr.photo import Photo
from love_thy_neighbors.sources.tables import list_column


class _Lists:
    """A growing list column: the row and the value's code of each entry."""

    def __init__(self) -> None:
        self.rows, self.codes = array("i"), array("i")
        self.values: dict[str, int] = {}

    def add(self, row: int, values: Iterable[str]) -> None:
        for value in values:
            self.rows.append(row)
            self.codes.append(self.values.setdefault(value, len(self.values)))

    def column(self, rows: int) -> pa.Array:
        of_entry = np.frombuffer(self.rows, dtype=np.int32) if self.rows else np.zeros(0, dtype=np.int32)
        offsets = np.searchsorted(of_entry, np.arange(rows + 1))
        return list_column(offsets, np.array(self.codes, dtype=np.int32), list(self.values))


class PhotoColumns:
    """Photos, one row each, in the order of `add`."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._owners: list[str | None] = []
        self._metadata = {kind: _Lists() for kind in ("tags", "sets", "groups")}
        self._labels: dict[str, _Lists] = {}

    def add(self, photo: Photo) -> None:
        row = len(self._ids)
        self._ids.append(photo.id)
        self._owners.append(photo.owner)
        for kind, lists in self._metadata.items():
            lists.add(row, getattr(photo, kind))
        for source, labels in photo.labels.items():
            self._labels.setdefault(source, _Lists()).add(row, labels)

    def label_source(self, path: object, wanted: str | None) -> str | None:
        """The source ``wanted``, or the only one; None if no photo has a label.

        Raises `UserError` with ``path`` and the sources if there is no such source, or if there are several.
        """
        found = ", ".join(repr(source) for source in sorted(self._labels)[:10]) or "nobody"
        if wanted is not None and wanted not in self._labels:
            raise UserError(f"label_source: {path} has labels from {found}, none from '{wanted}'; choose one of them.")
        if wanted is None and len(self._labels) > 1:
            raise UserError(f"label_source: {path} has labels from {found}; choose one of them (label_source=NUS).")
        return wanted if wanted is not None else next(iter(self._labels), None)

    def table(self, label_source: str | None) -> pa.Table:
        """The columns of ``images.parquet`` except ``file``, with the labels of that source, without empty types of
        metadata."""
        rows = len(self._ids)
        columns = {"id": pa.array(self._ids, pa.string())}
        if any(owner is not None for owner in self._owners):
            columns["owner"] = pa.array(self._owners, pa.string())
        lists = {"labels": self._labels.get(label_source, _Lists()) if label_source is not None else _Lists()}
        lists |= {kind: found for kind, found in self._metadata.items() if found.values}
        return pa.table(columns | {name: found.column(rows) for name, found in lists.items()})
