"""Training over processes and nodes: the same result as one process's, one writer, and no process that waits for ever."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import ROOT, run_program
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.training.processes import is_main_process, lost_process_as_user_error

TWO = ("trainer=ddp", "trainer.accelerator=cpu")
# Loaded by every Python that starts: notes which process opens for writing, renames and maps which file.
SPY = """
import os, sys

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        what, path = "write", arguments[0]
    elif event == "os.rename":
        what, path = "write", os.fspath(arguments[1])
    elif event == "mmap.__new__" and arguments[0] > 0:
        what, path = "map", os.readlink(f"/proc/self/fd/{arguments[0]}")
    else:
        return
    rank = os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))
    if path != os.environ["NOTES"]:
        with open(os.environ["NOTES"], "a") as file:
            file.write(f"{rank} {what} {path}\\n")

sys.addaudithook(note)
"""


def job(collection: Path, place: Path, *overrides: str) -> tuple[str, ...]:
    """Seven batches an epoch, all of which two processes divide without a rest; no dropout, which each draws by itself."""
    data = (
        "model=neighborhood",
        "data=collection",
        f"data.dir={collection}",
        "data.split_sizes=[140,50,50]",
        "batch_size=20",
    )
    how = ("h=8", "epochs=3", "lr=1e-2", "dropout=0", "baseline=null")
    return (*data, *how, f"logs={place}/logs", f"cache={place}/cache", *overrides)


def run_folder(place: Path) -> Path:
    (folder,) = (path for path in (place / "logs").iterdir() if path.is_dir())
    return folder


def assert_same_result(ours: Path, theirs: Path) -> None:
    """The same but for the order in which float32 numbers were added up."""
    models = [load_model(run_folder(place) / "model")[0].state_dict() for place in (ours, theirs)]
    for name, weights in models[0].items():
        torch.testing.assert_close(weights, models[1][name], rtol=1e-4, atol=1e-5)
    curves = [list(csv.DictReader((run_folder(place) / "metrics.csv").open())) for place in (ours, theirs)]
    assert len(curves[0]) == len(curves[1]) == 3
    for mine, other in zip(*curves, strict=True):
        assert float(mine["train/loss"]) == pytest.approx(float(other["train/loss"]), rel=1e-5)
    scores = [np.load(run_folder(place) / "scores.npy") for place in (ours, theirs)]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)
    results = [json.loads((run_folder(place) / "results.json").read_text())["test"] for place in (ours, theirs)]
    assert results[0] == pytest.approx(results[1], abs=0.5)  # two scores that nearly tie may change places


@pytest.fixture(scope="module")
def one_process(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("one")
    done = run_program("train.py", *job(made_up, place), cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def spied(place: Path) -> dict[str, str]:
    """An environment in which every Python notes what it does with files in ``place``/notes."""
    (place / "sitecustomize.py").write_text(SPY)
    return {"PYTHONPATH": f"{place}:{os.environ.get('PYTHONPATH', '')}", "NOTES": str(place / "notes")}


def noted(place: Path) -> list[tuple[int, str, Path]]:
    """Who did what with which of the files below ``place``."""
    lines = [line.split(" ", 2) for line in (place / "notes").read_text().splitlines()]
    return [(int(rank), what, Path(path)) for rank, what, path in lines if path.startswith(str(place))]


def assert_one_writer(place: Path) -> None:
    """The first process alone wrote below ``place``, each list once; both mapped every list."""
    notes = noted(place)
    lists = set((place / "cache").glob("*.npy"))
    assert len(lists) == 4  # the fourth, for the probabilities with an archive, is of the first process
    assert {rank for rank, what, _ in notes if what == "write"} == {0}
    written = [path for _, what, path in notes if what == "write"]
    assert run_folder(place) / "results.json" in written
    assert all(written.count(path) == 1 for path in lists)
    for rank, least in ((0, 4), (1, 3)):
        assert len(lists & {path for number, what, path in notes if (number, what) == (rank, "map")}) >= least


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which file is mapped")
def test_two_processes_end_like_one_and_the_first_alone_writes(
    made_up: Path, tmp_path: Path, one_process: Path
) -> None:
    done = run_program("train.py", *job(made_up, tmp_path), *TWO, cwd=tmp_path, **spied(tmp_path))
    assert done.returncode == 0, done.stderr
    assert_same_result(tmp_path, one_process)
    assert_one_writer(tmp_path)


def started(arguments: tuple[str, ...], place: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=place,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which file is mapped")
def test_two_nodes_end_like_one_process(made_up: Path, tmp_path: Path, one_process: Path) -> None:
    """Two nodes that share a folder, both of them this machine."""
    command = (str(ROOT / "train.py"), *job(made_up, tmp_path), *TWO, "trainer.devices=1", "trainer.num_nodes=2")
    port, environment, nodes = free_port(), spied(tmp_path), []
    for node in (0, 1):
        ours = {"NODE_RANK": str(node), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        # At first only the node has a number, and the spy goes by the number of the process.
        nodes.append(started(command, tmp_path, **environment, **ours, **({"RANK": "1"} if node else {})))
    try:
        said = [node.communicate(timeout=300) for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], "".join(errors for _, errors in said)
    assert_same_result(tmp_path, one_process)
    assert_one_writer(tmp_path)


@pytest.mark.slow
def test_a_killed_process_ends_the_other_with_a_sentence_and_both_go_on_later(made_up: Path, tmp_path: Path) -> None:
    long = (*TWO, "dropout=0.5", "epochs=60", "trainer.enable_progress_bar=false")
    first = started((str(ROOT / "train.py"), *job(made_up, tmp_path / "cut", *long)), tmp_path)
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "cut").glob("logs/*/last.ckpt")):
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(first.pid)], capture_output=True, text=True).stdout
        (second,) = children.split()
        os.kill(int(second), signal.SIGKILL)
        _, errors = first.communicate(timeout=60)
    finally:
        first.kill()
    assert first.returncode == 1
    assert errors.splitlines()[-1].startswith("train.py: another process of this run has ended")
    assert "Traceback" not in errors
    assert not (run_folder(tmp_path / "cut") / "results.json").exists()
    for place, how in (("cut", ("resume=true",)), ("uncut", ())):
        done = run_program("train.py", *job(made_up, tmp_path / place, *long, *how), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    folders = [run_folder(tmp_path / place) for place in ("cut", "uncut")]
    for name in ("metrics.csv", "scores.npy"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.parametrize(
    ("numbers", "main"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0"}, False),  # torchrun: the first process of the second node
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),  # a node started by hand, before it has started its processes
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_the_first_process_of_the_first_node_is_the_main_one(
    monkeypatch: pytest.MonkeyPatch, numbers: dict[str, str], main: bool
) -> None:
    for number in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(number, raising=False)
    for number, value in numbers.items():
        monkeypatch.setenv(number, value)
    assert is_main_process() is main


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer"), True),
        (torch.distributed.DistBackendError("NCCL error: remote process exited"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("gloo"), False),
    ],
)
def test_only_lost_process_as_user_error_as_one(error: Exception, told: bool) -> None:
    expected: Any = UserError if told else type(error)
    with pytest.raises(expected) as raised, lost_process_as_user_error():
        raise error
    assert (raised.value is error) is not told
