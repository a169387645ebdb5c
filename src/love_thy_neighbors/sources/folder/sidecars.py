"""Metadata beside a picture: the XMP sidecars ``p.jpg.xmp`` (darktable, digiKam) and ``p.xmp`` (Lightroom, Bridge).

Programs that do not change pictures write keywords, titles and artists there.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from love_thy_neighbors.sources.folder.containers import MAX_BLOCK_BYTES
from love_thy_neighbors.sources.folder.embedded import Embedded, xmp_metadata


def with_sidecars(root: Path, path: str, metadata: Embedded, counts: Counter[str] | None = None) -> Embedded:
    """``metadata`` of the picture ``path`` below ``root``, with that of its sidecars, whose texts come first.

    A sidecar that is damaged, too large or a link out of ``root`` adds "sidecar" to ``unread``. ``counts`` counts those
    that are read; others in the folder have no picture.
    """
    found: list[Embedded] = []
    unread: tuple[str, ...] = ()
    for sidecar in _sidecars(root, path):
        try:
            if not sidecar.resolve().is_relative_to(root.resolve()) or sidecar.stat().st_size > MAX_BLOCK_BYTES:
                raise ValueError(f"{sidecar} leads out of the folder or is too large")
            said = xmp_metadata(sidecar.read_bytes())
            found.append(replace(said, unread=("sidecar",) if said.unread else (), mended=()))
        except (OSError, RuntimeError, ValueError):
            unread = ("sidecar",)
    if counts is not None:
        counts["xmp_sidecars_read"] += len(found)
    if not found:
        return replace(metadata, unread=metadata.unread + unread)
    return together([*found, replace(metadata, unread=metadata.unread + unread)])


def together(parts: Sequence[Embedded]) -> Embedded:
    """All keywords of ``parts`` (and all that is said about them), and the first of each text."""

    def of_all(name: str, missing: object) -> object:
        values = [getattr(part, name) for part in parts]
        if missing == ():
            return tuple(dict.fromkeys(one for several in values for one in several))
        return next(filter(None, values), missing)

    found: dict[str, Any] = {one.name: of_all(one.name, one.default) for one in fields(Embedded)}
    return Embedded(**found)


def _sidecars(root: Path, path: str) -> Iterator[Path]:
    """The files that are there; ``path`` may be a link, and its sidecars are beside it."""
    picture = PurePosixPath(path)
    for stem in (picture.name, picture.stem):
        for suffix in (".xmp", ".XMP"):
            sidecar = root / picture.with_name(stem + suffix)
            if sidecar.is_file():
                yield sidecar
                break
