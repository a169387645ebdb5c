"""Entries of a source that cannot be used: the first one stops the program, or each is listed with its reason."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from love_thy_neighbors.errors import UserError


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
    'stop' or 'skip'. ``reasons`` has the reason for each unusable entry by its number, from 1.
    """

    where: str
    word: str
    on_error: str
    reasons: dict[int, str] = field(default_factory=dict)

    def refuse(self, number: int, reason: str) -> None:
        """Note an unusable entry; raises `UserError` with on_error=stop."""
        if self.on_error == "stop":
            raise self.error(number, reason)
        self.reasons[number] = reason

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
    general = reason.split(" (")[0]
    named = re.fullmatch(r"has the (file|feature row|features) .*?, (?:which )?([^',]+)", general, re.DOTALL)
    return (f"{named[1]}: {named[2]}" if named else general).split("'")[0].strip()
