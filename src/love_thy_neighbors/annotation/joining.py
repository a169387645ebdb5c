"""Joins the tables of all blocks into photos.parquet, suggestions.parquet and suggestions.csv."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from love_thy_neighbors.annotation.files import (
    PHOTOS,
    SUGGESTIONS,
    SUGGESTIONS_CSV,
    photos_schema,
    suggestions_schema,
)
from love_thy_neighbors.annotation.plans import Plan
from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.visible import visible

BLOCKS = "blocks"  # the folder of the finished blocks in a partial folder


def block_file(partial: Path, start: int, name: str) -> Path:
    """The table ``name`` of the block whose first photo is ``start``."""
    return partial / BLOCKS / f"{start:09}.{name}.parquet"


def join_blocks(plan: Plan, partial: Path, starts: list[int]) -> dict[str, int]:
    """Write the three files into ``partial``; returns counts."""
    schema = photos_schema(list(plan.photos.collections[0].metadata))
    with written_whole(partial / PHOTOS) as path, pq.ParquetWriter(path, schema, compression="zstd") as out:
        for start in starts:
            out.write_table(pq.read_table(block_file(partial, start, "photos"), schema=schema))
    schema = suggestions_schema(plan.photos.kinds)
    counts = {"suggestions": 0, "photos_with_suggestions": 0, "doubtful_labels": 0}
    with (
        written_whole(partial / SUGGESTIONS) as path,
        written_whole(partial / SUGGESTIONS_CSV) as text,
        pq.ParquetWriter(path, schema, compression="zstd") as out,
        pyarrow.csv.CSVWriter(text, _csv_schema(schema)) as csv,
    ):
        for start in starts:
            table = pq.read_table(block_file(partial, start, "suggestions"), schema=schema)
            out.write_table(table)
            csv.write_table(_as_csv(table))
            suggested = table["suggested"].to_numpy()
            counts["suggestions"] += int(suggested.sum())
            counts["photos_with_suggestions"] += len(np.unique(table["photo"].to_numpy()[suggested]))
            counts["doubtful_labels"] += int(table["doubtful"].to_numpy().sum())
    return counts


def _csv_schema(schema: pa.Schema) -> pa.Schema:
    return schema.set(schema.get_field_index("neighbours"), pa.field("neighbours", pa.string()))


def _as_csv(table: pa.Table) -> pa.Table:
    """The table with the neighbours as text, ``id (part; shared values)``, separated by " | ", and text `visible`."""
    texts = [" | ".join(_texts(row)) for row in table["neighbours"].to_pylist()]
    place = table.schema.get_field_index("neighbours")
    table = table.set_column(place, "neighbours", pa.array(texts, pa.string()))
    for place, field in enumerate(table.schema):
        if field.type == pa.string():
            shown = [None if text is None else visible(text) for text in table.column(place).to_pylist()]
            table = table.set_column(place, field, pa.array(shown, pa.string()))
    return table


def _texts(neighbours: list[dict[str, Any]]) -> Iterator[str]:
    for one in neighbours:
        part = "" if one["part"] is None else f"{one['part']:+.2f}; "
        yield f"{one['id']} ({part}{', '.join(one['shared'])})"
