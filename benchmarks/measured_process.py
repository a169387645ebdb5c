"""A program run in a process of its own, with the time and memory it takes: what several benchmarks share."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def measured(program: str, *arguments: str) -> tuple[float, float]:
    """Seconds and peak resident memory (MiB, pages of mapped files among them) of a program at the project's root.

    Ends the benchmark if the program fails.
    """
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, str(ROOT / program), *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # the memory of this child alone
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{program} failed with status {process.returncode}")
    return time.monotonic() - started, usage.ru_maxrss / 1024
