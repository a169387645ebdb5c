"""A folder of photos: ``python prepare.py source=folder root=photos/ labels=labels.csv out=data/mine``.

Tags are the keywords in the pictures' EXIF, IPTC and XMP blocks and in XMP sidecars, and the words of their titles;
sets are the folders; the owner is the artist, and ``taken`` is the date of the photo. All headers are read first, then
the features are extracted. The same folder gives the same table, byte for byte.
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
from love_thy_neighbors.features.images import ImageError, picture_suffixes
from love_thy_neighbors.features.raw_previews import SUFFIXES as RAW
from love_thy_neighbors.features.raw_previews import exiftool
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.file_names import FileNames
from love_thy_neighbors.sources.folder.copies import Picture, merged
from love_thy_neighbors.sources.folder.embedded import read_embedded
from love_thy_neighbors.sources.folder.files import find_pictures, missing_readers
from love_thy_neighbors.sources.folder.pairs import partners, with_partner
from love_thy_neighbors.sources.folder.sidecars import with_sidecars
from love_thy_neighbors.sources.folder.words import is_automatic, one_spelling, words
from love_thy_neighbors.sources.labels_csv import MOST_UNKNOWN, GivenLabels, read_labels
from love_thy_neighbors.sources.pictures import checked_picture
from love_thy_neighbors.sources.records import Record
from love_thy_neighbors.sources.rejects import Rejects, RowError, check_on_error
from love_thy_neighbors.sources.release import Release
from love_thy_neighbors.sources.same_pictures import FEWEST
from love_thy_neighbors.sources.tables import records_table

WORDS = {"title": ("title",), "description": ("description",), "both": ("title", "description"), "none": ()}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys of configs/source/folder.yaml; raises `UserError` for values that make no sense."""

    root: Path | None
    labels: Path | None = None
    words: str = "title"
    exclude: list[str] | str | None = None
    min_positives: int = 1
    same_picture_share: float = 0.001
    on_error: str = "skip"
    max_rejected: float = 0.05

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError("root: give the folder of the photos (root=photos/).")
        if not self.root.is_dir():
            raise UserError(f"root: {self.root} is not a folder; give the folder of the photos.")
        if self.words not in WORDS:
            raise UserError(f"words: '{self.words}' is not known; use {', '.join(WORDS)}.")
        if not all(isinstance(pattern, str) for pattern in self.patterns):
            raise UserError(f"exclude: must be a list of patterns (exclude=[Trash,*.png]), not {self.exclude}.")
        check_on_error(self.on_error)
        require_whole("min_positives", self.min_positives, 1)
        require_share("same_picture_share", self.same_picture_share)
        require_share("max_rejected", self.max_rejected)

    @property
    def patterns(self) -> list[str]:
        """``exclude`` as a list; Hydra reads a folder named 2019 as a number."""
        given = self.exclude if isinstance(self.exclude, list) else [self.exclude]
        return [str(one) if isinstance(one, int) else one for one in given if one is not None]


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The pictures below ``root`` with their embedded metadata, sorted by path; raises `UserError`."""
    assert options.root is not None
    root, skip = options.root, options.on_error == "skip"
    if partial.resolve().is_relative_to(root.resolve()):  # the next run would find its thumbnails
        out = partial.with_name(partial.name.removesuffix(".partial"))
        raise UserError(f"out: {out} lies inside root={root}, among the photos; give a folder elsewhere.")
    paths, counts = find_pictures(root, skip, options.patterns)
    if not paths:
        raise _no_picture(root, counts)
    given = _labels(options, paths)
    rejects = Rejects(str(root), "picture", options.on_error, options.max_rejected)
    found = _read_pictures(root, paths, how.max_pixels, rejects)
    if not found:
        raise rejects.empty()
    rejects.check(len(paths))
    pictures, copies = merged(found, options.same_picture_share)
    if not pictures:
        raise UserError(
            f"root: all {len(found)} pictures in {root} have copies under {FEWEST} or more names, the first "
            f"{found[0].paths[0]}, as if they were not photos; keep them with same_picture_share=1."
        )
    records, of_text = _records(pictures, options.words, {} if given is None else given.of)
    unread = Counter(f"{block}_blocks_not_readable" for picture in found for block in picture.metadata.unread)
    beside = sum(len(picture.beside) for picture in found)
    counts = {"pictures": len(paths), **counts, "other_formats_of_a_picture_merged": beside, **unread, **of_text}
    counts |= copies.counts
    return Release(
        name=root.resolve().name,
        table=records_table(records),
        rejects=rejects,
        about=_about(options),
        counts=counts if given is None else counts | given.counts,
        numbers=np.array([picture.number for picture in pictures], dtype=np.int64),
        files=[picture.file for picture in pictures],
        min_positives=options.min_positives,
        remarks=[*missing_readers(counts), *(given.remarks if given else ())],
        texts=copies.texts
        | ({"labels_rejected.jsonl": given.rejects.as_lines()} if given and given.rejects.reasons else {}),
    )


def _no_picture(root: Path, counts: dict[str, int]) -> UserError:
    left_out = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items())
    names = f".{', .'.join(sorted(picture_suffixes() - RAW))}{', or of a RAW format' if exiftool() else ''}"
    return UserError(
        f"root: {root} has no picture with a name in {names}{f' ({left_out})' if left_out else ''}; give the folder of "
        f"the photos.{''.join(f' {hint}.' for hint in missing_readers(counts))}"
    )


def _labels(options: Options, paths: Sequence[str]) -> GivenLabels | None:
    """The labels by path, if there is a table."""
    if options.labels is None or options.root is None:
        return None
    most_unknown = max(MOST_UNKNOWN, options.max_rejected)
    return read_labels(options.labels, "file", FileNames(options.root, paths), options.on_error, most_unknown)


def _read_pictures(root: Path, paths: Sequence[str], max_pixels: int, rejects: Rejects) -> list[Picture]:
    """The pictures whose headers can be read, by path; the others are refused.

    In one thread: four threads were slower (1,300 against 1,700 pictures a second), as most of the work is Python's.
    """
    found: dict[str, Picture] = {}
    instead = partners(paths)
    numbered = sorted(enumerate(paths, 1), key=lambda one: one[1] in instead)  # first what is read in place of others
    with warnings.catch_warnings(), progress_bar("reading metadata", len(paths)) as advance:
        warnings.simplefilter("ignore")  # of damaged blocks, which are counted
        for number, path in numbered:
            advance(1)
            if (other := instead.get(path)) in found:
                found[other] = with_partner(root, found[other], path)
                continue
            try:
                if re.search("[\ud800-\udfff]", path):
                    raise RowError(f"has the file {path!r}, which has a name that is not UTF-8")
                file = checked_picture(root, path, max_pixels, key="root")
                found[path] = Picture(number, (path,), file, with_sidecars(root, path, read_embedded(file)))
            except ImageError as error:
                rejects.refuse(number, f"has the file {path!r}, which {error}")
            except RowError as error:
                rejects.refuse(number, str(error))
    return [found[path] for path in paths if path in found]


def _records(
    pictures: Sequence[Picture], kind: str, labels: dict[str, tuple[str, ...]]
) -> tuple[list[Record], dict[str, int]]:
    """One record a picture, and counts; empty columns are left out."""
    spelling = one_spelling(keyword for picture in pictures for keyword in picture.metadata.keywords)
    artists = one_spelling(picture.metadata.artist for picture in pictures)
    tags, counts = [], Counter[str]()
    for picture in pictures:
        found = {spelling[keyword.casefold()] for keyword in picture.metadata.keywords}
        for name in ("title", "description"):
            text = getattr(picture.metadata, name)
            automatic = is_automatic(text)
            counts[f"pictures_with_{name}"] += bool(text) and not automatic
            counts[f"{name}s_that_say_nothing_left_out"] += bool(text) and automatic
            if name in WORDS[kind] and not automatic:
                found |= {spelling.setdefault(word.casefold(), word) for word in sorted(words(text))}
        counts["pictures_with_keywords"] += bool(picture.metadata.keywords)
        counts["pictures_with_artist"] += bool(picture.metadata.artist)
        counts["pictures_with_date"] += bool(picture.metadata.taken)
        tags.append(tuple(sorted(found)))
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
            labels=tuple(
                sorted({label for path in (*picture.paths, *picture.beside) for label in labels.get(path, ())})
            ),
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
                "how": "keywords of EXIF (XPKeywords), IPTC (2:25) and XMP (dc:subject, lr:hierarchicalSubject), also "
                f"in sidecars, in their most frequent spelling{and_words}"
            },
            "sets": {"how": "the folders of a picture and its copies, except root itself"},
        },
        "owner": "the artist: dc:creator, IPTC 2:80, EXIF Artist or XPAuthor",
        "taken": "local time: XMP DateTimeOriginal or DateCreated, EXIF DateTimeOriginal or DateTimeDigitized",
    }
