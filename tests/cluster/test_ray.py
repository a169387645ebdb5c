"""engine=ray on this machine: the same lists and features, also if processes are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from conftest import ROOT, made_up_table, run_program, write_made_up

pytest.importorskip("ray")

import ray

from love_thy_neighbors.cluster.engine import LOCAL, Engine
from love_thy_neighbors.cluster.ray_workers import TRIES, run_on_cluster
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.extraction import extract_features
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.neighbors.list_files import write_lists
from love_thy_neighbors.neighbors.lists import NeighborQuery, list_file

RAY = Engine("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of two cores for this process; no process of it is left at the end."""
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import it
    started = psutil.Process().children(recursive=True)
    yield
    ray.shutdown()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not [process for process in alive if "ray" in " ".join(process.cmdline())]


@pytest.mark.parametrize("kind", ["tags", "sets", "visual"])
def test_lists_equal_the_local_engines_bit_for_bit(cluster: None, made_up: Path, tmp_path: Path, kind: str) -> None:
    from love_thy_neighbors.collection.loading import load_collection
    from love_thy_neighbors.splits import make_split

    collection = load_collection(made_up)
    split = make_split(collection.labels, (0.6, 0.2, 0.2), 0)
    query = NeighborQuery(kind, None, "split")
    here = list_file(collection, split, query, 6, "train", tmp_path / "here", LOCAL, 50)
    there = list_file(collection, split, query, 6, "train", tmp_path / "there", RAY, 31)
    assert here.name == there.name
    assert here.read_bytes() == there.read_bytes()
    assert not list(tmp_path.glob("*/*.blocks"))


def dying(marks: str) -> object:
    """Work that kills its own process at block 4, once for each file in the folder ``marks``."""

    def work(block: range) -> tuple[int, int]:
        if block.start == 4 and (left := sorted(Path(marks).iterdir())):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return block.start, os.getpid()

    return work


BLOCKS = [range(start, start + 2) for start in range(0, 20, 2)]


@pytest.mark.parametrize("deaths", [1, TRIES - 1])
def test_another_worker_gets_the_block_of_a_killed_one(cluster: None, tmp_path: Path, deaths: int) -> None:
    for number in range(deaths):
        (tmp_path / str(number)).touch()
    done = list(run_on_cluster(RAY, dying, str(tmp_path), BLOCKS))
    assert sorted(block.start for block, _ in done) == [block.start for block in BLOCKS]
    assert all(found == block.start for block, (found, _) in done)
    assert not list(tmp_path.iterdir())


def test_a_block_that_kills_every_worker_is_one_sentence(cluster: None, tmp_path: Path) -> None:
    for number in range(TRIES + 1):
        (tmp_path / str(number)).touch()
    with pytest.raises(UserError, match=rf"engine=ray: {TRIES} workers died at rows 4 to 5 .*memory ran out"):
        list(run_on_cluster(RAY, dying, str(tmp_path), BLOCKS))


def test_a_table_that_a_worker_does_not_see_is_one_sentence(cluster: None, tmp_path: Path) -> None:
    from love_thy_neighbors.neighbors.euclidean import euclidean_search

    np.save(tmp_path / "table.npy", np.eye(8, dtype=np.float16))
    rows = np.arange(8)
    search = euclidean_search(np.load(tmp_path / "table.npy", mmap_mode="r"), rows, rows, 3)
    (tmp_path / "table.npy").unlink()
    with pytest.raises(UserError, match=r"table.npy: cannot be read on .*; visual neighbours need the collection"):
        write_lists(tmp_path / "lists.npy", search, "visual", RAY, 4)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Thirty pictures, and one damaged file among them."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(31)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    paths[14].write_text("no picture")
    return paths


def test_features_thumbnails_and_rejects_equal_the_local_engines(
    cluster: None, pictures: list[Path], tmp_path: Path
) -> None:
    how = Extraction(size=32, batch_size=2, workers=0, device="cpu", thumbnail=16)
    here = extract_features(pictures, how, tmp_path / "here")
    there = extract_features(pictures, replace(how, engine=RAY), tmp_path / "there")
    np.testing.assert_array_equal(here.table, there.table)
    assert here.rejected == there.rejected
    assert list(there.rejected) == [14]
    assert here.card == there.card
    assert here.thumbnails is not None
    assert there.thumbnails is not None
    small = [{path.name: path.read_bytes() for path in found.thumbnails.iterdir()} for found in (here, there)]  # type: ignore[union-attr]
    assert small[0] == small[1]
    assert len(small[0]) == 30


def test_finished_blocks_are_not_extracted_again(
    cluster: None, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = Extraction(size=32, batch_size=2, workers=0, device="cpu", thumbnail=16, engine=RAY)
    from love_thy_neighbors.features import on_ray as module

    whole = extract_features(pictures, replace(how, engine=LOCAL), tmp_path / "whole")
    finished = []

    def cut_off(*given: object) -> Iterator[object]:
        for rows in given[3]:  # type: ignore[attr-defined]
            if rows.start != 0 and len(finished) < 1:  # the second block alone, then the program is cut off
                yield from run_on_cluster(*given[:3], [rows], *given[4:])  # type: ignore[arg-type]
                finished.append(rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_on_cluster", cut_off)
    with pytest.raises(KeyboardInterrupt):
        extract_features(pictures, how, tmp_path / "cut")
    asked: list[range] = []

    def counting(*given: object) -> Iterator[object]:
        asked.extend(given[3])  # type: ignore[call-overload]
        return run_on_cluster(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run_on_cluster", counting)
    found = extract_features(pictures, how, tmp_path / "cut")
    assert finished == [range(16, 31)]
    assert asked == [range(0, 16)]
    np.testing.assert_array_equal(found.table, whole.table)
    assert found.rejected == whole.rejected


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_up(tmp_path_factory.mktemp("large") / "collection", *made_up_table(20_000))


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children(recursive=True) if "_Worker" in " ".join(child.cmdline())]


def wait_for(blocks: int, cache: Path, process: "subprocess.Popen[bytes]") -> dict[Path, tuple[int, int]]:
    """Wait for a number of block files; returns their inodes and times."""
    until = time.monotonic() + 60
    while len(there := list(cache.glob("*.blocks/0*.npy"))) < blocks:
        assert process.poll() is None, "it has ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.01)
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in there if path.exists()}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_killed_processes_change_no_list_and_lose_no_finished_block(large: Path, tmp_path: Path, engine: str) -> None:
    command = ["data=collection", f"data.dir={large}", "metadata=groups", "block=4", f"cache={tmp_path}/cut"]
    whole = run_program("neighbors.py", *command[:3], f"cache={tmp_path}/whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    kept: dict[Path, tuple[int, int]] = {}
    started: list[psutil.Process] = []
    for more in (100, 300):
        program = [sys.executable, str(ROOT / "neighbors.py"), *command, f"engine={engine}"]
        process = subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        there = wait_for(more, tmp_path / "cut", process)
        assert kept.items() <= there.items()
        if engine == "ray":
            before = {worker.pid for worker in workers_of(psutil.Process(process.pid))}
            assert before
            os.kill(min(before), signal.SIGKILL)
            there = wait_for(len(there) + 100, tmp_path / "cut", process)  # the others continue
        started += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        kept = there
    done = run_program("neighbors.py", *command, f"engine={engine}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lists = [{path.name: path.read_bytes() for path in (tmp_path / f).glob("*.npy")} for f in ("whole", "cut")]
    assert lists[0] == lists[1]
    assert len(lists[0]) == 3
    assert not list(tmp_path.glob("cut/*.blocks"))
    _, alive = psutil.wait_procs(started, timeout=150)  # two of Ray's agents first try for a minute to report the end
    assert not alive
