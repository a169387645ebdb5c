"""Damaged JPEG, XML, .mat and Parquet files: never a hang, a crash, a traceback or a half-written collection.

Slow: 10,000 cases take some minutes (`make test-slow`). The worker process that tries the cases is watched from here, so
that a reader that kills or stalls the whole process is found too. A case is known by its target, seed and number.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_targets import TARGETS

CASES = {"jpeg": 3000, "xml": 3000, "parquet": 2000, "hdf5": 2000}
AT_A_TIME = 250  # cases a process; a new one gives back what a damaged file has made it keep
SEED = os.environ.get("FUZZ_SEED", "0")  # another number, other cases
HERE = Path(__file__).parent


def failures(target: str, first: int, last: int, folder: Path) -> list[str]:
    """What went wrong with the cases from ``first`` to before ``last``."""
    arguments = (target, str(first), str(last), SEED, str(folder))
    command = [sys.executable, str(HERE / "fuzz_worker.py"), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE.parent), os.environ.get("PYTHONPATH", "")))}
    try:
        done = subprocess.run(
            command, cwd=HERE, env=environment, capture_output=True, timeout=60 + 5 * (last - first), check=False
        )
    except subprocess.TimeoutExpired as hang:
        return [f"hangs in case {_last_case(hang.stdout or b'')}"]
    output = done.stdout.decode("utf-8", "replace")
    failed = re.findall(r"^FAILED .*$", output, re.MULTILINE)
    if done.returncode or "\ndone {" not in output:
        failed.append(f"dies with status {done.returncode} in case {_last_case(done.stdout)}: {done.stderr[-2000:]!r}")
    return failed


def _last_case(output: bytes) -> str:
    numbers = re.findall(rb"^(\d+)$", output, re.MULTILINE)
    return numbers[-1].decode() if numbers else "none"


def test_every_target_is_counted() -> None:
    assert CASES.keys() == TARGETS.keys()
    assert sum(CASES.values()) == 10_000


@pytest.mark.parametrize("target", CASES)
def test_some_damaged_files(target: str, tmp_path: Path) -> None:
    assert failures(target, 0, 15, tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", CASES)
def test_ten_thousand_damaged_files(target: str, tmp_path: Path) -> None:
    found: list[str] = []
    for first in range(0, CASES[target], AT_A_TIME):
        found += failures(target, first, min(first + AT_A_TIME, CASES[target]), tmp_path)
    assert found == []
