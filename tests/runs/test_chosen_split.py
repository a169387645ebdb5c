"""Splits by owner, by time and by a column of the collection, and their mistakes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from conftest import checked, made_up_table, settings, write_made_up
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import CollectionLacksError, UserError
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.splits import PARTS, Split


def collection_with(folder: Path, **columns: list[str | None]) -> Path:
    """The made-up collection of 240 images with other text columns."""
    table, features = made_up_table()
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, pa.array(values, pa.string()))
    return write_made_up(folder / "collection", table, features)


def split_of(folder: Path, *overrides: str) -> tuple[Collection, Split]:
    made = checked(settings("data=collection", f"data.dir={folder}", "model=visual_only", *overrides))
    collection = load_collection(folder)
    return collection, split_collection(collection, made.split)


def test_an_owners_images_stay_together(tmp_path: Path) -> None:
    owners = [None if i % 10 == 0 else f"owner{i % 48}" for i in range(240)]
    _, split = split_of(collection_with(tmp_path, owner=owners), "split_by=owner")
    of_part = [{owners[row] for row in split.rows[part]} - {None} for part in PARTS]
    assert all(of_part)
    assert not of_part[0] & of_part[1] | of_part[0] & of_part[2] | of_part[1] & of_part[2]
    assert sum(len(split.rows[part]) for part in PARTS) == 240  # images without an owner are in it, too


def test_an_owner_of_nearly_everything_is_refused(made_up: Path) -> None:
    with pytest.raises(UserError, match=r"^split_by=owner: .* 100 % of the images"):
        split_of(made_up, "split_by=owner")


def test_time_puts_the_oldest_first_and_leaves_out_what_has_no_date(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    days = np.random.default_rng(0).permutation(240)
    taken = [None if day == 7 else str(np.datetime64("2001-01-01") + int(day)) for day in days]
    _, split = split_of(collection_with(tmp_path, taken=taken), "split_by=time")
    first, second, third = (days[split.rows[part]] for part in PARTS)
    assert first.max() < second.min() <= second.max() < third.min()
    assert 7 not in {*first, *second, *third}
    assert len(first) + len(second) + len(third) == 239
    assert "1 of 240" in caplog.text


def test_images_of_one_day_alone_cannot_be_split_by_time(tmp_path: Path) -> None:
    taken = ["2001-01-01"] * 200 + ["2001-01-02"] * 40
    with pytest.raises(UserError, match=r"^split_by=time: .* 83 % of the images"):
        split_of(collection_with(tmp_path, taken=taken), "split_by=time")


def test_a_column_gives_the_parts(tmp_path: Path) -> None:
    given = ["train", "val", "test", None] * 60
    _, split = split_of(collection_with(tmp_path, split=given), "split_by=column")
    for part in PARTS:
        assert [row for row in range(240) if given[row] == part] == split.rows[part].tolist()


@pytest.mark.parametrize(("column", "by", "value"), [("split", "column", "training"), ("taken", "time", "last summer")])
def test_a_wrong_value_is_named_with_its_row(tmp_path: Path, column: str, by: str, value: str) -> None:
    right = {"split": "train", "taken": "2001-01-01"}[column]
    folder = collection_with(tmp_path, **{column: [right] * 17 + [value] + [right] * 222})
    with pytest.raises(UserError, match=rf"images.parquet: row 17 has {column}='{value}'"):
        split_of(folder, f"split_by={by}")


def test_a_column_without_a_test_part_is_refused(tmp_path: Path) -> None:
    folder = collection_with(tmp_path, split=["train", "val"] * 120)
    with pytest.raises(UserError, match=r"^split_by=column: the test part"):
        split_of(folder, "split_by=column")


@pytest.mark.parametrize(("by", "column"), [("time", "taken"), ("column", "split")])
def test_a_missing_column_and_another_split_are_named_before_anything_is_loaded(
    made_up: Path, tmp_path: Path, by: str, column: str
) -> None:
    keys = ("data=collection", f"split_by={by}")
    with pytest.raises(UserError, match=rf"^split_by={by}: .*images.parquet has no column '{column}'"):
        checked(settings(*keys, f"data.dir={made_up}"))
    folder = collection_with(tmp_path, **{column: [None] * 240})
    with pytest.raises(CollectionLacksError, match=r"^split: "):  # a sweep over splits leaves it out
        checked(settings(*keys, f"data.dir={folder}", "split=3"))
