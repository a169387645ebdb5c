"""Writing and undoing killed at 20 moments that nobody chose: the end is that of a process that was not killed."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.decided import Decided, write_decided
from love_thy_neighbors.decisions.encodings import to_utf8
from love_thy_neighbors.decisions.packet import read_packet

PHOTOS = 120
KILLS = 20
PROGRAM = """
import sys
from pathlib import Path
from love_thy_neighbors.decisions.undo import undo
from love_thy_neighbors.decisions.writing import write_decisions
what, folder, table = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
print("ready", flush=True)
if what == "write":
    write_decisions(folder, table, "xmp", dry_run=False)
else:
    undo(folder, dry_run=False)
"""


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    rows = [(number, label, "yes") for number in range(PHOTOS) for label in ("sea", "places|beach")]
    made = write_decided(tmp_path, PHOTOS).decide(*rows)
    made.put(range(0, PHOTOS, 2), "bridge")
    return made


def started(decided: Decided, what: str) -> subprocess.Popen[bytes]:
    """A process that is about to write or to undo."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what, str(decided.folder), str(decided.table)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def finished(decided: Decided, what: str) -> float:
    """Let a process end; returns the seconds that it took."""
    begin = time.monotonic()
    process = started(decided, what)
    begin = time.monotonic()
    process.communicate(timeout=300)
    assert process.returncode == 0
    return time.monotonic() - begin


@pytest.mark.slow
def test_killed_at_random_moments(decided: Decided) -> None:
    before = decided.contents()
    seconds = finished(decided, "write")
    whole = decided.contents()
    finished(decided, "undo")
    assert decided.contents() == before
    moments, cut_off = random.Random(0), 0
    for _ in range(KILLS):
        process = started(decided, moments.choice(["write", "undo"]))
        time.sleep(moments.uniform(0, seconds))
        process.kill()
        process.communicate()
        for name, content in decided.contents().items():
            if name.endswith(".xmp"):
                read_packet(to_utf8(content)[0])
                assert content in (before.get(name), whole[name]), name
            elif not name.endswith(".tmp"):
                assert content == before[name], name
        now = decided.contents()
        cut_off += any(now.get(name) != before.get(name) for name in whole) and any(
            now.get(name) != whole[name] for name in whole
        )
    assert cut_off  # some were killed between the first and the last sidecar
    finished(decided, "write")
    assert decided.contents() == whole
    finished(decided, "undo")
    assert decided.contents() == before
