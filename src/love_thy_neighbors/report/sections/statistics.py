"""Table 1: how much metadata the images carry."""

from collections.abc import Sequence
from typing import Any

from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Note, Origin, Row, Table

TITLES = ("unique elements", "images per element, mean / median", "elements per image, mean / median")


def statistics(context: Context) -> tuple[list[Block], list[Origin]]:
    """Unique values, images for each value and values for each image, beside NUS-WIDE's."""
    runs = context.matched.runs("statistics")
    body = runs.results[0].body if runs.results else {}
    counts = {kind: _cells(count) for kind, count in body.items() if kind != "images"}
    absent: list[Cell] = [Gap.NONE if counts else Gap.MISSING] * len(TITLES)  # a collection may lack a type of metadata
    columns = [Column("count")]
    cells: list[Sequence[Cell]] = [TITLES]
    for kind in dict.fromkeys([*TABLE_1, *counts]):
        columns += [Column("here", kind), Column("paper", kind, paper=True)]
        cells.append(counts.get(kind, absent))
        if kind in TABLE_1:
            values, images, per_image = TABLE_1[kind]
            cells.append([f"{values:,}", _pair(*images), _pair(*per_image)])
        else:
            cells.append([Gap.NONE] * len(TITLES))
    beside = ", beside those of NUS-WIDE in the paper" if context.beside_paper else ""
    caption = f"Labels and metadata of the images that take part{beside}."
    table = Table("statistics", caption, tuple(columns), tuple(map(Row, zip(*cells, strict=True))))
    note = [Note(f"{body.get('images', 'All')} labelled images take part.")] if counts else []
    return [*note, table], origin("Counts", runs)


def _cells(count: dict[str, Any]) -> list[Cell]:
    return [count["values"], _pair(**count["images_per_value"]), _pair(**count["values_per_image"])]


def _pair(mean: float | None, median: float | None) -> str:
    return Gap.NONE if mean is None or median is None else f"{mean:,.1f} / {median:g}"


SECTIONS = {"statistics": ("The collection", "Table 1, section 4.1", statistics)}
