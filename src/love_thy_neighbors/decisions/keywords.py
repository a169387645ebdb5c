"""Keywords: the words for labels that go into a sidecar, and those that a sidecar has."""

import re
import unicodedata
from dataclasses import dataclass

from love_thy_neighbors.decisions.packet import (
    CONTAINERS,
    HIERARCHICAL,
    OURS,
    RDF,
    SUBJECT,
    WRITTEN,
    Element,
    Packet,
    tag_name,
)
from love_thy_neighbors.decisions.refusals import SidecarError

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Mark:
    """What is recorded with each written label, so that it can be told from a person's keyword.

    date: when a person said yes (ISO 8601).
    """

    label: str
    keyword: str
    model: str
    run: str
    date: str


MARK_FIELDS = ("label", "keyword", "model", "run", "date")


@dataclass(frozen=True)
class Found:
    """The keywords of a packet: dc:subject, lr:hierarchicalSubject, and the marks of written labels."""

    subject: list[str]
    hierarchical: list[str]
    marks: list[Mark]

    def has(self, keyword: str) -> bool:
        """Whether a person or a program has set ``keyword``, in any mixture of capitals.

        "places|beach" must be in lr:hierarchicalSubject as a whole. "beach" may be a keyword or the end of a path.
        """
        paths = {same(path) for path in self.hierarchical}
        if "|" in keyword:
            return same(keyword) in paths
        return same(keyword) in {same(word) for word in self.subject} | {path.rpartition("|")[2] for path in paths}

    def has_subject(self, word: str) -> bool:
        return same(word) in {same(one) for one in self.subject}


def same(keyword: str) -> str:
    """A form in which two spellings of one keyword are equal: NFC, lower case, single spaces, none beside '|'.

    >>> same("Places | Rio  de Janeiro")
    'places|rio de janeiro'
    """
    text = " ".join(unicodedata.normalize("NFC", keyword).casefold().split())
    return "|".join(part.strip() for part in text.split("|"))


def last_part(keyword: str) -> str:
    """The keyword without the names above it: dc:subject has no hierarchy.

    >>> last_part("places|beach")
    'beach'
    """
    return keyword.rpartition("|")[2].strip()


def why_not_writable(keyword: str) -> str | None:
    """Why XMP cannot hold ``keyword``, or None."""
    if _NOT_XML.search(keyword):
        return "has a character that XML cannot hold"
    if not all(part.strip() for part in keyword.split("|")):
        return "has an empty part between '|'"
    return None


def found_in(packet: Packet) -> Found:
    """The keywords in ``packet``; raises `SidecarError` if they are in a form that cannot be changed safely."""
    check_form(packet)
    return Found(
        [text for prop in packet.properties(SUBJECT) for text in texts(prop)],
        [text for prop in packet.properties(HIERARCHICAL) for text in texts(prop)],
        [mark for prop in packet.properties(WRITTEN) for item in items(prop) if (mark := mark_of(item)) is not None],
    )


def check_form(packet: Packet) -> None:
    """Raise `SidecarError` unless each property is an element with a list, with plain text, or without content."""
    for description in packet.descriptions:
        for name in (SUBJECT, HIERARCHICAL, WRITTEN):
            if name in description.attributes:
                raise SidecarError(f"the sidecar has {name.split(' ')[1]} as an attribute, which must be a list")
        for prop in description.children:
            if prop.name in (SUBJECT, HIERARCHICAL, WRITTEN):
                lists = [child for child in prop.children if child.name in CONTAINERS]
                shape = [name for name in prop.attributes if name.startswith(RDF)]
                mixed = bool(prop.children) and bool(prop.text.strip())
                if shape or len(lists) != len(prop.children) or len(lists) > 1 or mixed:
                    raise SidecarError(f"the sidecar has {tag_name(packet, prop)} in an unusual form, not as one list")


def list_of(prop: Element) -> Element | None:
    """The rdf:Bag, rdf:Seq or rdf:Alt of a property whose form has been checked."""
    return prop.children[0] if prop.children else None


def items(prop: Element) -> list[Element]:
    """The entries of a property's list."""
    container = list_of(prop)
    return [] if container is None else container.children


def texts(prop: Element) -> list[str]:
    """The keywords of a property, in its order."""
    found = [prop.text] if list_of(prop) is None else [text_of(item) for item in items(prop)]
    return [text.strip() for text in found if text.strip()]


def text_of(item: Element) -> str:
    """The text of an entry; with qualifiers it is in rdf:value, at most two elements deeper."""
    if not item.children:
        return item.text
    inner = [*item.children, *(below for child in item.children for below in child.children)]
    return next((one.text for one in inner if one.name == f"{RDF} value"), item.text)


def mark_of(item: Element) -> Mark | None:
    """The mark in an entry of our property: attributes as we write them, or elements as other programs save them."""
    values: dict[str, str] = {}
    for one in (item, *item.children):
        values |= one.attributes
        values |= {child.name: child.text for child in one.children}
    fields = [values.get(f"{OURS} {name}", "") for name in MARK_FIELDS]
    return Mark(*fields) if fields[0] else None
