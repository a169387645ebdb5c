"""Written labels taken back: ``python annotate.py undo=annotations/spring``.

A sidecar that nobody has changed since becomes what it was, byte for byte; one that we made and that has nothing else
is deleted. In a sidecar that was changed since, the entries that were added are removed; see removing.py. A keyword
whose mark is gone may be a person's, or of a program that has written the sidecar anew: it stays and is listed.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.annotation.files import read_about
from love_thy_neighbors.decisions.encodings import from_utf8, to_utf8
from love_thy_neighbors.decisions.journal import DONE, PENDING, VOID, Change, Journal, opened_journal
from love_thy_neighbors.decisions.keywords import found_in
from love_thy_neighbors.decisions.listing import Entry, Listing
from love_thy_neighbors.decisions.merging import Added
from love_thy_neighbors.decisions.packet import read_packet
from love_thy_neighbors.decisions.recovery import settle
from love_thy_neighbors.decisions.refusals import SidecarError
from love_thy_neighbors.decisions.removing import removal
from love_thy_neighbors.decisions.sidecars import content_of, hash_of, replace_content, require_writable, target_of
from love_thy_neighbors.decisions.splices import apply
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.progress import progress_bar

_PENDING = "its writing was cut off, and it is not known yet whether it was done"
LISTS = {True: "would-undo.csv", False: "undone.csv"}


@dataclass(frozen=True)
class Undone:
    """What a sidecar becomes: content None for no file.

    edited: whether somebody had changed it since. unsure: what has lost its mark, so it may be a person's: it stays.
    """

    content: bytes | None
    edited: bool = False
    unsure: tuple[Added, ...] = ()


def undo(folder: Path, *, dry_run: bool = True, photos: Path | None = None) -> Listing:
    """Take back all labels that were written from the annotation in ``folder``, as its journal says; prints what.

    photos: where the photos' folder is now, if it was moved. A sidecar that cannot be changed now is listed with the
    reason and can be undone later. Raises `UserError` if there is no annotation, or if the photos' folder is missing.
    """
    read_about(folder)
    listing = Listing(folder / LISTS[dry_run], dry_run)
    listing.check_place()
    if dry_run:
        _undo_all(Journal(folder), listing, dry_run, photos)
    else:
        with opened_journal(folder) as journal:
            settle(journal, photos)
            _undo_all(journal, listing, dry_run, photos)
    listing.finish("undo")
    return listing


def _undo_all(journal: Journal, listing: Listing, dry_run: bool, photos: Path | None) -> None:
    of_sidecar: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in journal.changes.values():
        if change.change == "write" and change.state == DONE:
            of_sidecar[str(photos or change.root), change.file].append(change)
        elif change.change == "write" and change.state == PENDING:
            for one in change.added:
                listing.add(Entry(change.file, "skip", one.mark.label, one.mark.keyword, _PENDING))
    for root in {root for root, _ in of_sidecar}:
        if not Path(root).is_dir():
            raise UserError(f"{root} is not a folder, but labels were written there; give photos=FOLDER.")
    with progress_bar("undoing", len(of_sidecar)) as advance:
        for (root, file), writes in of_sidecar.items():
            try:
                found = _undo_one(journal, Path(root), file, writes, dry_run)
                unsure, what, reason = Counter(found.unsure), "undo", "was changed since" if found.edited else ""
            except (SidecarError, OSError) as error:
                unsure, what, reason = Counter(), "skip", str(error)
            for one in (one for write in writes for one in write.added):
                is_unsure = unsure[one] > 0
                unsure[one] -= is_unsure
                kind = "mark is gone" if is_unsure else what
                listing.add(Entry(file, kind, one.mark.label, one.mark.keyword, "" if is_unsure else reason))
            advance(1)


def _undo_one(journal: Journal, root: Path, file: str, writes: Sequence[Change], dry_run: bool) -> Undone:
    """Take back ``writes``, oldest first, of one sidecar."""
    path = target_of(root, file)
    content = content_of(path)
    if content is None:
        raise SidecarError("the sidecar is not there any more")
    require_writable(path)
    found = undone(content, writes)
    if not dry_run:
        hashes = hash_of(content), hash_of(found.content)
        number = journal.begin("undo", root, file, *hashes, undone=[write.number for write in writes])
        try:
            if found.content != content:
                replace_content(path, found.content)
        except SidecarError:
            journal.end(number, VOID)
            raise
        journal.end(number, DONE)
    return found


def undone(content: bytes, writes: Sequence[Change]) -> Undone:
    """What ``content`` is without ``writes``, oldest first; raises `SidecarError` if it cannot be read.

    The newest writes are taken back byte for byte as long as the bytes are those that they left. The labels of the
    others are removed from what is there.
    """
    left = list(writes)
    while left and hash_of(content) == left[-1].after:
        write = left.pop()
        if write.before is None:
            return Undone(None)
        text, encoding = to_utf8(content)
        content = from_utf8(apply(text, write.inverse), encoding)
        if hash_of(content) != write.before:
            raise SidecarError("the sidecar does not fit the journal, which was changed")
    if not left:
        return Undone(content)
    text, encoding = to_utf8(content)
    packet = read_packet(text)
    marks = Counter(found_in(packet).marks)
    ours: list[Added] = []
    unsure: list[Added] = []
    for one in (one for write in left for one in write.added):
        (ours if marks[one.mark] > 0 else unsure).append(one)
        marks[one.mark] -= 1
    found = removal(packet, ours)
    if found.holds_nothing and any(write.before is None for write in left):
        return Undone(None, True, tuple(unsure))
    return Undone(from_utf8(apply(text, found.splices), encoding), True, tuple(unsure))
