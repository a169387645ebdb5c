"""Collections: what is written is read back, and interrupted writes leave no trace."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import made_up_table, write_made_up
from love_thy_neighbors.atomic import folder_written_whole, written_whole
from love_thy_neighbors.collection.card import metadata_types
from love_thy_neighbors.collection.feature_tables import refuse_non_finite
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.collection.writing import NAMES
from love_thy_neighbors.errors import UserError


def test_round_trip(made_up: Path) -> None:
    table, features = made_up_table()
    collection = load_collection(made_up)
    assert len(collection) == 240
    assert collection.ids.to_pylist() == table["id"].to_pylist()
    for kind in ("tags", "sets", "groups"):
        matrix, values = collection.metadata[kind], collection.values[kind]
        assert values == sorted(values)
        for row, expected in enumerate(table[kind].to_pylist()):
            assert {values[column] for column in matrix[row].indices} == set(expected)
        assert set(matrix.data) <= {1}
    for row, expected in enumerate(table["labels"].to_pylist()):
        assert {collection.label_names[column] for column in collection.labels[row].indices} == set(expected)
    np.testing.assert_array_equal(np.asarray(collection.features.table), features)
    assert isinstance(collection.features.table, np.memmap)
    assert metadata_types(made_up) == ("tags", "sets", "groups")


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_made_up(tmp_path / name, *made_up_table())
    for file in ("images.parquet", "card.json", "features/made_up.npy"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_duplicate_value_counts_once(tmp_path: Path) -> None:
    table, features = made_up_table()
    doubled = [[*row, *row] for row in table["tags"].to_pylist()]
    column = table.schema.get_field_index("tags")
    folder = write_made_up(tmp_path / "c", table.set_column(column, "tags", [doubled]), features)
    plain = write_made_up(tmp_path / "d", table, features)
    assert (load_collection(folder).metadata["tags"] != load_collection(plain).metadata["tags"]).nnz == 0


def test_any_other_list_column_is_a_metadata_type(tmp_path: Path) -> None:
    table, features = made_up_table()
    table = table.append_column("cameras", table["groups"])
    collection = load_collection(write_made_up(tmp_path / "c", table, features))
    assert list(collection.metadata) == ["tags", "sets", "groups", "cameras"]
    assert (collection.metadata["cameras"] != collection.metadata["groups"]).nnz == 0
    assert metadata_types(tmp_path / "c") == ("tags", "sets", "groups", "cameras")


@pytest.mark.parametrize("name", ["union", "visual", "images", "my cameras", "2019"])
def test_a_column_that_cannot_be_a_metadata_type_is_named(tmp_path: Path, name: str) -> None:
    table, features = made_up_table()
    folder = write_made_up(tmp_path / "c", table.append_column(name, table["groups"]), features)
    with pytest.raises(UserError, match=f"images.parquet: column '{name}'"):
        load_collection(folder)


def test_images_without_metadata(tmp_path: Path) -> None:
    table, features = made_up_table()
    for kind in ("tags", "sets", "groups"):
        rows = [[] if i in (3, 77) else row for i, row in enumerate(table[kind].to_pylist())]
        table = table.set_column(table.schema.get_field_index(kind), table.schema.field(kind), [rows])
    collection = load_collection(write_made_up(tmp_path / "c", table, features))
    assert np.flatnonzero(collection.without_metadata).tolist() == [3, 77]


@given(st.integers(0, 999), st.sampled_from([np.nan, np.inf, -np.inf]), st.sampled_from([np.float16, np.float32]))
@settings(max_examples=30, deadline=None)
def test_the_first_row_that_is_not_finite_is_named(row: int, value: float, kind: type) -> None:
    table = np.full((1000, 4), 65504, dtype=kind)
    table[row, 2] = value
    with pytest.raises(UserError, match=f"row {row} holds NaN or infinity"):
        refuse_non_finite(Path("f.npy"), table)


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as temporary:
        temporary.write_text("new, but only ha")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_collection_leaves_the_old_one(tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "c", *made_up_table())
    before = pq.read_table(folder / "images.parquet")
    with pytest.raises(KeyboardInterrupt), folder_written_whole(folder, NAMES) as temporary:
        (temporary / "images.parquet").write_text("half")
        raise KeyboardInterrupt
    assert pq.read_table(folder / "images.parquet") == before
    assert list(tmp_path.iterdir()) == [folder]
    with folder_written_whole(folder, NAMES) as temporary:
        (temporary / "card.json").write_text("whole")
    assert [path.name for path in folder.iterdir()] == ["card.json"]
    assert list(tmp_path.iterdir()) == [folder]
