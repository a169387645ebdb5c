"""McAuley and Leskovec's metadata as a collection of its own:
``python prepare.py source=mcauley xml=photosMIR.xml out=data/mir``.

Each ``<photo>`` is an image; the user's pictures are found by the photo's Flickr id.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.flickr.photo_metadata import megabytes, read_photo_metadata
from love_thy_neighbors.sources.flickr.photo_tables import PhotoColumns
from love_thy_neighbors.sources.flickr.pictures_by_id import join_pictures
from love_thy_neighbors.sources.rejects import Rejects
from love_thy_neighbors.sources.release import GivenTable, PublishedCounts, Release, SourceOptions

# McAuley and Leskovec, ECCV 2012. For the other three files no counts are known.
PUBLISHED: dict[str, dict[str, PublishedCounts]] = {
    "NUS": {"tags": (422_364, None, None), "sets": (165_039, None, None), "groups": (95_358, None, None)}
}
_PUBLISHED_AS = "McAuley and Leskovec, ECCV 2012: NUS, 244,762 photos"


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """The keys of configs/source/mcauley.yaml; raises `UserError` for values that make no sense together."""

    xml: Path | None
    label_source: str | None = None

    def __post_init__(self) -> None:
        if self.xml is None or not self.xml.exists():
            raise UserError(f"xml: {self.xml or 'null'} does not exist; give a file of McAuley's (xml=photosNUS.xml).")
        super().__post_init__()


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The photos of the XML file, which are the entries; raises `UserError`."""
    assert options.xml is not None
    rejects = Rejects(str(options.xml), "photo", options.on_error)
    columns, numbers, counts = _columns(options.xml, rejects)
    source = columns.label_source(options.xml, options.label_source)
    release = Release(
        name=options.xml.stem,
        table=columns.table(source),
        rejects=rejects,
        about={
            "source": {"xml": options.xml.name, "paper": "McAuley and Leskovec, ECCV 2012"},
            "licence": "not stated by the file; each photo has its owner's",
            "labels": {"how": f"<label source={source!r}>" if source else "the file has none"},
            "metadata": {
                "tags": {"how": "<tag>, as it is written"},
                "sets": {"how": "<set>, by id: albums of the photo's owner"},
                "groups": {"how": "<pool>, by id: pools of groups"},
            },
        },
        counts=counts,
        numbers=np.array(numbers, dtype=np.int64),
        features=None if options.features is None else GivenTable(options.features, counts["photos"], str(options.xml)),
        min_positives=options.min_positives,
        published=PUBLISHED.get(source or "", {}),
        published_as=_PUBLISHED_AS,
    )
    if options.images is not None and release.table.num_rows:
        join_pictures(release, options.images, how.max_pixels)
    return release


def _columns(xml: Path, rejects: Rejects) -> tuple[PhotoColumns, list[int], dict[str, int]]:
    """The photos, their numbers in the file, and counts."""
    columns = PhotoColumns()
    number_of: dict[str, int] = {}
    counts = dict.fromkeys(("photos", "photos_with_a_repeated_id", "sets_and_groups_without_id"), 0)
    with progress_bar(f"reading {xml.name} (MB)", megabytes(xml)) as advance:
        for number, photo in enumerate(read_photo_metadata(xml, advance), 1):
            counts["photos"] = number
            counts["sets_and_groups_without_id"] += photo.without_id
            if not photo.id:
                rejects.refuse(number, "has no id")
            elif photo.id in number_of:  # with two rows the same photo could be in two parts of a split
                counts["photos_with_a_repeated_id"] += 1
            else:
                number_of[photo.id] = number
                columns.add(photo)
    return columns, list(number_of.values()), counts
