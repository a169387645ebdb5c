"""Data as scripts: any text is safe, and nothing is lost."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from love_thy_neighbors.decision_page.data_scripts import packed, script_of, write_script

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(), lambda inner: st.lists(inner, max_size=4)
)


@given(VALUES)
@example(["</script><script>alert(1)</script>", "<!--", "\u2028\u2029", "é 🐟", '"\\', "\x00"])
def test_a_script_is_ascii_without_markup_and_keeps_the_value(value: Any) -> None:
    script = script_of("piece-1", value)
    head, tail = '"use strict";\ndecisionPage.loading.receive("piece-1",', ");\n"
    assert script.isascii()
    assert "<" not in script
    assert script.startswith(head)
    assert script.endswith(tail)
    assert "\n" not in script.removeprefix(head).removesuffix(tail)
    assert json.loads(script.removeprefix(head).removesuffix(tail)) == value


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused(number: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_script(tmp_path, "index", [number])


@given(st.lists(st.integers(0, 2**32 - 1)))
@example([0, 255])
@example([256])
@example([2**16])
def test_a_packed_column_is_read_back(numbers: list[int]) -> None:
    kind, text = packed(np.array(numbers, np.int64))
    assert np.frombuffer(base64.b64decode(text), np.dtype(kind).newbyteorder("<")).tolist() == numbers
    assert max(numbers, default=0) <= np.iinfo(kind).max


@pytest.mark.parametrize(("largest", "kind"), [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65536, "uint32")])
def test_a_packed_column_is_as_small_as_possible(largest: int, kind: str) -> None:
    assert packed(np.array([largest]))[0] == kind
