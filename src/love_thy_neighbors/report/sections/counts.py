"""Table 1: how much metadata the images carry."""

from typing import Any

from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Note, Origin, Row, Table


def statistics(context: Context) -> tuple[list[Block], list[Origin]]:
    """Unique values, images for each value and values for each image, beside NUS-WIDE's."""
    runs = context.matched.runs("statistics")
    results = runs.results
    counts: dict[str, Any] = results[0].content["statistics"] if results else {}
    kinds = list(dict.fromkeys([*TABLE_1, *(kind for kind in counts if kind != "images")]))
    columns = [Column("count")]
    for kind in kinds:
        columns += [Column("here", kind), Column("paper", kind, paper=True)]
    rows = []
    for title, ours, theirs in (
        ("unique elements", lambda count: count["values"], lambda paper: f"{paper[0]:,}"),
        ("images per element, mean / median", lambda c: _pair(c["images_per_value"]), lambda p: _shown(*p[1])),
        ("elements per image, mean / median", lambda c: _pair(c["values_per_image"]), lambda p: _shown(*p[2])),
    ):
        cells: list[Cell] = [title]
        for kind in kinds:
            absent = Gap.NONE if counts else Gap.MISSING  # a collection need not have every type
            cells += [ours(counts[kind]) if kind in counts else absent]
            cells += [theirs(TABLE_1[kind]) if kind in TABLE_1 else Gap.NONE]
        rows.append(Row(tuple(cells)))
    caption = "Labels and metadata of the images that take part, beside those of NUS-WIDE in the paper."
    blocks: list[Block] = [Table("statistics", caption, tuple(columns), tuple(rows))]
    if counts:
        blocks.insert(0, Note(f"{counts.get('images', 'All')} labelled images take part."))
    return blocks, origin("Counts", runs)


def _pair(spread: dict[str, float | None]) -> str:
    return Gap.NONE if spread["mean"] is None or spread["median"] is None else _shown(spread["mean"], spread["median"])


def _shown(mean: float, median: float) -> str:
    return f"{mean:,.1f} / {median:g}"
