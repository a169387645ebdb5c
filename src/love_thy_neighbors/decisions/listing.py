"""What a write or an undo does, or would do, with each label: counted, printed in short, and listed in a file."""

import csv
import os
from collections import Counter
from dataclasses import astuple, dataclass, field
from pathlib import Path

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import remove_remains
from love_thy_neighbors.visible import one_line, say, visible

_SHOWN = 20  # files that are printed
_HEADINGS = ("file", "what", "label", "keyword", "reason")
_FIRST = ",".join(_HEADINGS).encode()
# What is done with a label, in the order of the lines that are printed: in a dry run, and otherwise.
_SENTENCES = {
    "write": ("would be written", "written"),
    "undo": ("would be taken back", "taken back"),
    "mark is gone": ("without their mark, so they may be a person's; remove them by hand if they are not",) * 2,
    "there": ("in their sidecar or table already",) * 2,
    "removed since": ("written before and removed by a person since; not written again",) * 2,
    "left out": ("left out by the vocabulary",) * 2,
    "no, but there": ("decided 'no', but in the sidecar; nothing is ever removed from there",) * 2,
    "given, but no": ("given by people, but decided 'no'; left out of the table",) * 2,
    "skip": ("would be skipped", "skipped"),
}


@dataclass(frozen=True)
class Entry:
    """A label of a file (a sidecar, or a picture whose sidecar is not known) and what is done with it; ``what`` is a
    key of `_SENTENCES`."""

    file: str
    what: str
    label: str
    keyword: str
    reason: str = ""


@dataclass
class Listing:
    """The entries of a write or an undo. path: the file that lists all of them. notes: more lines to print."""

    path: Path
    dry_run: bool
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check_place(self) -> None:
        """Raise `UserError` if another file stands where the list is to be written; ours is known by its first line.

        Deletes what a killed process has left of an earlier list.
        """
        remove_remains(self.path)
        if not os.path.lexists(self.path):
            return
        try:
            ours = not self.path.is_symlink() and self.path.open("rb").read(len(_FIRST)) == _FIRST
        except OSError:
            ours = False
        if not ours:
            raise UserError(f"{self.path}: is not a list of annotate.py, and would be replaced; move it away.")

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)

    @property
    def counts(self) -> dict[str, int]:
        """The number of labels of each kind."""
        return dict(Counter(entry.what for entry in self.entries))

    def finish(self, what: str) -> None:
        """Write the list and print counts, the first files, and where the rest is. what: 'write' or 'undo'."""
        with written_whole(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADINGS)
            writer.writerows(map(visible, astuple(entry)) for entry in self.entries)
        say("\n".join(map(one_line, self.lines(what))))

    def lines(self, what: str) -> list[str]:
        """The lines to print."""
        changed = {entry.file for entry in self.entries if entry.what == what}
        lines = ["Dry run: nothing is changed. With dry_run=false it is."] if self.dry_run else []
        for kind, (would, did) in _SENTENCES.items():
            found = [entry for entry in self.entries if entry.what == kind]
            if found or kind == what:
                files = len({entry.file for entry in found})
                done = would if self.dry_run else did
                lines.append(f"{_count(len(found), 'label')} in {_count(files, 'file')}: {done}")
        reasons = Counter(entry.reason for entry in self.entries if entry.what == "skip")
        lines += [f"  {count:,} because: {reason}" for reason, count in reasons.most_common(5)]
        edited = {entry.file for entry in self.entries if entry.what == "undo" and entry.reason}
        if edited:
            lines.append(
                f"{_count(len(edited), 'sidecar')} changed since: only our keywords and marks are removed. A keyword "
                "of ours that a person removed and set again cannot be told from ours, so it is removed, too."
            )
        lines += self.notes
        lines += [self._line(file, what) for file in list(dict.fromkeys(e.file for e in self.entries))[:_SHOWN]]
        if len({entry.file for entry in self.entries}) > _SHOWN or changed or reasons:
            lines.append(f"All of them: {self.path}")
        return lines

    def _line(self, file: str, what: str) -> str:
        """What happens to one file: '  2019/p.jpg.xmp: + sea, + beach'."""
        sign = {"write": "+ ", "undo": "- "}
        parts = []
        for entry in self.entries:
            if entry.file == file:
                kind = "" if entry.what == what else f" ({entry.reason or entry.what})"
                parts.append(f"{sign.get(entry.what, '')}{entry.keyword or entry.label}{kind}")
        return f"  {file}: {', '.join(parts)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
