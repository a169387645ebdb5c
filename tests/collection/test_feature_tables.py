"""feature_tables.py: features in 8 or 16 bits, block by block."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from love_thy_neighbors.collection import feature_tables
from love_thy_neighbors.collection.feature_tables import quantise, to_float16

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
def test_to_float16_takes_the_rows_in_their_order(
    table: np.ndarray, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(table) - 1), max_size=12)) if len(table) else []
    result, bad = to_float16(table, rows, tmp_path_factory.mktemp("table") / "a.npy")
    assert not bad
    np.testing.assert_array_equal(result, table[rows].astype(np.float16))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_rows_beyond_float16_are_named(dtype: str, tmp_path: Path) -> None:
    table = np.ones((40, 3), dtype=dtype)
    table[7, 1], table[31, 2] = np.nan, -np.inf
    expected = {6: "holds NaN or infinity", 30: "holds NaN or infinity"}
    if np.dtype(dtype).itemsize > 2:
        table[20, 0] = 65520
        expected[19] = "holds a value beyond the range of float16 (65504)"
    result, bad = to_float16(table, list(range(1, 40)), tmp_path / "a.npy")
    assert bad == expected
    assert result.shape == (39 - len(bad), 3)
    assert (result == 1).all()
