"""Entries of a source that cannot be used: the first one stops the program, or each is listed with its reason."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from love_thy_neighbors.errors import UserError

_SHOWN_REASONS = 3  # in the error for too many unusable entries
# A reason that begins with a name, quoted as repr does it, or with the number of a row and a path.
_NAMED = re.compile(
    r"""has the (file|feature row|features) (?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|.*?), (?:which )?(.*)""", re.DOTALL
)


class RowError(Exception):
    """Why an entry of a source cannot be used; the message completes "line 3 ..."."""


def check_on_error(value: str) -> None:
    """Raise `UserError` unless ``value`` is stop or skip."""
    if value not in ("stop", "skip"):
        raise UserError(f"on_error: '{value}' is not known; use stop or skip.")


@dataclass
class Rejects:
    """The unusable entries of a source.

    ``where`` is the file or folder that an error names, ``word`` the name of an entry there ("line"), ``on_error``
    'stop' or 'skip'. With 'skip', the program stops when more than the share ``max_rejected`` of the source's
    ``total`` entries is unusable; the total is known after `check`. ``reasons`` has the reason for each unusable entry
    by its number, from 1.
    """

    where: str
    word: str
    on_error: str
    max_rejected: float = 1.0
    reasons: dict[int, str] = field(default_factory=dict)
    total: int | None = None

    def refuse(self, number: int, reason: str) -> None:
        """Note an unusable entry; raises `UserError` with on_error=stop, or if these are now too many."""
        if self.on_error == "stop":
            raise self.error(number, reason)
        self.reasons[number] = reason
        if self.total is not None:
            self.check(self.total)

    def check(self, total: int) -> None:
        """Say that there are ``total`` entries; raises `UserError` if too many of them are unusable."""
        self.total = total
        bad = len(self.reasons)
        if not total or bad <= self.max_rejected * total:
            return
        frequent = Counter(self.counted()).most_common(_SHOWN_REASONS)
        listed = "; ".join(f"{kind} ({count:,})" for kind, count in frequent)
        raise UserError(
            f"{self.where}: {self.share()} cannot be used, more than max_rejected={self.max_rejected:g} allows. Most "
            f"frequent reasons: {listed}. {self.first()}. Correct them, or give max_rejected= a larger share (1 is "
            "no limit)."
        )

    def share(self) -> str:
        """How many entries of how many are unusable."""
        bad = len(self.reasons)
        if not self.total:
            return f"{bad:,} {self.word}s"
        return f"{bad:,} of {self.total:,} {self.word}s ({100 * bad / self.total:.1f} %)"

    def first(self) -> str:
        """The first unusable entry and why; there must be one."""
        number = min(self.reasons)
        return f"The first is {self.word} {number}: {self.reasons[number]}"

    def error(self, number: int, reason: str) -> UserError:
        """The error for an unusable entry."""
        return UserError(
            f"{self.where}, {self.word} {number}: {reason}; correct it, or leave bad {self.word}s out with "
            "on_error=skip."
        )

    def empty(self) -> UserError:
        """The error if there is no usable entry."""
        bad = ""
        if self.reasons:
            first = min(self.reasons)
            bad = f" ({len(self.reasons)} bad {self.word}s, the first: {self.word} {first} {self.reasons[first]})"
        return UserError(f"{self.where}: holds no usable {self.word}{bad}; give at least one.")

    def as_lines(self) -> str:
        """The content of ``rejected.jsonl``: one JSON object for each unusable entry, with its number and reason."""
        entries = ({self.word: number, "reason": reason} for number, reason in sorted(self.reasons.items()))
        return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)

    def counted(self) -> dict[str, int]:
        """The number of unusable entries for each kind of reason."""
        return dict(Counter(_kind_of(reason) for reason in self.reasons.values()))


def _kind_of(reason: str) -> str:
    """A reason without names and numbers, so that similar reasons are counted together."""
    named = _NAMED.fullmatch(reason)
    general = f"{named[1]}: {named[2]}" if named else reason
    return re.split(r" \(|[;']|, more than", general)[0].strip()
