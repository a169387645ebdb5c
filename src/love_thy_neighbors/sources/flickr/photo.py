"""What Flickr knows of a photo, from whichever file it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Photo:
    """A photo's metadata. Each value once, in the order of the file; nothing empty.

    ``labels`` maps who labelled it ("NUS", "MIR", ...) to the labels; ``without_id`` counts its albums and groups that
    the file gives no id for, which are left out.
    """

    id: str  # Flickr id; empty where the file gives none
    owner: str | None = None  # nsid
    tags: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()  # albums, by id
    groups: tuple[str, ...] = ()  # pools, by id
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without_id: int = 0
