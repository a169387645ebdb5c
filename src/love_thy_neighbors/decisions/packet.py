"""The places of keywords in an XMP packet.

The packet is UTF-8. Only what is needed is kept: rdf:RDF, its rdf:Description elements, the names and places of their
properties, and the content of the three properties that are read and changed. Expat finds them. A DTD is refused, so
that no entity can be declared, as defusedxml does; see XMP Specification Part 1 (ISO 16684-1), section 7.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from love_thy_neighbors.decisions.refusals import SidecarError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
LR = "http://ns.adobe.com/lightroom/1.0/"
OURS = "https://love-thy-neighbors/xmp/1.0/"  # a name, not an address; it must not change, or old marks are lost
# Names are "namespace name", as expat gives them.
SUBJECT, HIERARCHICAL, WRITTEN = f"{DC} subject", f"{LR} hierarchicalSubject", f"{OURS} written"
READ = frozenset({SUBJECT, HIERARCHICAL, WRITTEN})
CONTAINERS = frozenset({f"{RDF} Bag", f"{RDF} Seq", f"{RDF} Alt"})
ABOUT = frozenset({f"{RDF} about", "about"})  # old programs wrote it without a prefix
MAX_ELEMENTS = 200_000  # an element takes some 500 bytes of memory
_TAG = re.compile(rb"""<(?:[^"'>]+|"[^"]*"|'[^']*')*+>""")
_ENCODINGS = ("utf-8", "utf-16", "utf-16le", "utf-16be")


@dataclass(slots=True)
class Element:
    """An element and its places in the text.

    start: of its first byte. inside: behind its start tag. closing: of its end tag. end: behind it. Of an element
    without an end tag, as <a/>, the last three are equal. prefixes: the namespace of each prefix that is in force.
    """

    name: str
    start: int
    inside: int
    attributes: dict[str, str]
    prefixes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    closing: int = -1
    end: int = -1

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def has_end_tag(self) -> bool:
        return self.closing != self.end


@dataclass(frozen=True)
class Packet:
    """The text of an XMP packet and its rdf:RDF element. ``prefixes`` are all that the text declares anywhere."""

    text: bytes
    rdf: Element
    prefixes: dict[str, str]

    @property
    def descriptions(self) -> list[Element]:
        return [child for child in self.rdf.children if child.name == f"{RDF} Description"]

    def properties(self, name: str) -> Iterator[Element]:
        return (child for description in self.descriptions for child in description.children if child.name == name)


def read_packet(text: bytes) -> Packet:
    """The packet in ``text`` (UTF-8); raises `SidecarError` if it is not XML, has a DTD or no rdf:RDF."""
    found = _Reader(text)
    try:
        found.parser.Parse(text, True)
    except expat.ExpatError as error:
        raise SidecarError(f"the sidecar is not valid XML ({error})") from None
    if found.rdf is None:
        raise SidecarError("the sidecar has no rdf:RDF, so it is not XMP")
    return Packet(text, found.rdf, found.declared)


class _Reader:
    """The handlers of the parser, and what they have found so far."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.rdf: Element | None = None
        self.declared: dict[str, str] = {}
        self.count = 0
        self.opened: list[Element | None] = []  # None for elements that are not kept
        self.path: list[Element] = []  # those that are kept: rdf:RDF, a description, a property, its content
        self.scopes: list[dict[str, str]] = [{"xml": "http://www.w3.org/XML/1998/namespace"}]
        self.new_prefixes: dict[str, str] = {}
        # The encoding is given because UTF-16 has been converted, whatever the XML declaration says.
        self.parser = expat.ParserCreate("UTF-8", " ")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self.declaration
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.StartNamespaceDeclHandler = self.prefix
        self.parser.StartElementHandler = self.begin
        self.parser.EndElementHandler = self.finish
        self.parser.CharacterDataHandler = self.characters

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise SidecarError(f"the sidecar is declared as {encoding}, but XMP must be UTF-8 or UTF-16")

    def doctype(self, *_: object) -> None:
        raise SidecarError("the sidecar has a document type declaration, which XMP must not have")

    def prefix(self, prefix: str | None, namespace: str | None) -> None:
        self.new_prefixes[prefix or ""] = namespace or ""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        scope = self.scopes[-1] | self.new_prefixes if self.new_prefixes else self.scopes[-1]
        self.declared |= self.new_prefixes
        self.new_prefixes = {}
        self.scopes.append(scope)
        parent = self.opened[-1] if self.opened else None
        first_rdf = self.rdf is None and name == f"{RDF} RDF"
        if not first_rdf and (parent is None or not self.reads_content()):
            self.opened.append(None)
            return
        element = self.kept(name, attributes, scope)
        self.opened.append(element)
        self.path.append(element)
        if first_rdf:
            self.rdf = element
        if parent is not None:
            parent.children.append(element)

    def kept(self, name: str, attributes: dict[str, str], scope: dict[str, str]) -> Element:
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise SidecarError(f"the sidecar has more than {MAX_ELEMENTS:,} keywords and other entries")
        start = self.parser.CurrentByteIndex
        tag = _TAG.match(self.text, start)
        assert tag is not None, start
        element = Element(name, start, tag.end(), attributes, scope)
        if self.text.endswith(b"/>", start, tag.end()):
            element.closing = element.end = tag.end()
        return element

    def reads_content(self) -> bool:
        """Whether the content of the innermost element that is kept is kept, too."""
        return len(self.path) < 3 or self.path[2].name in READ

    def finish(self, name: str) -> None:
        self.scopes.pop()
        element = self.opened.pop()
        if element is None:
            return
        self.path.pop()
        if element.end < 0:
            element.closing = self.parser.CurrentByteIndex
            element.end = self.text.index(b">", element.closing) + 1

    def characters(self, text: str) -> None:
        if len(self.path) > 2 and self.opened[-1] is not None and self.reads_content():
            self.path[-1].texts.append(text)


def tag_name(packet: Packet, element: Element) -> str:
    """The name as it stands in the text, with its prefix: "rdf:Bag"."""
    found = re.match(rb"<([^\s/>]+)", packet.text[element.start : element.inside])
    assert found is not None
    return found[1].decode()


def space_before(packet: Packet, element: Element) -> bytes:
    """The white space in front of ``element``, back to the last tag or text."""
    before = packet.text[max(0, element.start - 1000) : element.start]
    return before[len(before.rstrip(b" \t\r\n")) :]
