"""Reads the metadata of all pictures of a folder: embedded, in sidecars, and what services say."""

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from love_thy_neighbors.features.images import ImageError
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.folder.beside import Beside
from love_thy_neighbors.sources.folder.copies import Picture
from love_thy_neighbors.sources.folder.embedded import Embedded
from love_thy_neighbors.sources.folder.exiftool import ExifTool
from love_thy_neighbors.sources.folder.pairs import partners, with_partner
from love_thy_neighbors.sources.folder.readers import read_metadata
from love_thy_neighbors.sources.folder.sidecars import with_sidecars
from love_thy_neighbors.sources.not_taken import NotTaken
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.rejects import Rejects, RowError


@dataclass(frozen=True)
class Reading:
    """How metadata is read: whether ExifTool may, the code page of IPTC texts that declare none, and the size limit."""

    exiftool: bool
    iptc_charset: str | None
    max_pixels: int


def read_pictures(
    how: Reading, beside: Beside, rejects: Rejects, not_taken: NotTaken
) -> tuple[list[Picture], dict[str, int]]:
    """The pictures whose headers can be read, in the order of their paths, and who read how much.

    The other pictures are refused. Blocks that are not read whole go to ``not_taken``. Pictures in the trash are left
    out. A file that is read in another one's place (`pairs.partners`) adds its sidecars to that.

    In one thread: four threads were slower (1,300 against 1,700 pictures a second), as most of the work is Python's.
    """
    found: dict[str, Picture] = {}
    readers, embedded, instead = Counter[str](), dict[Path, Embedded](), partners(beside.pictures)
    numbered = [(number, path) for number, path in enumerate(beside.pictures, 1) if path not in beside.trashed]
    with (
        warnings.catch_warnings(),
        ExifTool(how.exiftool, how.iptc_charset) as tool,
        progress_bar("reading metadata", len(numbered)) as advance,
    ):
        warnings.simplefilter("ignore")  # of damaged blocks, which are counted
        for number, path in sorted(numbered, key=lambda one: one[1] in instead):  # first what is read in their place
            advance(1)
            if (other := instead.get(path)) in found:
                said = beside.with_said(path, with_sidecars(beside.root, path, Embedded(), readers))
                found[other] = with_partner(found[other], path, said)
                continue
            try:
                file = _checked(path, beside.root, how.max_pixels)
                if file not in embedded:  # it is, if links lead to it
                    embedded[file] = read_metadata(file, how.iptc_charset, tool, readers)
                metadata = with_sidecars(beside.root, path, embedded[file], readers)
                found[path] = Picture(number, (path,), file, beside.with_said(path, metadata))
            except ImageError as error:
                rejects.refuse(number, f"has the file {path!r}, which {error}")
            except RowError as error:
                rejects.refuse(number, str(error))
        pictures = [found[path] for path in beside.pictures if path in found]
        _note_unread(pictures, tool, not_taken)
    mended = Counter(f"{block}_blocks_with_faults_mended" for picture in pictures for block in picture.metadata.mended)
    return pictures, dict(sorted((readers + mended).items()))


def _checked(path: str, root: Path, max_pixels: int) -> Path:
    if re.search("[\ud800-\udfff]", path):
        raise RowError(f"has the file {path!r}, which has a name that is not UTF-8")
    return checked_picture(root, path, max_pixels, key="root")


def _note_unread(found: Sequence[Picture], tool: ExifTool, not_taken: NotTaken) -> None:
    """Note the blocks of which a part was not read."""
    hint = "ExifTool did not read it either" if tool.program else "ExifTool may read it, if it is installed"
    for picture in found:
        for block in picture.metadata.unread:
            reason = "damaged or too large" if block == "sidecar" else f"damaged or too large; {hint}"
            not_taken.add(f"{block} block" if block != "sidecar" else block, reason, picture.paths[0])
