"""Entries of a source that cannot be used: the first one ends everything, or each is listed with its reason."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from love_thy_neighbors.errors import UserError


class RowError(Exception):
    """Why an entry of a source cannot be used; the message completes "line 3 ..."."""


def check_on_error(value: str) -> None:
    """Raise `UserError` unless ``value`` is one of the two that on_error can be."""
    if value not in ("stop", "skip"):
        raise UserError(f"on_error: '{value}' is not known; use stop or skip.")


@dataclass
class Rejects:
    """The unusable entries of a source.

    ``where`` is what an error names first (a file or folder), ``word`` what an entry is called there ("line"),
    ``on_error`` 'stop' or 'skip'. ``reasons`` maps the number of an entry, from 1, to why it was left out.
    """

    where: str
    word: str
    on_error: str
    reasons: dict[int, str] = field(default_factory=dict)

    def refuse(self, number: int, reason: str) -> None:
        """Note a bad entry; raises `UserError` with on_error=stop."""
        if self.on_error == "stop":
            raise self.error(number, reason)
        self.reasons[number] = reason

    def error(self, number: int, reason: str) -> UserError:
        """What to raise for a bad entry."""
        return UserError(
            f"{self.where}, {self.word} {number}: {reason}; correct it, or leave bad {self.word}s out with "
            "on_error=skip."
        )

    def empty(self) -> UserError:
        """What to raise if nothing usable is left."""
        bad = ""
        if self.reasons:
            first = min(self.reasons)
            bad = f" ({len(self.reasons)} bad {self.word}s, the first: {self.word} {first} {self.reasons[first]})"
        return UserError(f"{self.where}: holds no usable {self.word}{bad}; give at least one.")

    def as_lines(self) -> str:
        """The content of ``rejected.jsonl``: one JSON object an entry, its number and the reason."""
        entries = ({self.word: number, "reason": reason} for number, reason in sorted(self.reasons.items()))
        return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)

    def counted(self) -> dict[str, int]:
        """How many entries were left out for which kind of reason."""
        return dict(Counter(_kind_of(reason) for reason in self.reasons.values()))


def _kind_of(reason: str) -> str:
    """A reason without its particulars, so that like ones are counted together."""
    general = reason.split(" (")[0]
    named = re.fullmatch(r"has the (file|feature row|features) .*?, (?:which )?([^',]+)", general, re.DOTALL)
    return (f"{named[1]}: {named[2]}" if named else general).split("'")[0].strip()
