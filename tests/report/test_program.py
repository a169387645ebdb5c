"""report.py as a person runs it: mistakes, and following a sweep."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from conftest import ROOT, run_program, settings
from fixtures.report_runs import FakeRuns, write_pictured
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.report.build import Plans
from love_thy_neighbors.report.options import Options
from love_thy_neighbors.report.program import report, watch


def test_a_folder_without_results_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"results\.json below {tmp_path}.*python train\.py"):
        report(Options((tmp_path,), tmp_path / "out", ("data=openclipart",), watch=False))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs=nowhere"], "runs: nowhere"),
        (["runs=[]"], "runs: give"),
        (["watch=maybe"], "watch: must be true or false"),
        (["runs=.", "out=null"], "out: give"),
        (["runs=.", "settings=[pool]"], "settings: 'pool'"),
        (["runs=.", "data=oil"], "Could not find 'data/oil'"),
        (["runs=.", "data=collection"], "data.dir: give"),
        (["run=."], "run: there is no such key; did you mean runs?"),
    ],
)
def test_a_mistake_gives_one_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "results.json").write_text("{}")
    finished = run_program("report.py", *arguments, cwd=tmp_path)
    assert finished.returncode == 1
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
def test_watching_follows_the_results_until_it_is_interrupted(tmp_path: Path) -> None:
    """From nothing to two results; the last page no longer loads itself."""
    logs, page = tmp_path / "logs", tmp_path / "out" / "index.html"
    logs.mkdir()
    collection = write_pictured(tmp_path / "collection")
    data = ["data=collection", f"data.dir={collection}"]
    command = ["report.py", f"runs={logs}", f"out={tmp_path / 'out'}", *data, "settings=['h=8']", "watch=true"]
    # In a session of its own, so that Ctrl-C is not ignored as it is in the background of a shell.
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        _until(lambda: page.is_file() and "55 of 55 runs are missing" in page.read_text(), process)
        assert 'http-equiv="refresh"' in page.read_text()
        for split in (0, 1):
            FakeRuns(collection, logs).write(settings(*data, "h=8", "model=tag_only", f"split={split}"))
        _until(lambda: "53 of 55 runs are missing" in page.read_text(), process)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Stopped." in errors
    assert "Traceback" not in errors
    assert 'http-equiv="refresh"' not in page.read_text()


def test_an_interrupt_that_python_drops_ends_the_watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops a KeyboardInterrupt in a destructor, and drawing runs destructors of figures."""
    written = []

    def interrupted(*_: object) -> Callable[[int | None], None]:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return written.append

    monkeypatch.setattr("love_thy_neighbors.report.program.write_report", interrupted)
    before = signal.getsignal(signal.SIGINT)
    options = Options(runs=(tmp_path,), out=tmp_path / "out", given=(), watch=True)
    watch(cast(Plans, None), options)
    assert written == [6, None]
    assert signal.getsignal(signal.SIGINT) is before


def _until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.2)
