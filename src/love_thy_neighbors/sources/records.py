"""One image as a source describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    """An image; None means that the source does not have this kind of metadata. ``other`` holds all other types.

    split: 'train', 'val' or 'test'. taken: an ISO 8601 date, see `collection.dates`.
    """

    id: str
    file: str | None = None
    owner: str | None = None
    split: str | None = None
    taken: str | None = None
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    sets: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    other: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
