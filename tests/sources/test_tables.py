"""sources/tables.py against plain Python."""

from collections import Counter
from statistics import fmean, median

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.sources.records import Record
from love_thy_neighbors.sources.tables import (
    drop_rare_labels,
    encoded,
    frequent,
    list_column,
    records_table,
    statistics,
)

LISTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), max_size=12)


def column(lists: list[list[str]]) -> pa.Array:
    return pa.array(lists, pa.list_(pa.string()))


@given(LISTS)
def test_encoding_and_back_gives_the_same_sets(lists: list[list[str]]) -> None:
    rows, codes, values = encoded(column(lists))
    offsets = np.searchsorted(rows, np.arange(len(lists) + 1))
    back = list_column(offsets, codes, values).to_pylist()
    assert [set(row) for row in back] == [set(row) for row in lists]
    assert [len(row) for row in back] == [len(set(row)) for row in lists]


@given(LISTS, st.integers(1, 6))
def test_rare_labels_are_dropped_and_counted(lists: list[list[str]], floor: int) -> None:
    table = pa.table({"id": pa.array([str(i) for i in range(len(lists))], pa.string()), "labels": column(lists)})
    counts = Counter(label for row in lists for label in set(row))
    kept = {label for label, count in counts.items() if count >= floor}
    result, names, dropped = drop_rare_labels(table, floor)
    assert names == sorted(kept)
    assert dropped == {label: count for label, count in sorted(counts.items()) if count < floor}
    assert result["labels"].to_pylist() == [[label for label in row if label in kept] for row in lists]
    assert result.column_names == table.column_names


@given(LISTS, st.integers(0, 6))
def test_the_most_frequent_values_stay(lists: list[list[str]], count: int) -> None:
    counts = Counter(value for row in lists for value in set(row))
    chosen = set(sorted(counts, key=lambda value: (-counts[value], value))[:count])
    assert [set(row) for row in frequent(column(lists), count).to_pylist()] == [set(row) & chosen for row in lists]


@given(LISTS)
def test_statistics_are_those_of_table_1(lists: list[list[str]]) -> None:
    table = pa.table({"labels": column(lists), "sets": column([[] for _ in lists])})
    counts = Counter(value for row in lists for value in set(row))
    per_image = [len(set(row)) for row in lists]
    found = statistics(table)
    assert found["sets"]["values"] == 0
    assert found["labels"] == {
        "values": len(counts),
        "images_per_value": spread(list(counts.values())),
        "values_per_image": spread(per_image),
        "images_with_any": sum(count > 0 for count in per_image),
    }


def spread(counts: list[int]) -> dict[str, float | None]:
    return {"mean": fmean(counts), "median": median(counts)} if counts else {"mean": None, "median": None}


def test_a_column_that_no_record_has_is_left_out() -> None:
    table = records_table([Record("1", tags=("a", "b")), Record("2", file="x.jpg")])
    assert table.column_names == ["id", "file", "labels", "tags"]
    assert table["tags"].to_pylist() == [["a", "b"], []]
    assert table["file"].to_pylist() == [None, "x.jpg"]
