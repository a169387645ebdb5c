"""Remembers which files of a collection have been read and found in order, so that a start need not read them again.

For each file the cache folder has ``checked/<hash of its path>.json`` with its size, inode, times of change, and the
hash that the card declares. If any of them has changed, or the memory cannot be read, the file is checked again.

What this cannot notice: content that changes while size, inode and both times stay the same, as by a faulty disk, or by
a clock that was set back. Deleting the folder ``checked`` makes the next start read everything.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.plain_json import read_json

FORMAT = 1
# A file that is younger is not remembered: a clock may give a second change the time of the first.
_SETTLED = 2_000_000_000  # nanoseconds


@dataclass(frozen=True)
class Memory:
    """The cache folder in which it is remembered what is known of a collection.

    writes: False for a process that only uses what others have remembered. Of the processes of one run, one writes.
    """

    folder: Path
    writes: bool = True


def check_once(path: Path, declared: str | None, memory: Memory | None, check: Callable[[], None]) -> None:
    """Call ``check``, which raises an error if something is wrong with ``path``, unless it has passed before.

    declared: the hash that the file should have; with another one it is checked again. memory: None to
    check always. The file must exist. What cannot be written is left out.
    """
    if memory is None:
        check()
        return
    path = path.resolve()
    name = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    note = memory.folder / "checked" / f"{name}.json"
    state = _state(path, declared)
    if _remembered(note) == state:
        return
    since = time.time_ns()
    check()
    settled = state == _state(path, declared) and max(state["changed_ns"]) < since - _SETTLED
    if settled and memory.writes:
        with suppress(OSError, ValueError):  # the check is then done again; ValueError: a path that is not UTF-8
            write_json(note, state)


def _state(path: Path, declared: str | None) -> dict[str, Any]:
    """What tells the file from another one, or from itself before a change."""
    found = path.stat()
    return {
        "format": FORMAT,
        "path": str(path),
        "sha256": declared,
        "bytes": found.st_size,
        "inode": [found.st_dev, found.st_ino],
        "changed_ns": [found.st_mtime_ns, found.st_ctime_ns],  # nobody can set the second one
    }


def _remembered(note: Path) -> Any:
    try:
        return read_json(note)
    except (OSError, ValueError):
        return None
