"""feature_tables.py: features in 8, 16 or 32 bits, block by block."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from love_thy_neighbors.collection import feature_tables
from love_thy_neighbors.collection.feature_tables import is_enough_int8, quantise, store
from love_thy_neighbors.errors import UserError

TABLES = arrays(np.float32, st.tuples(st.integers(0, 9), st.integers(1, 5)), elements=st.floats(-1000, 1000, width=32))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_tables, "_BLOCK_BYTES", 50)


@given(table=TABLES)
@example(table=np.full((1, 1), 1e-45, dtype=np.float32))
@example(table=np.full((1, 1), 2.5e-43, dtype=np.float32))
def test_quantise_is_within_half_a_step(table: np.ndarray) -> None:
    small, scale = quantise(table)
    assert small.dtype == np.int8
    assert scale > 0
    assert np.abs(small * scale - table).max(initial=0) <= scale * 0.501


@given(table=TABLES, data=st.data())
@settings(max_examples=50)
def test_stored_rows_are_in_the_order_asked_for(
    table: np.ndarray, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(table) - 1), max_size=12)) if len(table) else []
    stored = store(table, rows, tmp_path_factory.mktemp("table") / "a.npy", "a.npy")
    assert not stored.bad
    assert stored.table.dtype in (np.float16, np.float32)
    assert (stored.why is None) == (stored.table.dtype == np.float16)
    np.testing.assert_array_equal(stored.table, table[rows].astype(stored.table.dtype))


@given(
    offset=st.sampled_from([0.0, 1.0, -300.0, 5e4, 1e6]),
    scale=st.sampled_from([1e-20, 1e-6, 1e-3, 1.0, 40.0, 1e9]),
    seed=st.integers(0, 99),
)
@settings(max_examples=80)
def test_what_tells_rows_apart_is_kept(
    offset: float, scale: float, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = np.random.default_rng(seed).normal(size=(30, 4)) * scale + offset
    try:
        found = store(table, range(30), tmp_path_factory.mktemp("table") / "a.npy", "a.npy").table.astype(np.float64)
    except UserError:  # float32 has 24 bits
        assert scale < abs(offset) * 2**-24 * 50
        return
    if not table.std(axis=0).any():  # the scale is below the last bit of float64: the rows are equal
        return
    error = np.sqrt(((found - table) ** 2).mean(axis=0))
    assert (error <= table.std(axis=0) / 50 * (1 + 1e-9)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("offset", "scale"), [(1000, 0.01), (0, 1e-9), (0, 1e6)])
def test_a_table_that_float16_would_destroy_is_float32(
    offset: float, scale: float, dtype: type, tmp_path: Path
) -> None:
    table = (np.random.default_rng(0).normal(size=(30, 4)) * scale + offset).astype(dtype)
    stored = store(table, range(30), tmp_path / "a.npy", "a.npy")
    assert stored.table.dtype == np.float32
    np.testing.assert_array_equal(stored.table, table.astype(np.float32))
    assert "float32" in stored.about["stored"]


def test_one_column_is_enough_for_float32(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    table[:, 2] = 1000 + table[:, 2] / 100
    stored = store(table, range(30), tmp_path / "a.npy", "a.npy")
    assert "column 2" in str(stored.why)


@pytest.mark.parametrize("constant", [0.1, 1000.01, 1e-9, 0])
def test_a_constant_column_does_not_count(constant: float, tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(30, 4))
    table[:, 1] = constant
    assert store(table, range(30), tmp_path / "a.npy", "a.npy").table.dtype == np.float16
    assert store(np.full((9, 2), constant), range(9), tmp_path / "b.npy", "b.npy").table.dtype == np.float16


def test_a_table_beyond_float32_is_refused_with_its_column(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(30, 4))
    table[:, 3] += 1e12
    with pytest.raises(UserError, match=r"^feats\.npy: column 3 "):
        store(table, range(30), tmp_path / "a.npy", "feats.npy")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_rows_that_cannot_be_stored_are_named(dtype: str, tmp_path: Path) -> None:
    table = np.ones((40, 3), dtype=dtype)
    table[7, 1], table[31, 2] = np.nan, -np.inf
    expected = {6: "holds NaN or infinity", 30: "holds NaN or infinity"}
    if np.dtype(dtype).itemsize == 8:
        table[20, 0] = 1e39
        expected[19] = "holds a value beyond the range of float32 (3.4e38)"
    stored = store(table, list(range(1, 40)), tmp_path / "a.npy", "a.npy")
    assert stored.bad == expected
    assert stored.table.shape == (39 - len(stored.bad), 3)
    assert (stored.table == 1).all()


def test_a_value_beyond_float16_in_one_row(tmp_path: Path) -> None:
    table = np.ones((40, 3), dtype=np.float32)
    table[20, 0] = 65520
    stored = store(table, range(40), tmp_path / "a.npy", "a.npy")
    assert stored.table[20, 0] == 65520


@pytest.mark.parametrize(("offset", "enough"), [(0, True), (1000, False)])
def test_int8_is_enough_without_a_common_part(offset: float, enough: bool) -> None:
    table = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32) + np.float32(offset)
    assert is_enough_int8(table, quantise(table)[1]) == enough
