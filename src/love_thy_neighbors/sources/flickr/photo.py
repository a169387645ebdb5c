"""A Flickr photo's metadata, whatever file it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Photo:
    """A photo's metadata: values in the order of the file, without repeats and empty texts.

    ``labels`` are by their source ("NUS", "MIR", ...). ``without_id`` counts albums and groups without an id, which are
    left out.
    """

    id: str  # Flickr id; empty if the file has none
    owner: str | None = None  # nsid
    tags: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()  # albums, by id
    groups: tuple[str, ...] = ()  # pools, by id
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without_id: int = 0
