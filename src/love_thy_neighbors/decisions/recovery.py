"""Changes that a killed process has begun: whether they were made."""

from collections.abc import Sequence
from pathlib import Path

from love_thy_neighbors.decisions.encodings import to_utf8
from love_thy_neighbors.decisions.journal import DONE, PENDING, VOID, Change, Journal
from love_thy_neighbors.decisions.keywords import found_in
from love_thy_neighbors.decisions.merging import Added
from love_thy_neighbors.decisions.packet import read_packet
from love_thy_neighbors.decisions.refusals import SidecarError
from love_thy_neighbors.decisions.sidecars import content_of, hash_of, target_of
from love_thy_neighbors.ownership import remove_remains


def settle(journal: Journal, photos: Path | None = None) -> None:
    """End each pending change of ``journal`` as done or void. photos: where the photos' folder is, if it was moved.

    A change whose folder is missing, as that of a drive that is not connected, stays pending, and so does one whose
    sidecar cannot be read.
    """
    for change in [one for one in journal.changes.values() if one.state == PENDING]:
        try:
            path = target_of(photos or Path(change.root), change.file)
            remove_remains(path)
            journal.end(change.number, DONE if _was_made(journal, change, content_of(path)) else VOID)
        except (SidecarError, OSError):
            continue


def _was_made(journal: Journal, change: Change, content: bytes | None) -> bool:
    """Whether a change was made. If the sidecar is neither what it was nor what it should be, somebody has changed it
    since; then the marks of written labels tell."""
    if hash_of(content) in (change.before, change.after):
        return hash_of(content) == change.after
    if change.change == "write":
        return _has_marks(content, change.added)
    return not any(_has_marks(content, journal.changes[number].added) for number in change.undone)


def _has_marks(content: bytes | None, added: Sequence[Added]) -> bool:
    if content is None:
        return False
    marks = found_in(read_packet(to_utf8(content)[0])).marks
    return any(one.mark in marks for one in added)
