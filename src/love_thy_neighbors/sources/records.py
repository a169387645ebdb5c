"""One image's metadata as a source describes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """An image as a source describes it; None where the source does not have that kind of metadata at all."""

    id: str
    file: str | None = None
    owner: str | None = None
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    sets: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
