"""decoding.py: any number of processes gives the same batches, and no process is left at the end."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones.preprocessing import Preprocessing
from love_thy_neighbors.features.decoding import Batch, Decoding, decoded_batches


def pictures(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return paths


def batches(files: list[Path], folder: Path, workers: int, done: int = 0) -> list[Batch]:
    folder.mkdir()
    return list(decoded_batches(files, done, 3, Decoding(Preprocessing().at(16), "crop", 10_000, folder, 20), workers))


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_processes_gives_the_same_batches(workers: int, tmp_path: Path) -> None:
    files = pictures(tmp_path, 20)
    files[4].write_bytes(b"no picture")
    files[13] = tmp_path / "none.png"
    here = batches(files, tmp_path / "here", workers=0, done=3)
    there = batches(files, tmp_path / "there", workers, done=3)
    assert [rows for rows, _, _ in here] == [range(i, min(i + 3, 20)) for i in range(3, 20, 3)]
    for (rows, pixels, reasons), (same_rows, same_pixels, same_reasons) in zip(here, there, strict=True):
        assert (rows, reasons) == (same_rows, same_reasons)
        np.testing.assert_array_equal(pixels, same_pixels)
    assert {row for _, _, reasons in here for row in reasons} == {4, 13}
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == sorted(f"{row}.webp" for row in range(3, 20) if row not in (4, 13))
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_a_process_that_dies_is_an_error_that_names_its_picture(tmp_path: Path) -> None:
    files = pictures(tmp_path, 12)
    files[7].unlink()
    os.mkfifo(files[7])  # opening it blocks for ever
    how = Decoding(Preprocessing().at(16), "crop", 10_000, tmp_path, 20)
    coming = decoded_batches(files, 0, 3, how, workers=1)
    assert next(coming)[0] == range(0, 3)
    while not (tmp_path / "6.webp").exists():
        time.sleep(0.01)
    for process in multiprocessing.active_children():
        process.kill()
    assert next(coming)[0] == range(3, 6)
    with pytest.raises(UserError) as caught:
        next(coming)
    assert str(caught.value).startswith("workers: ")
    named = set(re.findall(re.escape(str(tmp_path)) + r"/\d+\.png", str(caught.value)))
    assert str(files[7]) in named
    assert len(named) <= 2


def test_nothing_to_decode(tmp_path: Path) -> None:
    assert batches([], tmp_path / "a", workers=2) == []
    assert batches(pictures(tmp_path, 3), tmp_path / "b", workers=2, done=3) == []


def test_a_worker_does_not_load_torch() -> None:
    code = "import love_thy_neighbors.features.decoding, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Decodes without end, and prints when it has begun.
PROGRAM = """
import signal, sys
from pathlib import Path
from love_thy_neighbors.features.backbones.preprocessing import Preprocessing
from love_thy_neighbors.features.decoding import Decoding, decoded_batches

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job, as pytest may be, ignores it
    files = [Path(sys.argv[1])] * 1_000_000
    try:
        for _ in decoded_batches(files, 0, 4, Decoding(Preprocessing(), "crop", 10**8, None, 0), 2):
            print("begun", flush=True)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.fixture
def running(tmp_path: Path) -> subprocess.Popen[str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(pictures(tmp_path, 1)[0])]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.mark.parametrize("when", ["decoding", "starting"])
def test_ctrl_c_ends_all_processes_without_a_traceback(running: subprocess.Popen[str], when: str) -> None:
    assert running.stdout is not None
    if when == "decoding":
        assert running.stdout.readline() == "begun\n"
    else:
        while len(members(running.pid)) < 3:  # the program, and one process at least with multiprocessing's own
            time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does, to the workers too
    out, err = running.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted"
    assert err == ""
    assert_gone(running.pid)


def test_the_processes_end_when_the_program_is_killed(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    running.kill()
    running.communicate(timeout=60)  # the workers hold the other end of these pipes
    assert_gone(running.pid)


def assert_gone(group: int) -> None:
    deadline = time.monotonic() + 60  # multiprocessing's own process ends a moment after the program
    while members(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert members(group) == []


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, member_of = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has ended meanwhile
            continue
        if int(member_of) == group and state != "Z":
            found.append(int(folder.name))
    return found
