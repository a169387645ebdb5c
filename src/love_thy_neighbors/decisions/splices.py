"""Changes of a text at known places; all other bytes stay as they are."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Splice:
    """At byte ``start``, ``removed`` is replaced by ``inserted``."""

    start: int
    removed: bytes = b""
    inserted: bytes = b""


def _start(splice: Splice) -> int:
    return splice.start


def apply(text: bytes, splices: Sequence[Splice]) -> bytes:
    """``text`` with all ``splices``, whose places are those in ``text``; they must not overlap. Those at one place are
    applied in their order.

    Raises `ValueError` if ``text`` does not have what a splice removes.
    """
    parts, place = [], 0
    for splice in sorted(splices, key=_start):
        end = splice.start + len(splice.removed)
        if splice.start < place or text[splice.start : end] != splice.removed:
            raise ValueError(f"at byte {splice.start} the text is not what it was")
        parts += [text[place : splice.start], splice.inserted]
        place = end
    return b"".join([*parts, text[place:]])


def inverse(splices: Sequence[Splice]) -> list[Splice]:
    """The splices that take `apply` back: apply(apply(text, splices), inverse(splices)) == text."""
    found, shift = [], 0
    for splice in sorted(splices, key=_start):
        found.append(Splice(splice.start + shift, splice.inserted, splice.removed))
        shift += len(splice.inserted) - len(splice.removed)
    return found
