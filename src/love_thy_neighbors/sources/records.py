"""One image's metadata, and the table and statistics that many of them make."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median
from typing import Any

import pyarrow as pa

from love_thy_neighbors.card import METADATA_TYPES
from love_thy_neighbors.collection import LIST_COLUMNS, TEXT_COLUMNS


@dataclass(frozen=True)
class Record:
    """An image as a source describes it; None where the source does not have that kind of metadata
    at all."""

    id: str
    file: str | None = None
    owner: str | None = None
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    sets: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None


def records_table(records: Sequence[Record]) -> pa.Table:
    """The table of ``images.parquet``: a column that no record has is left out, and lists are never
    null."""
    columns: dict[str, pa.Array] = {}
    for name in TEXT_COLUMNS:
        values = [getattr(record, name) for record in records]
        if name == "id" or any(value is not None for value in values):
            columns[name] = pa.array(values, pa.string())
    for name in LIST_COLUMNS:
        lists = [getattr(record, name) for record in records]
        if name == "labels" or any(value is not None for value in lists):
            columns[name] = pa.array([list(value or ()) for value in lists], pa.list_(pa.string()))
    return pa.table(columns)


def drop_rare_labels(records: Iterable[Record], min_positives: int) -> tuple[list[Record], list[str], dict[str, int]]:
    """Records without the labels that fewer than ``min_positives`` images have; the names kept,
    sorted; those dropped."""
    records = list(records)
    counts = Counter(label for record in records for label in set(record.labels))
    kept = {name for name, count in counts.items() if count >= min_positives}
    dropped = {name: counts[name] for name in sorted(counts.keys() - kept)}
    if dropped:
        records = [replace(record, labels=tuple(name for name in record.labels if name in kept)) for record in records]
    return records, sorted(kept), dropped


def statistics(table: pa.Table) -> dict[str, dict[str, Any]]:
    """The paper's Table 1 for a collection: per column the number of values, images per value,
    values per image."""
    result: dict[str, dict[str, Any]] = {}
    for name in ("labels", *METADATA_TYPES):
        if name not in table.column_names:
            continue
        lists = [set(values) for values in table[name].to_pylist()]
        images = list(Counter(value for values in lists for value in values).values()) or [0]
        values = [len(values) for values in lists] or [0]
        result[name] = {
            "values": len(images) if any(images) else 0,
            "images_per_value": {"mean": round(mean(images), 2), "median": median(images)},
            "values_per_image": {"mean": round(mean(values), 2), "median": median(values)},
            "images_with_any": sum(value > 0 for value in values),
        }
    return result
