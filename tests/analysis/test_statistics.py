"""Table 1 against brute force over the lists in images.parquet."""

from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import made_up_table, write_made_up
from love_thy_neighbors.analysis.statistics import collection_statistics
from love_thy_neighbors.collection.loading import load_collection


def by_brute_force(folder: Path, rows: list[int]) -> dict[str, Any]:
    records = pq.read_table(folder / "images.parquet").to_pylist()
    statistics: dict[str, Any] = {"images": len(rows)}
    for kind in ("labels", "tags", "sets", "groups"):
        if kind not in records[0]:
            continue
        carried = [set(records[row][kind]) for row in rows]
        values = set().union(*carried)
        spread = {
            "images_per_value": [sum(value in one for one in carried) for value in values],
            "values_per_image": [len(one) for one in carried],
        }
        statistics[kind] = {"values": len(values)} | {
            name: {"mean": fmean(counts) if counts else None, "median": median(counts) if counts else None}
            for name, counts in spread.items()
        }
    return statistics


@pytest.mark.parametrize(
    "rows",
    [range(240), range(0, 240, 7), [3], range(0, 240, 2), []],
    ids=["all", "some", "one", "no image with a set", "none"],
)
def test_statistics_are_those_of_the_lists(made_up: Path, rows: range | list[int]) -> None:
    found = collection_statistics(load_collection(made_up), np.array(rows, dtype=np.int64))
    expected = by_brute_force(made_up, list(rows))
    assert list(found) == ["images", "labels", "tags", "sets", "groups"]
    assert found["images"] == expected["images"]
    for kind in list(found)[1:]:
        assert found[kind]["values"] == expected[kind]["values"]
        for name in ("images_per_value", "values_per_image"):
            assert found[kind][name] == pytest.approx(expected[kind][name], nan_ok=False)


def test_an_absent_metadata_type_has_no_entry_and_a_value_named_twice_counts_once(tmp_path: Path) -> None:
    table, features = made_up_table()
    tags = [[*names, names[0]] for names in table["tags"].to_pylist()]
    column = table.column_names.index("tags")
    table = table.set_column(column, "tags", pa.array(tags, pa.list_(pa.string()))).drop_columns(["sets"])
    folder = write_made_up(tmp_path / "collection", table, features)
    found = collection_statistics(load_collection(folder), np.arange(240))
    assert list(found) == ["images", "labels", "tags", "groups"]
    assert found["tags"]["values_per_image"] == {"mean": 2.0, "median": 2.0}
