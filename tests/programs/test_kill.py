"""A job killed again and again, at moments that nobody chose. Slow: `make test-slow`."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT, run_program

JOB = ("h=8", "epochs=30", "baseline=visual_only")


def results(folder: Path) -> dict[str, object]:
    found = {}
    for path in sorted(folder.glob("logs/*/results.json")):
        content = json.loads(path.read_text())
        assert content.pop("wall_time_s") > 0
        found[path.parent.name] = content
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_job_killed_at_random_moments_ends_like_an_uninterrupted_one(
    made_up: Path, tmp_path: Path, seed: int
) -> None:
    def command(folder: Path) -> list[str]:
        return [
            "data=collection",
            f"data.dir={made_up}",
            *JOB,
            f"logs={folder}/logs",
            f"cache={folder}/cache",
            "resume=true",
        ]

    whole = tmp_path / "whole"
    started = time.monotonic()
    assert run_program("train.py", *command(whole), cwd=tmp_path).returncode == 0
    duration = time.monotonic() - started
    cut = tmp_path / "cut"
    moments = random.Random(seed)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *command(cut)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(moments.uniform(0, duration))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for path in cut.glob("logs/*/*.json"):
            json.loads(path.read_text())  # whole whenever it is there
    assert run_program("train.py", *command(cut), cwd=tmp_path).returncode == 0
    assert results(cut) == results(whole)
    assert len(results(cut)) == 2
    for name in results(cut):
        for file in ("scores.npy", "rows.npy", "metrics.csv", "config.yaml"):
            assert (cut / "logs" / name / file).read_bytes() == (whole / "logs" / name / file).read_bytes()
