"""One spelling for what is the same: "Sea" and "sea", and the two forms of letters with accents in Unicode."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from love_thy_neighbors.sources.ignored_tags import IgnoredTags
from love_thy_neighbors.sources.not_taken import NotTaken
from love_thy_neighbors.sources.records import Record


def one_spelling(values: Iterable[str]) -> dict[str, str]:
    """The most frequent spelling of each value, by the value in lower case; ties go to the first by order.

    >>> one_spelling(["Sea", "sea", "SEA", "sea"])
    {'sea': 'sea'}
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for value, count in Counter(values).items():
        spellings[value.casefold()][value] = count
    return {key: max(sorted(found), key=found.__getitem__) for key, found in spellings.items()}


def with_one_spelling(records: Sequence[Record], ignored: IgnoredTags, not_taken: NotTaken) -> list[Record]:
    """The ``records`` with each tag in its most frequent spelling, and without the ``ignored`` tags.

    Values are one if they differ only in the form of Unicode; tags also if they differ in capitals or white space. Sets
    and groups keep their capitals, as they can be codes in which capitals count.
    """
    spelling = one_spelling(clean(tag) for record in records for tag in record.tags or ())
    result = []
    for record in records:
        tags = record.tags
        if tags is not None:
            found = tuple(dict.fromkeys(spelling[clean(tag).casefold()] for tag in tags))
            out = ignored.of_one(found)
            for tag, reason in out.items():
                not_taken.add(tag, reason, record.id)
            tags = tuple(tag for tag in found if tag not in out)
        result.append(
            replace(
                record,
                owner=record.owner and unicodedata.normalize("NFC", record.owner),
                labels=_normal(record.labels),
                tags=tags,
                sets=record.sets and _normal(record.sets),
                groups=record.groups and _normal(record.groups),
                other={name: _normal(values) for name, values in record.other.items()},
            )
        )
    return result


def clean(text: str) -> str:
    """``text`` in NFC, without extra white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _normal(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(unicodedata.normalize("NFC", value) for value in values))
