"""benchmarks/gpu.py on the processor: whoever has a GPU runs it there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_it_measures_all_rows_and_checks_them() -> None:
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--small"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"whole_s", "step_ms", "step_graph_ms", "gather_ms", "rmsprop_ms", "floor_ms", "drawing_s"} <= found.keys()
    assert found["same"] is True
    assert found["difference"] == 0
