"""The journal of an annotation folder: each change of a sidecar, recorded before it is made.

``journal.jsonl`` has one JSON object a line and only grows. A change is a line that says what there was, what is added
and what there will be (as SHA-256 of the sidecar, null for no file); a second line says that it is done, or void. So a
process can be killed at any moment: the next one compares the sidecar with both hashes and knows.

    {"number": 7, "change": "write", "root": "/photos", "file": "2019/p.jpg.xmp", "before": null, "after": "9f...",
     "added": [{"label": "sea", "keyword": "sea", "model": ..., "run": ..., "date": ..., "subject": true}],
     "inverse": [[place, text to remove, text to put there], ...]}
    {"number": 7, "state": "done"}
    {"number": 8, "change": "undo", "root": ..., "file": ..., "before": "9f...", "after": null, "undone": [7]}
    {"number": 8, "state": "done"}

``inverse`` gives back the bytes of before; its places count the bytes of the sidecar in UTF-8.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from love_thy_neighbors.decisions.keywords import MARK_FIELDS, Mark
from love_thy_neighbors.decisions.merging import Added
from love_thy_neighbors.decisions.splices import Splice
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.plain_json import parse_json

JOURNAL = "journal.jsonl"
_LOCK = ".journal.lock"
_BEGIN = b'{"number": '  # of every line
PENDING, DONE, VOID, UNDONE = "pending", "done", "void", "undone"


@dataclass
class Change:
    """A change of one sidecar. added, inverse: of a write. undone: numbers of the writes that an undo takes back.

    state: pending until a second line is there; done; void if it did not happen; undone if an undo took it back.
    """

    number: int
    change: str
    root: str
    file: str
    before: str | None
    after: str | None
    added: tuple[Added, ...] = ()
    inverse: tuple[Splice, ...] = ()
    undone: tuple[int, ...] = ()
    state: str = PENDING


class Journal:
    """The journal of ``folder``, and its changes by number; lines are added with `begin` and `end`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self.changes: dict[int, Change] = {}
        for number, line in enumerate(_whole_lines(self.path), 1):
            try:
                self._take(parse_json(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UserError(
                    f"{self.path}, line {number}: is not a line of a journal ({type(error).__name__}: {error}); put "
                    "back the file as annotate.py wrote it."
                ) from None

    def _take(self, values: dict[str, Any]) -> None:
        """Take in a line of the file."""
        if "state" in values:
            change = self.changes[values["number"]]
            change.state = values["state"]
            for number in change.undone if change.state == DONE else ():
                self.changes[number].state = UNDONE
            return
        fields = {name: values[name] for name in ("number", "change", "root", "file", "before", "after")}
        self.changes[values["number"]] = Change(
            **fields,
            added=tuple(
                Added(Mark(*(str(one[name]) for name in MARK_FIELDS)), bool(one["subject"]))
                for one in values.get("added", ())
            ),
            inverse=tuple(
                Splice(int(place), removed.encode(), inserted.encode())
                for place, removed, inserted in values.get("inverse", ())
            ),
            undone=tuple(int(number) for number in values.get("undone", ())),
        )

    def begin(self, change: str, root: Path, file: str, before: str | None, after: str | None, **more: Any) -> int:
        """Record a change that is about to be made, on the disk itself; returns its number."""
        number = next(reversed(self.changes), 0) + 1  # numbers grow
        values = {"number": number, "change": change, "root": str(root), "file": file, "before": before, "after": after}
        self._append(values | more, fsync=True)
        return number

    def end(self, number: int, state: str) -> None:
        """Record that a change is DONE or VOID. If this line is lost, the hashes tell the same."""
        self._append({"number": number, "state": state}, fsync=False)

    def _append(self, values: dict[str, Any], fsync: bool) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(values, ensure_ascii=True).encode() + b"\n")
                file.flush()
                if fsync:
                    os.fsync(file.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        self._take(values)


def as_json(added: Sequence[Added]) -> list[dict[str, Any]]:
    return [asdict(one.mark) | {"subject": one.subject} for one in added]


def inverse_as_json(splices: Sequence[Splice]) -> list[tuple[int, str, str]]:
    return [(one.start, one.removed.decode(), one.inserted.decode()) for one in splices]


def _whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of the file without a last one that was cut off, as nothing had been done yet."""
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


@contextmanager
def opened_journal(folder: Path) -> Iterator[Journal]:
    """The journal of ``folder`` for writing, for one process at a time; a last line that was cut off is removed."""
    if (folder / JOURNAL).is_symlink():
        raise UserError(f"{folder / JOURNAL}: is a link, and would be written through; put the file itself there.")
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{folder}: another process writes or undoes this annotation; wait for it.") from None
    except OSError as error:
        raise _cannot_write(folder / JOURNAL, error) from None
    try:
        journal = Journal(folder)  # refuses a foreign file before its last line is removed
        _cut(folder / JOURNAL)
        yield journal
    finally:
        lock.release()


def _cut(path: Path) -> None:
    """Remove a last line of ours that was cut off."""
    try:
        if path.exists():
            with path.open("rb+") as file:
                whole, rest = 0, b""
                for line in file:
                    whole, rest = (whole + len(line), b"") if line.endswith(b"\n") else (whole, line)
                if rest[: len(_BEGIN)] != _BEGIN[: len(rest)]:
                    raise UserError(f"{path}: does not end like a journal; put back the file as annotate.py wrote it.")
                file.truncate(whole)
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written ({error.strerror}), and nothing is changed without it; correct this.")
