"""One photo in two formats: a RAW or HEIC file and the JPEG of the same name beside it are one image.

Cameras and phones write both, and converters put the JPEG beside the original. As two images they could be in two parts
of a split. The JPEG is read; the other file adds its sidecars and its labels.
"""

from collections.abc import Sequence
from dataclasses import replace

from love_thy_neighbors.features.images import HEIF_SUFFIXES
from love_thy_neighbors.features.raw_previews import SUFFIXES as RAW
from love_thy_neighbors.sources.folder.copies import Picture
from love_thy_neighbors.sources.folder.embedded import Embedded
from love_thy_neighbors.sources.folder.sidecars import together


def partners(paths: Sequence[str]) -> dict[str, str]:
    """For each RAW or HEIC file with another format of the same name in its folder, the path that is read in its place:
    of a RAW file that is the JPEG or, without one, the HEIC.

    >>> partners(["a/1.CR2", "a/1.jpg", "b/1.nef", "c/2.heic", "c/2.dng"])
    {'a/1.CR2': 'a/1.jpg', 'c/2.dng': 'c/2.heic'}
    """
    best: dict[str, str] = {}
    for path in sorted(paths, key=_rank):
        best.setdefault(_stem(path), path)
    return {path: other for path in paths if _rank(path) > _rank(other := best[_stem(path)])}


def with_partner(picture: Picture, path: str, metadata: Embedded) -> Picture:
    """``picture`` with its partner ``path``, which is added to ``beside``, and the metadata that stand beside that."""
    return replace(picture, metadata=together([picture.metadata, metadata]), beside=(*picture.beside, path))


def _stem(path: str) -> str:
    return path.rpartition(".")[0].casefold()


def _rank(path: str) -> int:
    suffix = path.rpartition(".")[2].lower()
    return 2 if suffix in RAW else 1 if suffix in HEIF_SUFFIXES else 0
