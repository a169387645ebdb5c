"""sources/nuswide/text_tables: tables in text files, read in blocks, and the line of a mistake."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.nuswide import text_tables
from love_thy_neighbors.sources.nuswide.text_tables import Shape, read_bits, read_numbers

Read = Callable[[Path, Shape], Iterator[np.ndarray]]


def rows_of(read: Read, folder: Path, content: bytes, rows: int, columns: int) -> list[list[float]]:
    path = folder / "table.dat"
    path.write_bytes(content)
    blocks = list(read(path, Shape(rows, "list.txt", columns)))
    return np.concatenate(blocks).tolist() if blocks else []


TABLES: list[tuple[Read, bytes, list[list[float]]]] = [
    (read_bits, b"1\n0\n", [[1], [0]]),
    (read_bits, b"1\r\n0", [[1], [0]]),
    (read_bits, b"1 \n0\t\n\n \n\r\n", [[1], [0]]),
    (read_bits, b"  1\n\t0\n", [[1], [0]]),
    (read_bits, b"1\x0b\n0\n", [[1], [0]]),
    (read_bits, b"1 0\n0 1\n", [[1, 0], [0, 1]]),
    (read_bits, b"1\t0\t\n0  1\r\n", [[1, 0], [0, 1]]),
    (read_bits, b"", []),
    (read_numbers, b"1 -2.5\n3e2 .5", [[1, -2.5], [300, 0.5]]),
    (read_numbers, b"1\t2 \r\n 3   4\t\n\n", [[1, 2], [3, 4]]),
    (read_numbers, b"inf 1\n1 2\n", [[np.inf, 1], [1, 2]]),
]


@pytest.mark.parametrize(("read", "content", "expected"), TABLES, ids=[repr(content) for _, content, _ in TABLES])
def test_tables(read: Read, content: bytes, expected: list[list[float]], tmp_path: Path) -> None:
    assert rows_of(read, tmp_path, content, len(expected), len(expected[0]) if expected else 1) == expected


MISTAKES: list[tuple[Read, bytes, int, str]] = [
    (read_bits, b"1\n2\n", 1, ", line 2: |2"),
    (read_bits, b"1\n-1130179\n", 1, ", line 2: |-1130179"),
    (read_bits, b"10\n1\n", 1, ", line 1: |10"),
    (read_bits, b"1\n\xff\n", 1, ", line 2: |\\xff"),
    (read_bits, b"1\n" + b"x" * 50 + b"\n", 1, ", line 2: "),
    (read_bits, b"1\n\n0\n", 1, ", line 2: |blank"),
    (read_bits, b"\n1\n0\n", 1, ", line 1: |blank"),
    (read_bits, b"1\n0 1\n", 1, ", line 2: |2 columns"),
    (read_bits, b"1 0\n0\n", 2, ", line 2: |1 columns"),
    (read_bits, b"1 0 1\n0\n", 2, ", line 1: |3 columns"),
    (read_bits, b"1\n", 1, ": 1 lines|list.txt|2"),
    (read_bits, b"1\n0\n1", 1, ": 3 lines|list.txt|2"),
    (read_bits, b"", 1, ": 0 lines|list.txt|2"),
    (read_bits, b"1\n0\r1\r", 1, ", line 2: |2 columns"),
    (read_numbers, b"1 2\n3 x\n", 2, ", line 2: |x"),
    (read_numbers, b"1 2\n3 1_0\n", 2, ", line 2: |1_0"),
    (read_numbers, b"1 2\n3 4-5\n", 2, ", line 2: |4-5"),
    (read_numbers, b"1 2\n3 0x10\n", 2, ", line 2: |0x10"),
    (read_numbers, b"1 2\n3,4 5\n", 2, ", line 2: |3,4"),
    (read_numbers, b"1 2 3\n4\n", 2, ", line 1: |3 columns"),
    (read_numbers, b"1 2\n", 2, ": 1 lines|list.txt|2"),
]


@pytest.mark.parametrize(("read", "content", "columns", "parts"), MISTAKES, ids=[parts for *_, parts in MISTAKES])
def test_mistakes(read: Read, content: bytes, columns: int, parts: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        rows_of(read, tmp_path, content, 2, columns)
    assert str(caught.value).startswith(f"{tmp_path / 'table.dat'}{parts.split('|')[0]}")
    assert all(part in str(caught.value) for part in parts.split("|"))


@pytest.mark.parametrize("content", [b"1" * 5000, b"0\n" + b" " * 5000 + b"1\n", b"1\n" + b"\n" * 5000 + b"0\n"])
def test_a_line_without_end_is_not_kept(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_tables, "_BLOCK", 16)
    with pytest.raises(UserError, match=r"table\.dat, line [12]: is (longer than 1064 bytes|blank); get this file"):
        rows_of(read_bits, tmp_path, content, 2, 1)


ENDS, GAPS = st.sampled_from(["\n", "\r\n", " \n", "\t\r\n"]), st.sampled_from([" ", "\t", "  ", " \t "])


@given(data=st.data(), rows=st.integers(1, 40), columns=st.integers(1, 5), block=st.integers(1, 60))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_tables_come_back_whatever_the_spaces_line_ends_and_blocks(
    data: st.DataObject, rows: int, columns: int, block: int, tmp_path: Path
) -> None:
    read, entries = data.draw(
        st.sampled_from(
            [
                (read_bits, st.integers(0, 1)),
                (read_numbers, st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False)),
            ]
        )
    )
    table = data.draw(st.lists(st.lists(entries, min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    gap, end, last = data.draw(GAPS), data.draw(ENDS), data.draw(st.sampled_from(["", "\n", "\r\n\n"]))
    text = end.join(gap.join(map(str, row)) for row in table) + last
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_tables, "_BLOCK", block)
        found = rows_of(read, tmp_path, text.encode(), rows, columns)
    np.testing.assert_allclose(found, table, rtol=1e-6)
