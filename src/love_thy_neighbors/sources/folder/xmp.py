"""The fields of an XMP packet (ISO 16684-1): keywords in the properties of eight programs, and texts.

| property | written by | keywords |
|---|---|---|
| dc:subject | all | single ones, and paths |
| lr:hierarchicalSubject, mediapro:CatalogSets | Lightroom; Media Pro | paths with "|" |
| digiKam:TagsList, MicrosoftPhoto:LastKeywordXMP, LastKeywordIPTC | digiKam; Windows | paths with "/" |
| acdsee:keywords, acdsee:categories | ACDSee | single ones; an XML text of its own |
| pdf:Keywords | Adobe's programs | all in one text |

Source of names and forms: ExifTool's tables XMP, Microsoft and MediaPro; digiKam's metadata settings.
"""

from collections import defaultdict
from collections.abc import Iterable
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from love_thy_neighbors.sources.folder.fields import Fields, all_in_one
from love_thy_neighbors.sources.folder.xmp_packets import elements

_DEEPEST = 50  # levels of a tree of categories
_MADE_WITH = ("Model", "Lens", "LensModel", "CreatorTool", "Software")
_PROPERTIES = frozenset(
    (
        *("subject", "keywords", "Keywords", "hierarchicalSubject", "CatalogSets", "TagsList", "categories"),
        *("LastKeywordXMP", "LastKeywordIPTC", "title", "description", "creator", "DateTimeOriginal", "DateCreated"),
        *_MADE_WITH,
    )
)
_NAMES = tuple(name.encode(encoding) for name in sorted(_PROPERTIES) for encoding in ("utf-8", "utf-16-le"))


def may_have_fields(packet: bytes) -> bool:
    """Whether a packet has the name of any field that is read: phones write megabytes of depth maps without any."""
    return any(name in packet for name in _NAMES)


def xmp_fields(packet: bytes) -> Fields:
    """The fields of ``packet``; raises ValueError or `ParseError` if nothing can be read, and for entities."""
    found, mended, damaged = elements(packet)
    texts = _texts(found)
    trees, broken = acdsee_paths(texts["categories"])
    slashes = [text for name in ("TagsList", "LastKeywordXMP", "LastKeywordIPTC") for text in texts[name]]
    of_pdf = [one for text in texts["Keywords"] for one in all_in_one(text)]
    return Fields(
        keywords=[*texts["subject"], *texts["keywords"], *of_pdf],
        paths=[
            *texts["hierarchicalSubject"],
            *texts["CatalogSets"],
            *(text.replace("/", "|") for text in slashes),
            *trees,
        ],
        titles=texts["title"],
        descriptions=texts["description"],
        artists=["; ".join(texts["creator"])],
        dates=texts["DateTimeOriginal"] + texts["DateCreated"],
        made_with=[text for name in _MADE_WITH for text in texts[name]],
        mended=mended,
        damaged=damaged or broken,
    )


def _texts(found: Iterable[Element]) -> dict[str, list[str]]:
    """The texts of each XMP property by its name without prefix. A property is an attribute, a text, or a list whose
    default language comes first."""
    texts: dict[str, list[str]] = defaultdict(list)
    for element in found:
        for key, value in element.items():
            texts[_local(key)].append(value)
        if (name := _local(element.tag)) in _PROPERTIES:
            items = sorted(element.findall("*/{*}li"), key=lambda item: "x-default" not in item.attrib.values())
            texts[name] += [_text(item) for item in items or [element]]
    return texts


def _text(item: Element) -> str:
    """An item's text; a value with qualifiers is wrapped in rdf:value, and this perhaps in rdf:Description."""
    return item.findtext("{*}value") or item.findtext("*/{*}value") or item.text or ""


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def acdsee_paths(texts: Iterable[str]) -> tuple[list[str], bool]:
    """Paths of the assigned categories, and whether a text cannot be read.

    The form is ``<Categories><Category Assigned="0">Places<Category Assigned="1">Italy</Category></Category>...``.
    """
    paths, broken = [], False
    for text in texts:
        if "<Categories" not in text:  # a property of the same name of another program
            continue
        try:
            waiting: list[tuple[Element, tuple[str, ...]]] = [(fromstring(text), ())]
        except (ParseError, ValueError):
            broken = True
            continue
        while waiting:
            element, above = waiting.pop()
            path = above if element.tag == "Categories" else (*above, (element.text or "").strip())
            if element.get("Assigned", "0") != "0":  # some programs number them
                paths.append("|".join(path))
            if len(path) < _DEEPEST:
                waiting += [(child, path) for child in reversed(element)]
    return paths, broken
