"""Metadata beside a picture: the XMP sidecars ``p.jpg.xmp`` (darktable, digiKam) and ``p.xmp`` (Lightroom, Bridge).

Programs that do not change pictures write keywords, titles and artists there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from love_thy_neighbors.sources.folder.embedded import MAX_BLOCK_BYTES, Embedded, xmp_metadata


def with_sidecars(root: Path, path: str, metadata: Embedded) -> Embedded:
    """``metadata`` of the picture ``path`` below ``root``, with that of its sidecars, whose texts come first.

    A sidecar that is damaged, too large or a link out of ``root`` adds "sidecar" to ``unread``.
    """
    found: list[Embedded] = []
    unread: tuple[str, ...] = ()
    for sidecar in _sidecars(root, path):
        try:
            if not sidecar.resolve().is_relative_to(root.resolve()) or sidecar.stat().st_size > MAX_BLOCK_BYTES:
                raise ValueError(f"{sidecar} leads out of the folder or is too large")
            found.append(xmp_metadata(sidecar.read_bytes()))
        except (OSError, RuntimeError, ValueError):
            unread = ("sidecar",)
    if not found:
        return replace(metadata, unread=metadata.unread + unread)
    return together([*found, replace(metadata, unread=metadata.unread + unread)])


def together(parts: Sequence[Embedded]) -> Embedded:
    """All keywords, sets and groups of ``parts``, and the first of each text."""
    return Embedded(
        keywords=tuple(dict.fromkeys(keyword for part in parts for keyword in part.keywords)),
        title=next((part.title for part in parts if part.title), ""),
        description=next((part.description for part in parts if part.description), ""),
        artist=next((part.artist for part in parts if part.artist), ""),
        taken=next((part.taken for part in parts if part.taken), ""),
        unread=tuple(dict.fromkeys(name for part in parts for name in part.unread)),
        sets=tuple(dict.fromkeys(name for part in parts for name in part.sets)),
        groups=tuple(dict.fromkeys(name for part in parts for name in part.groups)),
    )


def _sidecars(root: Path, path: str) -> Iterator[Path]:
    """The files that are there; ``path`` may be a link, and its sidecars are beside it."""
    picture = PurePosixPath(path)
    for stem in (picture.name, picture.stem):
        for suffix in (".xmp", ".XMP"):
            sidecar = root / picture.with_name(stem + suffix)
            if sidecar.is_file():
                yield sidecar
                break
