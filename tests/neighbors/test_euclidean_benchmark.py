"""benchmarks/euclidean.py at a small size: what it prints, and that it notices a wrong neighbour."""

import json
import runpy
import sys
from typing import Any

import numpy as np
import pytest

from conftest import ROOT
from love_thy_neighbors.neighbors.euclidean import nearest_by_euclidean


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the benchmark's module."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # set already, so that it leaves the environment alone
    return runpy.run_path(str(ROOT / "benchmarks" / "euclidean.py"))


def test_a_small_run(
    benchmark: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = ("--queries", "150", "--images", "400", "--dim", "24", "--neighbors", "5", "--repeats", "2")
    monkeypatch.setattr(sys, "argv", ["euclidean.py", *sizes])
    assert benchmark["main"]() == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["same"] is True
    assert min(result[key] for key in ("ours_s", "faiss_s", "floor_s", "ratio", "core_ratio")) >= 0


def test_a_wrong_neighbour_is_noticed_and_an_exchange_of_equals_is_not(benchmark: dict[str, Any]) -> None:
    table = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float16)
    table[8] = table[7]
    ours = nearest_by_euclidean(table, np.arange(9), np.arange(50), 4)
    theirs = np.column_stack((np.arange(9), ours)).astype(np.int64)
    ours[0], theirs[0, 1:] = (7, 8, 9, 10), (8, 7, 9, 10)
    assert benchmark["same"](table, ours, theirs)
    theirs[0, 1] = 9
    assert not benchmark["same"](table, ours, theirs)
