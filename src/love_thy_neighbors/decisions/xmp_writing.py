"""Approved labels written into the sidecars of their pictures, one sidecar after the other.

Each change is recorded in the journal, then made in one step. A killed process leaves no half sidecar, and the next one
goes on: what is in a sidecar already is not written again.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from love_thy_neighbors.annotation.files import Annotation
from love_thy_neighbors.decisions.encodings import from_utf8, to_utf8
from love_thy_neighbors.decisions.journal import DONE, VOID, Journal, as_json, inverse_as_json
from love_thy_neighbors.decisions.keywords import Found, Mark, found_in, last_part, why_not_writable
from love_thy_neighbors.decisions.listing import Entry, Listing
from love_thy_neighbors.decisions.merging import Added, chosen, merged, new_packet
from love_thy_neighbors.decisions.packet import read_packet
from love_thy_neighbors.decisions.reading import Decision
from love_thy_neighbors.decisions.refusals import SidecarError
from love_thy_neighbors.decisions.sidecars import (
    Sidecars,
    content_of,
    hash_of,
    replace_content,
    require_writable,
    target_of,
)
from love_thy_neighbors.decisions.splices import Splice, apply, inverse
from love_thy_neighbors.progress import progress_bar


@dataclass(frozen=True)
class Plan:
    """What becomes of a sidecar. content: its new bytes; the old ones if ``added`` is empty, None if there is no file.

    inverse: the splices that give back the old bytes. present, removed: see `merging.chosen`. refused: marks of 'no'
    whose keyword is there.
    """

    content: bytes | None
    added: list[Added]
    inverse: list[Splice]
    present: list[Mark]
    removed: list[Mark]
    refused: list[Mark]


def planned(content: bytes | None, yes: Sequence[Mark], no: Sequence[Mark]) -> Plan:
    """What writing ``yes`` makes of a sidecar; raises `SidecarError` if it cannot be read or changed safely."""
    if content is None:
        nothing = Found([], [], [])
        added, present, removed = chosen(nothing, yes)
        new = new_packet(added)
        _check(new, nothing, added)
        return Plan(new if added else None, added, [], present, removed, [])
    text, encoding = to_utf8(content)
    packet = read_packet(text)
    found = found_in(packet)
    added, present, removed = chosen(found, yes)
    splices = merged(packet, added) if added else []
    changed = apply(text, splices)
    _check(changed, found, added)
    refused = [mark for mark in no if found.has(mark.keyword)]
    return Plan(from_utf8(changed, encoding), added, inverse(splices), present, removed, refused)


def _check(changed: bytes, before: Found, added: Sequence[Added]) -> None:
    """Read what is about to be written: it must be XML with the keywords of before and the added ones."""
    after = found_in(read_packet(changed))
    wanted = [last_part(one.mark.keyword) for one in added if one.subject]
    if Counter(after.subject) != Counter(before.subject + wanted) or len(after.marks) != len(before.marks) + len(added):
        raise SidecarError("the sidecar has keywords in a form that cannot be changed safely")


@dataclass(frozen=True)
class XmpWriter:
    """Writes the decisions on an annotation; ``journal`` is None in a dry run.

    vocabulary: keywords of labels, see `vocabulary.read_vocabulary`.
    """

    annotation: Annotation
    sidecars: Sidecars
    vocabulary: Mapping[str, str]
    listing: Listing
    journal: Journal | None

    def write(self, decisions: Sequence[Decision]) -> None:
        """Write what was decided 'yes'; list what was decided 'no' and is there."""
        of_photo: dict[int, list[Decision]] = defaultdict(list)
        for one in decisions:
            if one.decision != "later":
                of_photo[one.photo].append(one)
        files = self.annotation.photos["file"].to_pylist()
        with progress_bar("sidecars", len(of_photo)) as advance:
            for photo, found in of_photo.items():
                self._write_photo(files[photo], found)
                advance(1)
        if self.sidecars.others:
            self.listing.notes.append(
                f"{self.sidecars.others:,} of the photos have a sidecar named p.xmp; naming=replace writes there."
            )

    def _write_photo(self, file: str | None, decisions: Sequence[Decision]) -> None:
        yes, no = self._marks(file or "", decisions)
        if not yes and not no:
            return
        sidecar = file or ""
        try:
            if file is None:
                raise SidecarError("the photo has no file in the annotation")
            sidecar = self.sidecars.of(file)
            plan = self._change(sidecar, yes, no)
        except (SidecarError, OSError) as error:
            for mark in yes:
                self.listing.add(Entry(sidecar, "skip", mark.label, mark.keyword, str(error)))
            return
        kinds = {"write": [one.mark for one in plan.added], "there": plan.present}
        kinds |= {"removed since": plan.removed, "no, but there": plan.refused}
        for what, marks in kinds.items():
            for mark in marks:
                self.listing.add(Entry(sidecar, what, mark.label, mark.keyword))

    def _marks(self, file: str, decisions: Sequence[Decision]) -> tuple[list[Mark], list[Mark]]:
        """The marks of 'yes' and of 'no'; labels that are not to be written, or cannot be, are listed."""
        about, now = self.annotation.about, datetime.now(UTC).isoformat(timespec="seconds")
        found: dict[str, list[Mark]] = {"yes": [], "no": []}
        for one in decisions:
            keyword = "|".join(part.strip() for part in self.vocabulary.get(one.label, one.label).split("|"))
            why = why_not_writable(keyword) or why_not_writable(one.label.replace("|", " ")) if keyword else None
            if one.decision == "yes" and (not keyword or why):
                what, reason = ("skip", f"the label {why}") if why else ("left out", "")
                self.listing.add(Entry(file, what, one.label, keyword, reason))
            elif keyword:
                found[one.decision].append(Mark(one.label, keyword, about.model, about.run, one.decided or now))
        return found["yes"], found["no"]

    def _change(self, sidecar: str, yes: Sequence[Mark], no: Sequence[Mark]) -> Plan:
        root = self.sidecars.root
        path = target_of(root, sidecar)
        content = content_of(path)
        plan = planned(content, yes, no)
        if not plan.added:
            return plan
        require_writable(path)
        if self.journal is None:
            return plan
        more = {"added": as_json(plan.added), "inverse": inverse_as_json(plan.inverse)}
        number = self.journal.begin("write", root, sidecar, hash_of(content), hash_of(plan.content), **more)
        try:
            replace_content(path, plan.content)
        except SidecarError:
            self.journal.end(number, VOID)
            raise
        self.journal.end(number, DONE)
        return plan
