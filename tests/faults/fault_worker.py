"""Runs programs with a fault at a chosen write, each in a fork of this process, which has imported what takes long.

Reads a case a line from standard input as JSON: ``program``, ``words``, ``folder`` (where the program runs, and below
which its writes are counted), ``output`` (what the files of its output begin with), ``kind`` and ``at``. Answers with a
line ``{"status": ..., "writes": ...}``; the status of a killed program is negative. The arguments are those of report.py
that choose its collection.

The fault comes with write number ``at``, from 1: an opening for writing, a write, a reservation of space, fsync, a new
folder, a new name or, for SIGKILL, a removal. Half of a write's bytes are written before it fails. After ENOSPC the disk
stays full. EFBIG limits the size of files to ``at`` bytes, so it meets also what is not written by Python.
"""

import builtins
import errno
import importlib
import io
import json
import os
import resource
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

SLOW = (
    *("torch", "pytorch_lightning", "numba", "pyarrow.parquet", "matplotlib.pyplot", "safetensors.torch"),
    *("love_thy_neighbors.jobs.job", "love_thy_neighbors.report.program", "love_thy_neighbors.annotation.annotator"),
    *("love_thy_neighbors.features.extraction", "love_thy_neighbors.decision_page.page"),
    *("love_thy_neighbors.sources.jsonl", "love_thy_neighbors.sources.prepare"),
)
SECONDS = 300
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_open, _allocate, _fsync = io.open, os.posix_fallocate, os.fsync


class Fault:
    """Counts writes below a folder, and fails at one of them."""

    def __init__(self, folder: str, kind: str | None, at: int) -> None:
        self.folder, self.kind, self.at, self.writes = folder, kind, at, 0
        self.over = kind is None or kind == "EFBIG"
        self.error = None if kind in (None, "SIGKILL") else getattr(errno, str(kind))

    def watches(self, path: object) -> bool:
        """Whether the path lies below the folder."""
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        text = os.fsdecode(path)
        return "/dev/" not in text and Path(text).absolute().is_relative_to(self.folder)

    def write(self, before: Callable[[], object] = lambda: None, removes: bool = False) -> None:
        """Count a write; at the chosen one, do ``before``, the half of it, and fail."""
        self.writes += 1
        if self.over or self.writes < self.at or (removes and self.error is not None):
            return
        before()
        if self.error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        self.over = self.kind != "ENOSPC"
        raise OSError(self.error, os.strerror(int(self.error or 0)))

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """A hook of `sys.addaudithook`."""
        if event == "open" and arguments[2] & _WRITING and self.watches(arguments[0]):
            if self.kind != "ENOSPC":  # a full disk has room for a name
                self.write()
        elif event in ("os.mkdir", "os.rename", "os.link") and any(map(self.watches, arguments[:2])):
            if event == "os.mkdir" or self.kind != "ENOSPC":
                self.write()
        elif event in ("os.remove", "os.rmdir") and self.watches(arguments[0]):
            self.write(removes=True)


def install(fault: Fault) -> None:
    """Let the fault see all writes of this process."""

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            view = memoryview(data).cast("B")
            fault.write(lambda: io.FileIO.write(self, view[: len(view) // 2]))
            return io.FileIO.write(self, view)

    def opened(file: Any, mode: str = "r", buffering: int = -1, *texts: Any, **more: Any) -> Any:
        if not fault.watches(file) or not set(mode) & {*"wxa+"}:
            return _open(file, mode, buffering, *texts, **more)
        raw = Raw(file, mode.replace("b", "").replace("t", ""), opener=more.pop("opener", None))
        if buffering == 0:
            return raw
        buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        more.pop("closefd", None)
        return buffer if "b" in mode else io.TextIOWrapper(buffer, *texts, **more)

    def through_link(descriptor: int) -> bool:
        return fault.watches(Path(f"/proc/self/fd/{descriptor}").readlink())

    def allocate(descriptor: int, start: int, size: int) -> None:
        if through_link(descriptor):
            fault.write()
        _allocate(descriptor, start, size)

    def fsync(descriptor: Any) -> None:
        if through_link(descriptor if isinstance(descriptor, int) else descriptor.fileno()) and fault.kind != "ENOSPC":
            fault.write()
        _fsync(descriptor)

    builtins.open = io.open = opened  # type: ignore[assignment]
    os.posix_fallocate, os.fsync = allocate, fsync
    sys.addaudithook(fault.audit)


def child(case: dict[str, Any], answer: int) -> None:
    """Run the case in this process, and end it."""
    for descriptor, name in ((0, os.devnull), (1, f"{case['output']}.out"), (2, f"{case['output']}.err")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(case["folder"])
    fault, status = Fault(case["folder"], case["kind"], case["at"]), 1
    sys.argv = [case["program"], *case["words"]]
    install(fault)
    if case["kind"] == "EFBIG":
        resource.setrlimit(resource.RLIMIT_FSIZE, (case["at"], resource.RLIM_INFINITY))
    try:
        runpy.run_path(case["program"], run_name="__main__")
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    with suppress(OSError):  # a full disk does not concern the output
        sys.stdout.flush()
        sys.stderr.flush()
    os.write(answer, str(fault.writes).encode())
    os._exit(status)


def remember_plans(words: list[str]) -> None:
    """Plan the experiments of the report once for all cases: it takes most of the time, and writes nothing."""
    from hydra import initialize_config_dir

    from love_thy_neighbors.programs.start import ROOT, register_resolvers
    from love_thy_neighbors.report.build import Plans

    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        plans = Plans.of(words)
    Plans.of = lambda given: plans if list(given) == words else Plans(tuple(given), {})  # type: ignore[method-assign]


def main() -> None:
    for module in SLOW:
        importlib.import_module(module)
    remember_plans(sys.argv[1:])
    for line in sys.stdin:
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            signal.alarm(SECONDS)
            child(json.loads(line), writing)
        os.close(writing)
        _, status = os.waitpid(process, 0)
        writes = int(os.read(reading, 20) or 0)
        os.close(reading)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "writes": writes}), flush=True)


if __name__ == "__main__":
    main()
