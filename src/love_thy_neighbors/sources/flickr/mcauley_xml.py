"""McAuley and Leskovec's XML files (ECCV 2012), read as a stream: memory does not grow with the file.

    <photo id="" dateuploaded=""><owner nsid="" location=""/><title/><description/>
      <tags><tag author="" id="">text</tag></tags>
      <groups><set id="" title=""/><pool id="" title="" url=""/></groups>
      <labels><label source="NUS">text</label></labels>
      <comments/> <galleries/> <locality/> ... </photo>

``<groups>`` has two kinds of elements: ``<set>`` is an album of one user, ``<pool>`` is the pool of a group. Other
elements (most of the file are comments) are skipped. The files come from the network, so document types, and with them
entities, are refused, and everything that the parser keeps in memory has a limit.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.flickr.photo_tables import Photo

MEGABYTE = 1_000_000
_CHUNK = 1 << 16
# Limits on what the parser keeps in memory, far above any real photo.
MAX_PHOTO_BYTES = 16 * MEGABYTE
MAX_TOKEN_BYTES = MEGABYTE  # one tag with its attributes, or one XML comment
MAX_DEPTH = 100
MAX_NAMES = 10_000  # different names of elements and attributes


class _LimitError(Exception):
    """The file exceeds a limit; the message completes "line 3 ..."."""


def stream_photos(path: Path, advance: Callable[[int], None]) -> Iterator[Photo]:
    """The photos of an XML file in its order; ``advance`` is called with the megabytes read.

    Raises `UserError` with the line if the file is not well-formed, has a document type, or exceeds a limit.
    """
    target = _Photos()
    parser = XMLParser(target=target, forbid_dtd=True)
    expat = parser.parser
    # The parser's own handlers rename elements and reorder attributes, which takes half of the time and is not needed.
    expat.ordered_attributes = False
    expat.StartElementHandler, expat.EndElementHandler = target.start, target.end
    target.offset = lambda: expat.CurrentByteIndex
    try:
        yield from _parsed(path, parser, target, advance)
    except DefusedXmlException:
        raise UserError(
            f"{path}, line {expat.CurrentLineNumber}: declares a document type or an entity, which is refused; "
            "remove the declaration, or download the file again."
        ) from None
    except _LimitError as error:
        raise UserError(
            f"{path}, line {expat.CurrentLineNumber}: {error}; this is not a file of photos, or it is damaged."
        ) from None
    except ParseError as error:
        raise UserError(
            f"{path}, line {error.position[0]}: is not well-formed XML ({str(error).split(':')[0]}, column "
            f"{error.position[1] + 1}); correct the line, or download the file again."
        ) from None
    except (ValueError, LookupError) as error:  # an encoding that Python does not know or cannot map
        raise UserError(
            f"{path}, line {expat.CurrentLineNumber}: cannot be decoded ({error}); save it as UTF-8."
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); give a readable file.") from None


def _parsed(path: Path, parser: XMLParser, target: "_Photos", advance: Callable[[int], None]) -> Iterator[Photo]:
    fed = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            parser.feed(chunk)
            advance((fed + len(chunk)) // MEGABYTE - fed // MEGABYTE)
            fed += len(chunk)
            _check_limits(fed, parser.parser.CurrentByteIndex, target.started, len(parser.parser.intern))
            yield from target.take()
    parser.close()
    yield from target.take()


def _check_limits(fed: int, parsed: int, photo_started: int | None, names: int) -> None:
    """Raise `_LimitError` if the parser keeps too much; positions in bytes from the start of the file."""
    if fed - parsed > MAX_TOKEN_BYTES:
        raise _LimitError(f"holds a tag or comment of more than {MAX_TOKEN_BYTES:,} bytes")
    if photo_started is not None and parsed - photo_started > MAX_PHOTO_BYTES:
        raise _LimitError(f"holds a <photo> of more than {MAX_PHOTO_BYTES:,} bytes")
    if names > MAX_NAMES:
        raise _LimitError(f"holds more than {MAX_NAMES:,} different names of elements")


class _Photos:
    """The parser's target: collects the finished photos until `take` is called."""

    def __init__(self) -> None:
        self.offset: Callable[[], int] = lambda: 0
        self.started: int | None = None  # where the open <photo> begins, in bytes
        self._depth = 0
        self._finished: list[Photo] = []
        self._text: list[str] | None = None  # of the <tag> or <label> that is open
        self._source = ""
        self._new_photo("")

    def _new_photo(self, id_: str) -> None:
        self._id, self._without_id = id_, 0
        self._owner: str | None = None
        # Dictionaries as ordered sets.
        self._lists: dict[str, dict[str, None]] = {"tag": {}, "set": {}, "pool": {}}
        self._labels: dict[str, dict[str, None]] = {}

    def take(self) -> list[Photo]:
        """The photos finished since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _LimitError(f"nests elements more than {MAX_DEPTH} deep")
        if self.started is None:
            if name == "photo":
                self.started = self.offset()
                self._new_photo(attributes.get("id", "").strip())
        elif name == "tag":
            self._text = []
        elif name == "label":
            self._text, self._source = [], attributes.get("source", "").strip()
        elif name in ("set", "pool"):
            if id_ := attributes.get("id", "").strip():
                self._lists[name][id_] = None
            else:
                self._without_id += 1
        elif name == "owner":
            self._owner = attributes.get("nsid", "").strip() or None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        self._depth -= 1
        if self.started is None:
            return
        if self._text is not None and name in ("tag", "label"):
            if text := " ".join("".join(self._text).split()):
                (self._lists["tag"] if name == "tag" else self._labels.setdefault(self._source, {}))[text] = None
            self._text = None
        elif name == "photo":
            labels = {source: tuple(texts) for source, texts in self._labels.items()}
            tags, sets, groups = (tuple(texts) for texts in self._lists.values())
            self._finished.append(Photo(self._id, self._owner, tags, sets, groups, labels, self._without_id))
            self.started = None
