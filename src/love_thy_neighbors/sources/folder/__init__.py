"""A folder of photos: ``python prepare.py source=folder root=photos/ labels=labels.csv out=data/mine``.

Tags are the keywords in the pictures' EXIF, IPTC and XMP blocks and in XMP sidecars, and the words of their titles,
without those that programs write by themselves; sets are the folders; the owner is the artist, and ``taken`` is the
date of the photo. `services` adds what Google Photos, Flickr and Picasa write beside the pictures, such as albums and
Flickr's groups. All headers are read first, then the features are extracted. The same folder gives the same table, byte
for byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.errors import UserError, require_share, require_whole
from love_thy_neighbors.features.images import picture_suffixes
from love_thy_neighbors.features.raw_previews import SUFFIXES as RAW
from love_thy_neighbors.features.raw_previews import exiftool as exiftool_program
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.file_names import FileNames
from love_thy_neighbors.sources.folder.beside import Beside
from love_thy_neighbors.sources.folder.copies import Picture, merged
from love_thy_neighbors.sources.folder.files import find_pictures, missing_readers
from love_thy_neighbors.sources.folder.iptc import checked_charset
from love_thy_neighbors.sources.folder.reading import Reading, read_pictures
from love_thy_neighbors.sources.folder.services import read_services
from love_thy_neighbors.sources.folder.tags import tags_of
from love_thy_neighbors.sources.ignored_tags import read_ignored
from love_thy_neighbors.sources.labels_csv import MOST_UNKNOWN, GivenLabels, read_labels
from love_thy_neighbors.sources.not_taken import NotTaken
from love_thy_neighbors.sources.records import Record
from love_thy_neighbors.sources.rejects import Rejects, check_on_error
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
        if self.iptc_charset is not None:
            checked_charset(self.iptc_charset)
        if not isinstance(self.exiftool, bool):
            raise UserError(f"exiftool: must be true or false, not {self.exiftool}.")
        read_ignored(self.ignore_tags)  # a mistake in it is reported before hours of work
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
    paths, files, counts = find_pictures(root, skip, options.patterns)
    if not paths:
        raise _no_picture(root, counts)
    given = _labels(options, paths)
    rejects = Rejects(str(root), "picture", options.on_error, options.max_rejected)
    not_taken = NotTaken()
    beside = read_services(root, paths, files, not_taken)
    if "description" not in WORDS[options.words]:
        beside.note_captions()
    reading = Reading(options.exiftool, options.iptc_charset, how.max_pixels)
    found, of_readers = read_pictures(reading, beside, rejects, not_taken)
    if not found:
        raise rejects.empty()
    rejects.check(len(paths) - len(beside.trashed))
    pictures, copies = merged(found, options.same_picture_share, beside.edits, beside.versions)
    if not pictures:
        raise UserError(
            f"root: all {len(found)} pictures in {root} have copies under {FEWEST} or more names, the first "
            f"{found[0].paths[0]}, as if they were not photos; keep them with same_picture_share=1."
        )
    records, of_text = _records(pictures, options, {} if given is None else given.of, beside)
    counts = {"pictures": len(paths), **counts, **beside.summary(), **of_readers, **of_text, **copies.counts}
    counts["other_formats_of_a_picture_merged"] = sum(len(picture.beside) for picture in found)
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
        remarks=[*missing_readers(counts), *(given.remarks if given else ())],
        texts=copies.texts
        | ({"labels_rejected.jsonl": given.rejects.as_lines()} if given and given.rejects.reasons else {}),
    )


def _no_picture(root: Path, counts: dict[str, int]) -> UserError:
    left_out = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items())
    names = f".{', .'.join(sorted(picture_suffixes() - RAW))}{', or of a RAW format' if exiftool_program() else ''}"
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


def _records(
    pictures: Sequence[Picture], options: Options, labels: dict[str, tuple[str, ...]], beside: Beside
) -> tuple[list[Record], dict[str, int]]:
    """One record a picture, and counts; empty columns are left out."""
    tags, counts = tags_of(pictures, WORDS[options.words], read_ignored(options.ignore_tags), beside.not_taken)
    artists = one_spelling(picture.metadata.artist for picture in pictures)
    counts["pictures_with_artist"] = sum(bool(picture.metadata.artist) for picture in pictures)
    counts["pictures_with_date"] = sum(bool(picture.metadata.taken) for picture in pictures)
    sets = [tuple(sorted({*map(beside.set_of, picture.paths), *picture.metadata.sets} - {""})) for picture in pictures]
    with_tags, with_sets, with_groups = any(tags), any(sets), any(picture.metadata.groups for picture in pictures)
    records = [
        Record(
            id=picture.paths[0],
            file=picture.paths[0],
            owner=artists[picture.metadata.artist.casefold()] or None,
            taken=picture.metadata.taken or None,
            labels=tuple(sorted({label for path in picture.names for label in labels.get(path, ())})),
            tags=tags[row] if with_tags else None,
            sets=sets[row] if with_sets else None,
            groups=tuple(sorted(picture.metadata.groups)) if with_groups else None,
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
                f"spelling{and_words}; tags of Flickr, keywords, people and stars of Picasa, people and favourites of "
                "Google Photos; without tags that programs write by themselves"
            },
            "sets": {
                "how": "the folders of a picture and its copies, except root itself; albums of Google Photos, Flickr "
                "and Picasa; not the folders of an export that are no albums"
            },
            "groups": {"how": "groups of Flickr, in an account's export"},
        },
        "owner": "the account on Flickr, or the artist: dc:creator, IPTC 2:80, EXIF Artist or XPAuthor",
        "taken": "local time: Flickr's date, XMP DateTimeOriginal or DateCreated, EXIF DateTimeOriginal or "
        "DateTimeDigitized; Google's date (UTC) for pictures without one",
    }
