"""prepare.py killed at each of its calls to the file system: the same command then ends as if nothing had happened."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# Processes are forked before Arrow starts threads. Python tells of each call to the file system before it is made.
PROGRAM = """
import os, shutil, sys
from pathlib import Path
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.jsonl import Options, read
from love_thy_neighbors.sources.prepare import make

here, case = Path(sys.argv[1]), sys.argv[2]
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.scandir", "os.listdir", "os.link"}

def prepare(records, replaced, last):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        if event in EVENTS and str(arguments[0]).startswith(str(here)):
            seen += 1
            if seen == last:
                os._exit(9)
    sys.addaudithook(hook)
    options = Options(records=here / records, features=here / "feats.npy")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    make(read, options, here / "f", replaced and case != "update", Extraction(), replaced and case == "update")

def child(work, *arguments):
    pid = os.fork()
    if pid == 0:
        try:
            work(*arguments)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def whole(*names):
    assert load_collection(here / "f").label_names in names
    assert (here / "notes.txt").read_text() == "mine"

kills = 0
while True:
    shutil.rmtree(here / "f", ignore_errors=True)
    if case != "new":
        assert child(prepare, "old.jsonl", False, 0) == 0
    before = {*os.listdir(here)} - {"f"}
    status = child(prepare, "new.jsonl", case != "new", kills + 1)
    if (here / "f").exists():
        assert child(whole, ("old",), ("new",)) == 0, kills
    if status == 0:
        break
    assert status == 9, (kills, status)
    kills += 1
    again = case != "new" or (here / "f").exists()  # the last calls come after the collection is there
    assert child(prepare, "new.jsonl", again, 0) == 0, kills
    assert child(whole, ("new",)) == 0, kills
    assert {*os.listdir(here)} - {"f"} == before, (kills, os.listdir(here))
print(kills)
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", ["new", "overwrite", "update"])
def test_a_kill_at_any_call_leaves_nothing_half_and_nothing_behind(tmp_path: Path, case: str) -> None:
    for name in ("old", "new"):
        records = [{"id": str(number), "labels": [name], "tags": ["x"]} for number in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    (tmp_path / "notes.txt").write_text("mine")
    np.save(tmp_path / "feats.npy", np.eye(3, 4, dtype=np.float32))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), case], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
