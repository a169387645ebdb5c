"""Written labels removed from an XMP packet that a person or a program has changed since.

What can be known: the mark says that we wrote a keyword, and the journal says to which list. So one equal entry of that
list is removed, and the mark. If a person has added the same keyword to the same list, two entries are there and one
stays; a keyword in another property stays. What cannot be known: whether a person has removed our entry, left its mark,
and then set an equal one. It is removed. A keyword without its mark may be a person's, so it stays: see undo.py.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from love_thy_neighbors.decisions.keywords import items, list_of, mark_of, text_of
from love_thy_neighbors.decisions.merging import Added, entries
from love_thy_neighbors.decisions.packet import (
    ABOUT,
    RDF,
    WRITTEN,
    Element,
    Packet,
    space_before,
)
from love_thy_neighbors.decisions.splices import Splice


@dataclass(frozen=True)
class Removal:
    """removed: number of keywords that were there. holds_nothing: whether no property is left in the packet."""

    splices: list[Splice]
    removed: int
    holds_nothing: bool


def removal(packet: Packet, added: Sequence[Added]) -> Removal:
    """What takes ``added`` out of ``packet``, whose form has been checked.

    A property whose list becomes empty is removed, and so is an rdf:Description that has nothing else.
    """
    wanted: dict[str, Counter[object]] = {name: Counter(values) for name, values in entries(added).items()}
    splices: list[Splice] = []
    removed, full = 0, 0
    for description in packet.descriptions:
        goes, parts = 0, []
        for prop in description.children:
            found = _matching(prop, wanted.get(prop.name, Counter()))
            removed += len(found) * (prop.name != WRITTEN)
            whole = bool(found) and (list_of(prop) is None or len(found) == len(items(prop)))
            goes += whole
            parts += [prop] if whole else found
        all_go = bool(goes) and goes == len(description.children) and _has_nothing_else(description)
        full += not all_go and not (not description.children and _has_nothing_else(description))
        splices += [_cut(packet, part) for part in ([description] if all_go else parts)]
    others = len(packet.rdf.children) - len(packet.descriptions)
    return Removal(splices, removed, full + others == 0)


def _matching(prop: Element, wanted: Counter[object]) -> list[Element]:
    """The entries of ``prop`` that are to go; they are taken from ``wanted``."""
    found = []
    of_list = items(prop)
    for item in [prop] if not of_list and prop.text.strip() else of_list:
        key = mark_of(item) if prop.name == WRITTEN else text_of(item).strip()
        if key is not None and wanted[key] > 0:
            wanted[key] -= 1
            found.append(item)
    return found


def _has_nothing_else(description: Element) -> bool:
    return all(name in ABOUT or name == f"{RDF} ID" for name in description.attributes)


def _cut(packet: Packet, element: Element) -> Splice:
    space = len(space_before(packet, element))
    return Splice(element.start - space, packet.text[element.start - space : element.end])
