"""Keywords merged into an XMP packet by insertions; no byte of the packet is removed but the '/' of an empty tag."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from love_thy_neighbors.decisions.keywords import MARK_FIELDS, Found, Mark, last_part, list_of
from love_thy_neighbors.decisions.packet import (
    ABOUT,
    DC,
    HIERARCHICAL,
    LR,
    OURS,
    RDF,
    SUBJECT,
    WRITTEN,
    Element,
    Packet,
    space_before,
    tag_name,
)
from love_thy_neighbors.decisions.splices import Splice

PREFERRED = {RDF: "rdf", DC: "dc", LR: "lr", OURS: "neighbors"}
_NEW_LINES = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}  # a parser would turn them into spaces


@dataclass(frozen=True)
class Added:
    """What is written of one label: its mark, its keyword in lr:hierarchicalSubject and, if ``subject``, the keyword's
    last part in dc:subject."""

    mark: Mark
    subject: bool


def entries(added: Iterable[Added]) -> dict[str, list[str | Mark]]:
    """The entries of each property that ``added`` stands for; properties without any are left out."""
    added = list(added)
    found: dict[str, list[str | Mark]] = {
        SUBJECT: [last_part(one.mark.keyword) for one in added if one.subject],
        HIERARCHICAL: [one.mark.keyword for one in added],
        WRITTEN: [one.mark for one in added],
    }
    return {name: values for name, values in found.items() if values}


def chosen(found: Found, wanted: Sequence[Mark]) -> tuple[list[Added], list[Mark], list[Mark]]:
    """Of ``wanted``: what is to be added, what the packet has already, and what was written before and has been removed
    by a person since, which is not written again."""
    known = Found([*found.subject], [*found.hierarchical], [*found.marks])
    added, present, removed = [], [], []
    for mark in wanted:
        if known.has(mark.keyword):
            present.append(mark)
        elif any((one.label, one.date) == (mark.label, mark.date) for one in found.marks):
            removed.append(mark)
        else:
            added.append(Added(mark, not known.has_subject(last_part(mark.keyword))))
            known.hierarchical.append(mark.keyword)
            known.subject.append(last_part(mark.keyword))
    return added, present, removed


def merged(packet: Packet, added: Sequence[Added]) -> list[Splice]:
    """The insertions that add ``added`` to ``packet``, whose form has been checked.

    Keywords go to the end of the lists that are there. What has no list yet goes into a new rdf:Description at the end
    of rdf:RDF. A prefix that the packet has for a namespace is used; a missing one is declared where it is used.
    """
    splices: list[Splice] = []
    new = {}
    for name, values in entries(added).items():
        prop = next(packet.properties(name), None)
        if prop is None:
            new[name] = values
        else:
            splices += _grown(packet, prop, values)
    return splices + (_new_description(packet, new) if new else [])


def new_packet(added: Sequence[Added]) -> bytes:
    """A whole sidecar that has ``added`` and nothing else."""
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF xmlns:rdf="{RDF}">%s\n </rdf:RDF>\n</x:xmpmeta>\n'
        '<?xpacket end="w"?>\n'
    )
    return (text % _description(entries(added), "", {"rdf": RDF}, {}, "\n  ")).encode()


def _grown(packet: Packet, prop: Element, values: Sequence[str | Mark]) -> list[Splice]:
    """``values`` at the end of a property that is there."""
    container = list_of(prop)
    if container is not None:
        last = container.children[-1] if container.children else None
        space = "" if last is None else space_before(packet, last).decode()
        inner = "".join(space + _item(value, _rdf_tag(packet, container), container.prefixes) for value in values)
        if last is not None:
            return [Splice(last.end, b"", inner.encode())]
        return [_filled(packet, container, inner)]
    rdf, declared = _prefix(RDF, prop.prefixes, packet.prefixes)
    scope = prop.prefixes | {rdf: RDF}
    inner = "".join(_item(value, rdf, scope) for value in values)
    if prop.text.strip():  # one keyword without a list
        before, after = f"<{rdf}:Bag{declared}><{rdf}:li>", f"</{rdf}:li>{inner}</{rdf}:Bag>"
        return [Splice(prop.inside, b"", before.encode()), Splice(prop.closing, b"", after.encode())]
    return [_filled(packet, prop, f"<{rdf}:Bag{declared}>{inner}</{rdf}:Bag>")]


def _filled(packet: Packet, element: Element, inner: str) -> Splice:
    """``inner`` as the first content of ``element``, which has no child element."""
    if element.has_end_tag:
        return Splice(element.inside, b"", inner.encode())
    return Splice(element.inside - 2, b"/>", f">{inner}</{tag_name(packet, element)}>".encode())


def _new_description(packet: Packet, new: Mapping[str, Sequence[str | Mark]]) -> list[Splice]:
    last = packet.rdf.children[-1] if packet.rdf.children else None
    space = space_before(packet, packet.rdf if last is None else last).decode()
    about = next(
        (value for one in packet.descriptions for key, value in one.attributes.items() if key in ABOUT and value), ""
    )
    text = _description(new, about, packet.rdf.prefixes, packet.prefixes, space)
    return [_filled(packet, packet.rdf, text) if last is None else Splice(last.end, b"", text.encode())]


def _description(
    new: Mapping[str, Sequence[str | Mark]], about: str, scope: Mapping[str, str], known: Mapping[str, str], space: str
) -> str:
    """An rdf:Description with the properties ``new``; each line begins with ``space`` if that has a line break."""
    rdf, declared = _prefix(RDF, scope, known)
    inner_scope, lines = dict(scope) | {rdf: RDF}, []
    for name, values in new.items():
        prefix, declaration = _prefix(name.split(" ")[0], inner_scope, known)
        declared += declaration
        inner_scope[prefix] = name.split(" ")[0]
        prop = f"{prefix}:{name.split(' ')[1]}"
        lines += [(1, f"<{prop}>"), (2, f"<{rdf}:Bag>")]
        lines += [(3, _item(value, rdf, inner_scope)) for value in values]
        lines += [(2, f"</{rdf}:Bag>"), (1, f"</{prop}>")]
    lines = [(0, f"<{rdf}:Description {rdf}:about={_quoted(about)}{declared}>"), *lines, (0, f"</{rdf}:Description>")]
    return "".join(space + " " * depth + line if "\n" in space else line for depth, line in lines)


def _item(value: str | Mark, rdf: str, scope: Mapping[str, str]) -> str:
    """An rdf:li with a keyword or a mark; ``rdf`` may be empty, where rdf is the default namespace."""
    tag = f"{rdf}:li" if rdf else "li"
    if isinstance(value, str):
        return f"<{tag}>{escape(value, {chr(13): '&#13;'})}</{tag}>"
    ours, declared = _prefix(OURS, scope, {})
    fields = "".join(f" {ours}:{name}={_quoted(getattr(value, name))}" for name in MARK_FIELDS)
    return f"<{tag}{declared}{fields}/>"


def _rdf_tag(packet: Packet, container: Element) -> str:
    return tag_name(packet, container).rpartition(":")[0]


def _prefix(namespace: str, scope: Mapping[str, str], known: Mapping[str, str]) -> tuple[str, str]:
    """A prefix for ``namespace``, and its declaration, which is empty if it is in force in ``scope``.

    A prefix that the packet declares elsewhere (``known``) is taken before one of our own.
    """
    for prefix, value in scope.items():
        if prefix and value == namespace:
            return prefix, ""
    names = [prefix for prefix, value in known.items() if prefix and value == namespace]
    names += [PREFERRED[namespace], *(f"{PREFERRED[namespace]}{number}" for number in range(len(scope) + 1))]
    prefix = next(name for name in names if name not in scope)
    return prefix, f" xmlns:{prefix}={_quoted(namespace)}"


def _quoted(text: str) -> str:
    return quoteattr(text, _NEW_LINES)
