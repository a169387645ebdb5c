"""MATLAB's ``.mat`` files of version 5 and later, read in a process of their own.

They come from the network, and SciPy, which reads version 5, is not made for damaged files: with a few bytes changed in
each of 4,500 small files it crashed on 70 and filled gigabytes of memory on 2. (h5py, for version 7.3, did neither in
15,000.) Here a crash, a hang and a demand for too much memory are one sentence each. Values come back as plain
``.npy``: nothing that the process says is executed.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.paper_release.matlab_values import MatError, Value, load_value

_WORKER = (sys.executable, "-P", "-m", "love_thy_neighbors.sources.paper_release.matlab_worker")
# One thread of OpenBLAS, as the others' stacks would count as memory. No HDF5 plugins: a file can ask for any.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
_PATIENCE, _PATIENCE_A_BYTE = 60.0, 1e-6  # seconds without a sign of life, and more for each byte of the file
_CURE = "get this file again."

Advance = Callable[[int], None]


@dataclass(frozen=True)
class CopiedRows:
    """``faults`` [n] of `matlab_rows`, 0 for a sound row; ``shape`` and ``dtype`` of the table as it is stored."""

    faults: np.ndarray
    shape: list[int]
    dtype: str


@dataclass(frozen=True)
class MatlabFiles:
    """Reads ``.mat`` files with a process that `matlab_files` has started; ``folder`` is where values pass through.

    Every method raises `UserError` with the file and the reason.
    """

    folder: Path
    worker: "subprocess.Popen[bytes]"

    def names(self, path: Path) -> list[str]:
        """The names of the file's variables."""
        return [str(name) for name in self._ask(path, {"do": "names"})]

    def read(self, path: Path, names: list[str]) -> dict[str, Value]:
        """The variables ``names``; "NUS.tags" is the field tags of the struct NUS."""
        prefix = str(self.folder / "value")
        found = self._ask(path, {"do": "read", "names": names, "into": prefix})
        try:
            return {name: load_value(f"{prefix}.{number}", found[name]) for number, name in enumerate(names)}
        except MatError as fault:
            raise UserError(f"{path}: {_one_line(str(fault))}; {_CURE}") from None

    def copy_rows(self, path: Path, name: str, count: int, rows: np.ndarray, out: Path, advance: Advance) -> CopiedRows:
        """Write ``rows`` [n] of the table ``name``, which has ``count`` rows, to ``out``: float16 [n, d], ``.npy``.

        It may be stored either way round. ``advance`` is told how many rows are done. A block is in memory at a time.
        """
        wanted, faults = self.folder / "rows.npy", self.folder / "faults.npy"
        np.save(wanted, rows.astype(np.int64), allow_pickle=False)
        request = {"do": "copy_rows", "name": name, "count": count, "rows": str(wanted), "out": str(out)}
        found = self._ask(path, request | {"faults": str(faults)}, advance)
        return CopiedRows(np.load(faults, allow_pickle=False), found["shape"], found["dtype"])

    def _ask(self, path: Path, request: dict[str, Any], advance: Advance = lambda count: None) -> Any:
        if not path.is_file():
            raise UserError(f"{path} is missing; {_CURE}")
        patience = _PATIENCE + _PATIENCE_A_BYTE * path.stat().st_size
        for reply in replies(self.worker, request | {"path": str(path.resolve())}, patience):
            if "answer" in reply:
                return reply["answer"]
            if "fault" in reply:
                raise UserError(f"{path}: {_one_line(reply['fault'])}; {_CURE}")
            advance(reply["done"])
        raise AssertionError("replies end with an answer or a fault")


@contextmanager
def matlab_files(folder: Path) -> Iterator[MatlabFiles]:
    """Start the process that reads, and end it at the end; ``folder`` is made if it is not there."""
    folder.mkdir(exist_ok=True)
    environment = os.environ | _ENVIRONMENT
    with subprocess.Popen(
        _WORKER, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as worker:
        try:
            yield MatlabFiles(folder, worker)
        finally:
            worker.kill()


def replies(worker: "subprocess.Popen[bytes]", request: dict[str, Any], patience: float) -> Iterator[dict[str, Any]]:
    """What the worker says to a request; the last reply has an "answer" or a "fault". Its death is a fault too, and so
    is a silence of ``patience`` seconds."""
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.write(json.dumps(request).encode() + b"\n")
    lines = _lines(worker, patience)
    reply: dict[str, Any] = {}
    while not reply.keys() & {"answer", "fault"}:
        try:
            reply = json.loads(next(lines))
        except TimeoutError:
            reply = {"fault": f"has kept its reader busy for {patience:.0f} seconds without a result"}
        except StopIteration:
            code = worker.wait()
            how = signal.Signals(-code).name if code < 0 else f"status {code}"
            reply = {"fault": f"makes its reader crash ({how})"}
        yield reply


def _lines(worker: "subprocess.Popen[bytes]", patience: float) -> Iterator[bytes]:
    """Lines of the worker, until it ends. Raises `TimeoutError` if the next one does not come in time."""
    assert worker.stdout is not None
    rest = b""
    while select.select([worker.stdout], [], [], patience)[0]:
        chunk = os.read(worker.stdout.fileno(), 1 << 16)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    raise TimeoutError


def _one_line(fault: str) -> str:
    """``fault`` with a question mark for what cannot be printed: names in a damaged file are any characters."""
    return "".join(character if character.isprintable() else "?" for character in fault)
