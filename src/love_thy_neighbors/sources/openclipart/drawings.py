"""The Open Clip Art Library 0.18: public-domain drawings with real uploaders, keywords and series.

``root`` is the folder of Debian's unpacked packages openclipart-svg and openclipart-png, with ``svg/`` and ``png/`` (or
``usr/share/openclipart/`` with both), which have the same relative paths. The SVG files have the metadata, the PNG
files the pixels.
"""

import hashlib
import html
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse
from rich.progress import track

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.images import ImageError, image_size
from love_thy_neighbors.sources.openclipart.labels import labels_of, names_a_label
from love_thy_neighbors.sources.records import Record
from love_thy_neighbors.sources.spelling import one_spelling

LEFT_OUT_FOLDERS = ("shapes/stars", "special/gradients", "special/patterns", "unsorted/duplicates")
MAX_PIXELS = 40_000_000
SHARED_TITLE = 10  # a title of so many images is the title of a collection, not of an image
# Articles, prepositions and conjunctions of the languages in use, and words that only mean "clip art".
_STOP_WORDS = """
    a an and are as at by for from has have in is it of on or that the this to what with without you no not
    la le les de del della du des di da il per sulla un una et el y en
    clipart clip art openclipart openclip svg png ocal bw collection drawing drawn illustration new part style unsorted
    version mon tue wed thu fri sat sun jan feb mar apr may jun jul aug sep oct nov dec
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_EMAIL = re.compile(r"\S+@\S+|\S+AT\S+DOT\S+|<\S+\.\S+>")
# Output of a faulty script: "hash", "HASH(0x8a07724)", "0x8a07724".
_ARTEFACT = re.compile(r"(hash)?\(?(0x[0-9a-f]+)?\)?", re.IGNORECASE)


@dataclass(frozen=True)
class Drawing:
    """The metadata of an SVG file, with its picture."""

    path: str  # below svg/, without the suffix
    png: Path
    digest: str  # of the PNG file
    keywords: frozenset[str]
    title: str
    creator: str


def normalised(text: str) -> str:
    """Lower case, underscores as spaces, single spaces.

    >>> normalised("  United_Nations  member ")
    'united nations member'
    """
    text = unicodedata.normalize("NFKC", html.unescape(text)).lower().replace("_", " ")
    return " ".join(text.split()).strip(" .,;:-'\"")


def series(title: str) -> str:
    """A title without the number or punctuation at its end.

    >>> series("Arrow (12)"), series("dino_03")
    ('arrow', 'dino')
    """
    return re.sub(r"[\W\d_]+$", "", normalised(title))


def person(text: str) -> str:
    """A creator's name without an address; of a bare address the part before the at sign; empty if unknown.

    >>> person("Jakob [jakob@example.org]"), person("ralf@example.org")
    ('Jakob', 'ralf')
    """
    text = " ".join(unicodedata.normalize("NFKC", text).split()).removeprefix("mailto:")
    if _ARTEFACT.fullmatch(text) or text.lower() == "anonymous" or not re.search(r"\w{2}", text):
        return ""
    name = re.sub(r"[\s<(\[{,-]+$", "", _EMAIL.split(text)[0].strip(" <([{"))
    return name or re.split(r"@|AT", text)[0].strip(" <([{")


def read_drawings(root: Path) -> tuple[list[Drawing], dict[str, int]]:
    """The usable drawings below ``root``, sorted by path, and counts of the files left out by reason.

    Raises `UserError` if there are no folders of drawings.
    """
    parts = (root, root / "usr" / "share" / "openclipart")
    unpacked = next((part for part in parts if (part / "svg").is_dir() and (part / "png").is_dir()), None)
    if unpacked is None:
        raise UserError(
            f"root: {root} holds no folders svg and png; unpack Debian's openclipart-svg and openclipart-png into it "
            "(`dpkg -x PACKAGE.deb DIR`) and give that folder."
        )
    root = unpacked
    inside = root.resolve()
    drawings: list[Drawing] = []
    counts: Counter[str] = Counter()
    files = sorted((root / "svg").rglob("*.svg"), key=lambda file: file.as_posix())
    for svg in track(files, "reading metadata"):
        counts["svg_files"] += 1
        result = _drawing(root, inside, svg)
        if isinstance(result, str):
            counts[f"left_out: {result}"] += 1
        else:
            drawings.append(result)
    spelling = one_spelling(drawing.creator for drawing in drawings)
    drawings = [replace(drawing, creator=spelling[drawing.creator.casefold()]) for drawing in drawings]
    return drawings, dict(sorted(counts.items()))


def _drawing(root: Path, inside: Path, svg: Path) -> Drawing | str:
    """The drawing, or the reason to leave it out."""
    path = svg.relative_to(root / "svg").with_suffix("").as_posix()
    if path.startswith(tuple(f"{folder}/" for folder in LEFT_OUT_FOLDERS)):
        return "folder of stars, gradients, patterns or duplicates"
    png = root / "png" / f"{path}.png"
    if not all(file.resolve().is_relative_to(inside) for file in (svg, png)):
        return "link that leads out of the root"
    if not png.is_file():
        return "no PNG file"
    try:
        tree = parse(svg)  # refuses entities instead of expanding them
    except DefusedXmlException:
        return "XML entities"
    except (ParseError, OSError, ValueError, LookupError):
        return "SVG not well-formed"
    keywords = frozenset(_keywords(tree.iter())) - {""}
    if not keywords:
        return "no keywords"
    try:
        width, height = image_size(png)
    except ImageError:
        return "PNG not readable"
    if width * height > MAX_PIXELS:
        return "PNG over 40 megapixels"
    title, creator = _title_and_creator(tree.iter())
    digest = hashlib.sha256(png.read_bytes()).hexdigest()
    return Drawing(path, png, digest, keywords, title, creator)


def _keywords(elements: Iterable[Element]) -> Iterator[str]:
    subject = next((element for element in elements if element.tag == f"{_DC}subject"), Element("none"))
    texts = [item.text or "" for item in subject.iter(f"{_RDF}li")]
    texts.append(subject.text or "")
    for text in (part.strip() for item in texts for part in re.split("[,;]", html.unescape(item))):
        if not _ARTEFACT.fullmatch(text) and "@" not in text and "://" not in text:
            yield normalised(text)


def _title_and_creator(elements: Iterable[Element]) -> tuple[str, str]:
    work = next((item for item in elements if str(item.tag).endswith("}Work")), None)
    if work is None:
        return "", ""
    creator = work.find(f"{_DC}creator//{_DC}title")
    if creator is None:
        creator = work.find(f"{_DC}creator")
    name = "" if creator is None else creator.text or ""
    return (work.findtext(f"{_DC}title") or "").strip(), person(name)


def merged(drawings: list[Drawing]) -> list[list[Drawing]]:
    """Drawings grouped by picture, sorted by their first path: the same picture in two folders is one image."""
    by_picture: dict[str, list[Drawing]] = defaultdict(list)
    for drawing in drawings:
        by_picture[drawing.digest].append(drawing)
    return sorted(by_picture.values(), key=lambda same: same[0].path)


def make_records(pictures: list[list[Drawing]]) -> list[Record]:
    """One record a picture, with the keywords and folders of all its drawings, and the first title and creator."""
    titles = Counter(normalised(_first(same, "title")) for same in pictures)
    uploads = Counter(_first(same, "creator") for same in pictures)
    in_series = Counter(_set_name(same) for same in pictures)
    records = []
    for same in pictures:
        creator, set_name = _first(same, "creator"), _set_name(same)
        keywords = {keyword for drawing in same for keyword in drawing.keywords}
        folders = {drawing.path.rpartition("/")[0] for drawing in same}
        records.append(
            Record(
                id=same[0].path,
                file=f"png/{same[0].path}.png",
                owner=creator or None,
                labels=tuple(sorted(labels_of(keywords, folders))),
                tags=tuple(sorted(_tags(same, keywords, titles))),
                sets=(set_name,) if set_name and in_series[set_name] > 1 else (),
                groups=(creator,) if creator and uploads[creator] > 1 else (),
            )
        )
    return records


def _first(same: list[Drawing], name: str) -> str:
    return next((value for drawing in same if (value := getattr(drawing, name))), "")


def _set_name(same: list[Drawing]) -> str:
    creator, title = _first(same, "creator"), series(_first(same, "title"))
    return f"{creator}: {title}" if creator and title else ""


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W\d_]+", normalised(text)) if len(word) > 2 and word not in STOP_WORDS}


def _tags(same: list[Drawing], keywords: set[str], titles: Counter[str]) -> set[str]:
    """Keywords and words of the title that name neither a label nor the creator; the file name replaces the title of a
    whole collection ("Lemon SVG theme")."""
    title = _first(same, "title")
    name = same[0].path.rpartition("/")[2] if titles[normalised(title)] >= SHARED_TITLE else title
    own = _words(_first(same, "creator"))
    words = {word for word in _words(name) if not any(part.startswith(word) for part in own)}
    usable = {
        keyword
        for keyword in keywords
        if re.search(r"[^\W\d_]{2}", keyword) and not set(keyword.split()) & (STOP_WORDS | own)
    }
    return {tag for tag in words | usable if not names_a_label(tag)}
