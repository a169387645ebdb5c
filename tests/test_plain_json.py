"""plain_json.py: JSON that Python reads and that nothing can use."""

import ast
import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from love_thy_neighbors import plain_json
from love_thy_neighbors.plain_json import DEEPEST, parse_json, read_json

FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**300), 10**300) | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)
REFUSED = {
    "100,000 nested lists": "[" * 100_000 + "]" * 100_000,
    "60 nested lists": "[" * 60 + "]" * 60,
    "nested objects": '{"a":' * 60 + "1" + "}" * 60,
    "a number of 5,000 digits": "1" * 5000,
    "a lone surrogate": '{"a": "\\ud800"}',
    "a lone surrogate as a key": '{"\\udfff": 1}',
    "an infinite number": '{"scale": 1e400}',
    "a negative one": "[-1e400]",
    "NaN": "[NaN]",
    "Infinity": "[-Infinity]",
    "nothing": "",
    "half": '{"a": ',
    "two": "1 2",
}


@given(PLAIN)
def test_plain_values_come_back(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_json(text)


@given(st.text(st.characters()) | st.binary())
def test_nothing_else_is_raised(text: str | bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_json(text)


def test_the_deepest_level_is_read() -> None:
    assert parse_json("[" * DEEPEST + "]" * DEEPEST) is not None


def test_a_file_of_another_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("[1, 2]")
    assert read_json(tmp_path / "a.json") == [1, 2]
    monkeypatch.setattr(plain_json, "MOST_BYTES", 5)
    with pytest.raises(ValueError, match="6 bytes"):
        read_json(tmp_path / "a.json")


def test_nothing_else_reads_json() -> None:
    ours = {"plain_json.py", "jsonl_lines.py", "api.py"}  # the latter two have messages of their own
    for path in (ROOT / "src").rglob("*.py"):
        if path.name in ours:
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        for call in calls:
            copies = call.args and ast.unparse(call.args[0]).startswith(
                "json.dumps("
            )  # a value of ours as JSON holds it
            assert ast.unparse(call.func) not in ("json.loads", "json.load") or copies, path
