"""The fields of one metadata block as text, and the rules for texts that hold several keywords.

Programs write trees of keywords as paths: Lightroom "Places|Italy|Rome", digiKam "Places/Italy/Rome".
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")
_GLUED = 2  # commas: "Smith, John" and "Paris, France" are one keyword, "sea, wind, sand" are three


@dataclass
class Fields:
    """The fields of one block, best first.

    ``keywords`` are single keywords; ``paths`` are trees with "|" between the levels. ``cut`` has those keywords that
    fill IPTC's 64 bytes, so that their end may be missing. ``made_with`` names camera, lens and program. ``mended`` and
    ``damaged``: the block had faults, and all of it was read, or not all.
    """

    keywords: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    artists: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    made_with: list[str] = field(default_factory=list)
    mended: bool = False
    damaged: bool = False

    def add(self, other: "Fields") -> None:
        """Add the fields of another block of the same kind behind these."""
        for name, value in vars(other).items():
            if isinstance(value, list):
                getattr(self, name).extend(value)
        self.mended |= other.mended
        self.damaged |= other.damaged


def clean(text: str) -> str:
    """``text`` up to a NUL, in NFC, without control characters and extra white space."""
    text = unicodedata.normalize("NFC", text.partition("\0")[0])
    return " ".join(text.translate(_CONTROLS).split())


def first(texts: Iterable[str]) -> str:
    """The first text that is not empty, cleaned; '' if there is none."""
    return next((found for text in texts if (found := clean(text))), "")


def cleaned(texts: Iterable[str]) -> tuple[str, ...]:
    """The clean texts that are not empty, each once."""
    return tuple(dict.fromkeys(found for text in texts if (found := clean(text))))


def separated(keyword: str) -> list[str]:
    """The keywords in one text; some programs write all into one, with semicolons or commas.

    One comma belongs to the keyword, whether it stands alone or beside others.

    >>> separated("Smith, John"), separated("sea;New York"), separated("sea, New York, wind")
    (['Smith, John'], ['sea', 'New York'], ['sea', 'New York', 'wind'])
    """
    parts = keyword.split(";")
    return [
        found
        for part in parts
        for one in (part.split(",") if part.count(",") >= _GLUED else [part])
        if (found := clean(one))
    ]


def all_in_one(text: str) -> list[str]:
    """The keywords in a text that holds all of a picture's, with semicolons or commas between them."""
    return text.replace(";", ",").split(",")


def levels(keyword: str, known: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The levels of a keyword that is a path; otherwise the keyword alone.

    "|" always separates. "/" does if it stands twice between words, or if the path is among the ``known`` ones: "24/7",
    "AC/DC", "2019/05/03" and web addresses are no paths.

    >>> levels("Places|Italy"), levels("Places/Italy/Rome"), levels("AC/DC"), levels("2019/05/03")
    (('Places', 'Italy'), ('Places', 'Italy', 'Rome'), ('AC/DC',), ('2019/05/03',))
    """
    if "|" in keyword:
        return cleaned(keyword.split("|"))
    parts = keyword.split("/")
    is_path = len(parts) > 2 and all(any(sign.isalpha() for sign in part) for part in parts)
    return cleaned(parts) if is_path or "|".join(parts) in known else (keyword,)


def keywords_and_paths(blocks: Iterable[Fields]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All keywords of the blocks, with the levels of paths as keywords, and the paths, with "|" between levels."""
    flat, paths = [], []
    for block in blocks:
        flat += [one for keyword in block.keywords for one in separated(keyword)]
        paths += [one for path in block.paths for one in separated(path)]
    known = frozenset("|".join(levels(path)) for path in paths)
    found = dict.fromkeys(_levels_of(flat, known))
    found |= dict.fromkeys(_levels_of(paths, known))
    trees = ["|".join(levels(one, known)) for one in [*flat, *paths] if len(levels(one, known)) > 1]
    return tuple(found), tuple(dict.fromkeys(trees))


def _levels_of(keywords: Iterable[str], known: frozenset[str]) -> Iterator[str]:
    return (level for keyword in keywords for level in levels(keyword, known))
