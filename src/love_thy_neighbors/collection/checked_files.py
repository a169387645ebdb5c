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
from pathlib import Path
from typing import Any

from love_thy_neighbors.atomic import write_json
from love_thy_neighbors.plain_json import read_json

FORMAT = 1
# A file that is younger is not remembered: a clock may give a second change the time of the first.
_SETTLED = 2_000_000_000  # nanoseconds


def check_once(path: Path, declared: str | None, cache: Path | None, check: Callable[[], None]) -> None:
    """Call ``check``, which raises an error if something is wrong with ``path``, unless it has passed before.

    declared: the hash that the file should have; with another one it is checked again. cache: the folder that keeps
    what is remembered; None to check always. The file must exist. A memory that cannot be written is left out.
    """
    if cache is None:
        check()
        return
    path = path.resolve()
    memory = cache / "checked" / f"{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
    state = _state(path, declared)
    if _remembered(memory) == state:
        return
    since = time.time_ns()
    check()
    if state == _state(path, declared) and max(state["changed_ns"]) < since - _SETTLED:
        with suppress(OSError, ValueError):  # the check is then done again; ValueError: a path that is not UTF-8
            write_json(memory, state)


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


def _remembered(memory: Path) -> Any:
    try:
        return read_json(memory)
    except (OSError, ValueError):
        return None
