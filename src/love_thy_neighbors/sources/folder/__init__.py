"""A folder of photos: ``python prepare.py source=folder root=photos/ labels=labels.csv out=data/mine``.

Tags are the keywords in the pictures' EXIF, IPTC and XMP blocks and in XMP sidecars, and the words of their titles,
without those that programs write by themselves; sets are the folders; the owner is the artist, and ``taken`` is the
date of the photo. All headers are read first, then the features are extracted. The same folder gives the same table,
byte for byte.
"""

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.errors import UserError, require_share, require_whole
from love_thy_neighbors.features.images import ImageError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.folder.copies import Picture, merged
from love_thy_neighbors.sources.folder.exiftool import ExifTool
from love_thy_neighbors.sources.folder.files import SUFFIXES, find_pictures
from love_thy_neighbors.sources.folder.iptc import checked_charset
from love_thy_neighbors.sources.folder.readers import read_metadata
from love_thy_neighbors.sources.folder.sidecars import with_sidecars
from love_thy_neighbors.sources.folder.tags import tags_of
from love_thy_neighbors.sources.ignored_tags import read_ignored
from love_thy_neighbors.sources.labels_csv import GivenLabels, read_labels
from love_thy_neighbors.sources.not_taken import NotTaken
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.records import Record
from love_thy_neighbors.sources.rejects import Rejects, RowError, check_on_error
from love_thy_neighbors.sources.release import Release
from love_thy_neighbors.sources.same_pictures import FEWEST
from love_thy_neighbors.sources.spelling import one_spelling
from love_thy_neighbors.sources.tables import records_table

WORDS = {"title": ("title",), "description": ("description",), "both": ("title", "description"), "none": ()}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys of configs/source/folder.yaml; raises `UserError` for values that make no sense."""

    root: Path | None
    labels: Path | None = None
    words: str = "title"
    ignore_tags: Path | None = None
    iptc_charset: str | None = None
    exiftool: bool = True
    min_positives: int = 1
    same_picture_share: float = 0.001
    on_error: str = "stop"

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError("root: give the folder of the photos (root=photos/).")
        if not self.root.is_dir():
            raise UserError(f"root: {self.root} is not a folder; give the folder of the photos.")
        if self.words not in WORDS:
            raise UserError(f"words: '{self.words}' is not known; use {', '.join(WORDS)}.")
        if self.iptc_charset is not None:
            checked_charset(self.iptc_charset)
        if not isinstance(self.exiftool, bool):
            raise UserError(f"exiftool: must be true or false, not {self.exiftool}.")
        read_ignored(self.ignore_tags)  # a mistake in it is reported before hours of work
        check_on_error(self.on_error)
        require_whole("min_positives", self.min_positives, 1)
        require_share("same_picture_share", self.same_picture_share)


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The pictures below ``root`` with their embedded metadata, sorted by path; raises `UserError`."""
    assert options.root is not None
    root, skip = options.root, options.on_error == "skip"
    if partial.resolve().is_relative_to(root.resolve()):  # the next run would find its thumbnails
        out = partial.with_name(partial.name.removesuffix(".partial"))
        raise UserError(f"out: {out} lies inside root={root}, among the photos; give a folder elsewhere.")
    paths, counts = find_pictures(root, skip)
    if not paths:
        left_out = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items())
        raise UserError(
            f"root: {root} has no picture with a name in .{', .'.join(sorted(SUFFIXES))}"
            f"{f' ({left_out})' if left_out else ''}; give the folder of the photos."
        )
    given = _labels(options, paths)
    rejects, not_taken = Rejects(str(root), "picture", options.on_error), NotTaken()
    found, of_readers = _read_pictures(options, paths, how.max_pixels, rejects, not_taken)
    if not found:
        raise rejects.empty()
    pictures, copies = merged(found, options.same_picture_share)
    if not pictures:
        raise UserError(
            f"root: all {len(found)} pictures in {root} have copies under {FEWEST} or more names, the first "
            f"{found[0].paths[0]}, as if they were not photos; keep them with same_picture_share=1."
        )
    records, of_text = _records(pictures, options, {} if given is None else given.of, not_taken)
    counts = {"pictures": len(paths), **counts, **of_readers, **of_text, **copies.counts}
    return Release(
        name=root.resolve().name,
        table=records_table(records),
        rejects=rejects,
        about=_about(options),
        counts=counts if given is None else counts | given.counts,
        not_taken=not_taken,
        numbers=np.array([picture.number for picture in pictures], dtype=np.int64),
        files=[picture.file for picture in pictures],
        min_positives=options.min_positives,
        texts=copies.texts
        | ({"labels_rejected.jsonl": given.rejects.as_lines()} if given and given.rejects.reasons else {}),
    )


def _labels(options: Options, paths: Sequence[str]) -> GivenLabels | None:
    """The labels by path. The table may write paths with backslashes, a leading ./ or another form of Unicode (macOS
    decomposes letters with accents)."""
    if options.labels is None:
        return None
    known = {unicodedata.normalize("NFC", path): path for path in paths}

    def entry(cell: str) -> str | None:
        return known.get(unicodedata.normalize("NFC", cell).replace("\\", "/").removeprefix("./"))

    return read_labels(options.labels, "file", entry, options.on_error)


def _read_pictures(
    options: Options, paths: Sequence[str], max_pixels: int, rejects: Rejects, not_taken: NotTaken
) -> tuple[list[Picture], dict[str, int]]:
    """The pictures whose headers can be read, by path, and who read how much; the other pictures are refused. Blocks
    that are not read whole go to ``not_taken``.

    In one thread: four threads were slower (1,300 against 1,700 pictures a second), as most of the work is Python's.
    """
    assert options.root is not None
    root, found, readers = options.root, [], Counter[str]()
    with (
        warnings.catch_warnings(),
        ExifTool(options.exiftool, options.iptc_charset) as tool,
        progress_bar("reading metadata", len(paths)) as advance,
    ):
        warnings.simplefilter("ignore")  # of damaged blocks, which are counted
        for number, path in enumerate(paths, 1):
            advance(1)
            try:
                if re.search("[\ud800-\udfff]", path):
                    raise RowError(f"has the file {path!r}, which has a name that is not UTF-8")
                file = checked_picture(root, path, max_pixels, key="root")
                metadata = read_metadata(file, options.iptc_charset, tool, readers)
                found.append(Picture(number, (path,), file, with_sidecars(root, path, metadata, readers)))
            except ImageError as error:
                rejects.refuse(number, f"has the file {path!r}, which {error}")
            except RowError as error:
                rejects.refuse(number, str(error))
        _note_unread(found, tool, not_taken)
    mended = Counter(f"{block}_blocks_with_faults_mended" for picture in found for block in picture.metadata.mended)
    return found, dict(sorted((readers + mended).items()))


def _note_unread(found: Sequence[Picture], tool: ExifTool, not_taken: NotTaken) -> None:
    """Note the blocks of which a part was not read."""
    hint = "ExifTool did not read it either" if tool.program else "ExifTool may read it, if it is installed"
    for picture in found:
        for block in picture.metadata.unread:
            reason = "damaged or too large" if block == "sidecar" else f"damaged or too large; {hint}"
            not_taken.add(f"{block} block" if block != "sidecar" else block, reason, picture.paths[0])


def _records(
    pictures: Sequence[Picture], options: Options, labels: dict[str, tuple[str, ...]], not_taken: NotTaken
) -> tuple[list[Record], dict[str, int]]:
    """One record a picture, and counts; empty columns are left out."""
    tags, counts = tags_of(pictures, WORDS[options.words], read_ignored(options.ignore_tags), not_taken)
    artists = one_spelling(picture.metadata.artist for picture in pictures)
    counts["pictures_with_artist"] = sum(bool(picture.metadata.artist) for picture in pictures)
    counts["pictures_with_date"] = sum(bool(picture.metadata.taken) for picture in pictures)
    folders = [
        {unicodedata.normalize("NFC", path.rpartition("/")[0]) for path in picture.paths} for picture in pictures
    ]
    sets = [tuple(sorted(names - {""})) for names in folders]
    with_tags, with_sets = any(tags), any(sets)
    records = [
        Record(
            id=picture.paths[0],
            file=picture.paths[0],
            owner=artists[picture.metadata.artist.casefold()] or None,
            taken=picture.metadata.taken or None,
            labels=tuple(sorted({label for path in picture.paths for label in labels.get(path, ())})),
            tags=tags[row] if with_tags else None,
            sets=sets[row] if with_sets else None,
        )
        for row, picture in enumerate(pictures)
    ]
    return records, dict(sorted(counts.items()))


def _about(options: Options) -> dict[str, Any]:
    assert options.root is not None
    texts = " and ".join(WORDS[options.words])
    and_words = f", and the words of the {texts}, without stop words and cameras' default texts" if texts else ""
    return {
        "source": {"root": options.root.resolve().name, "labels": options.labels and options.labels.name},
        "licence": "not stated",
        "labels": {"how": "none were given" if options.labels is None else "as the table gives them"},
        "metadata": {
            "tags": {
                "how": "keywords of EXIF (XPKeywords), IPTC (2:25), XMP (dc:subject, and the lists of Lightroom, "
                "digiKam, Windows and ACDSee) and PNG (Keywords), also in sidecars, in their most frequent "
                f"spelling{and_words}; without tags that programs write by themselves"
            },
            "sets": {"how": "the folders of a picture and its copies, except root itself"},
        },
        "owner": "the artist: dc:creator, IPTC 2:80, EXIF Artist or XPAuthor",
        "taken": "local time: XMP DateTimeOriginal or DateCreated, EXIF DateTimeOriginal or DateTimeDigitized",
    }
