"""An annotation folder: what annotate.py writes and what the page, the exports and the decisions read.

    annotation.json       model, run, date, labels, thresholds, where the photos are; see `About`
    photos.parquet        one row a photo, in the order of scores.npy; see `photos_schema`
    suggestions.parquet   one row a photo and label that is worth a look; see `suggestions_schema`
    suggestions.csv       the same as text
    scores.npy            float32 [n, L], the score of every photo and label (a logit, not a probability)
    collection/           the photos as a collection, if they were given as a folder
    index.html, page/     the page to look at and to decide on

The score of a photo x and a label is a sum (Eq. 6): score = part_image + bias + one part for each kind of neighbours.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.plain_json import read_json

ABOUT = "annotation.json"
PHOTOS = "photos.parquet"
SUGGESTIONS = "suggestions.parquet"
SUGGESTIONS_CSV = "suggestions.csv"
SCORES = "scores.npy"
FORMAT = 1

_TEXTS = pa.list_(pa.string())
# A neighbour of a photo: `row` is its row in the collection `kind` (a key of `About.collections`).
NEIGHBOR = pa.struct(
    [("kind", pa.string()), ("row", pa.int32()), ("id", pa.string()), ("file", pa.string()), ("shared", _TEXTS)]
)
# A neighbour's part in the score of one label; `place` is its place in the photo's list of neighbours.
NEIGHBOR_PART = pa.struct([("place", pa.int32()), ("id", pa.string()), ("part", pa.float32()), ("shared", _TEXTS)])


@dataclass(frozen=True)
class About:
    """The content of annotation.json.

    model, run, collection: names of the model, of its run and of the collection that it was trained on.
    created: ISO 8601 date and time in UTC.
    labels: names, in the order of the columns of scores.npy. thresholds: probability from which each label is
        suggested, for photos with neighbours; None where none reaches ``precision``. never_suggested: labels that no
        photo can get, not even one without neighbours, which has thresholds of its own.
    neighbours: 'new', 'archive', 'both' or 'none'. metadata: the type whose values choose the neighbours, or None.
    kinds: the kinds of neighbours whose parts the scores have: suggestions.parquet has a column part_<kind> for each.
    photos_folder: the folder that ``file`` is relative to; None if it is not known.
    collections: the folder of the collection of each kind of photos; its thumbnails/<row>.webp are the thumbnails.
        'new' is the collection of the photos of this annotation themselves. A relative path starts at the annotation
        folder.
    types: the metadata types of the photos: photos.parquet has a column metadata.<type> for each.
    counts: photos, suggestions, doubtful labels, photos without neighbours and the like, for people.
    notes: sentences for the user, such as that the photos have fewer neighbours than the validation images.
    """

    model: str
    run: str
    collection: str
    created: str
    precision: float
    labels: list[str]
    thresholds: list[float | None]
    never_suggested: list[str]
    neighbours: str
    metadata: str | None
    kinds: list[str]
    photos_folder: str | None
    collections: dict[str, str]
    types: list[str]
    counts: dict[str, int]
    notes: list[str]
    format: int = FORMAT


@dataclass(frozen=True)
class Annotation:
    """An annotation folder in memory."""

    folder: Path
    about: About
    photos: pa.Table
    suggestions: pa.Table


def photos_schema(types: list[str]) -> pa.Schema:
    """Columns of photos.parquet.

    row: the photo's row in the collection 'new'. labels: the labels that people gave, those that the model
    does not know included; null for a photo without labels.
    neighbours: nearest first, with the metadata values that they share with the photo.
    """
    return pa.schema(
        [
            ("id", pa.string()),
            ("file", pa.string()),
            ("row", pa.int32()),
            ("labels", _TEXTS),
            *((f"metadata.{kind}", _TEXTS) for kind in types),
            ("neighbours", pa.list_(NEIGHBOR)),
        ]
    )


def suggestions_schema(kinds: list[str]) -> pa.Schema:
    """Columns of suggestions.parquet.

    photo: row in photos.parquet. probability, image_alone: with neighbours, and of the image tower without neighbours.
    threshold: null for a label that is never suggested. suggested: probability >= threshold, and
    ``given`` is null or test images are looked at. given: whether people gave the label; null for a photo without
    labels, and for a label that its collection does not use. doubtful: a given label of
    probability below 0.05, or a missing one above 0.95, on a photo with labels that the model was not trained on.
    neighbours: those with the largest parts in the score, largest first.
    """
    return pa.schema(
        [
            ("photo", pa.int32()),
            ("id", pa.string()),
            ("file", pa.string()),
            ("label", pa.string()),
            ("probability", pa.float32()),
            ("threshold", pa.float32()),
            ("suggested", pa.bool_()),
            ("given", pa.bool_()),
            ("doubtful", pa.bool_()),
            ("image_alone", pa.float32()),
            ("score", pa.float32()),
            ("bias", pa.float32()),
            ("part_image", pa.float32()),
            *((f"part_{kind}", pa.float32()) for kind in kinds),
            ("neighbours", pa.list_(NEIGHBOR_PART)),
        ]
    )


def read_about(folder: Path) -> About:
    """The content of ``folder``/annotation.json; raises `UserError` if it is missing, damaged or of another version."""
    path = folder / ABOUT
    if not path.is_file():
        raise UserError(f"{path} is missing; give a folder that annotate.py has finished.")
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        pass_on_refusal(path, error)
        raise UserError(f"{path}: not readable JSON ({error}); run annotate.py again with a new out=.") from None
    names = {key.name for key in fields(About)}
    if not isinstance(values, dict) or values.get("format") != FORMAT or not names <= values.keys():
        missing = ", ".join(sorted(names - set(values))) if isinstance(values, dict) else "everything"
        raise UserError(
            f"{path}: not format {FORMAT} of this version (missing: {missing or 'nothing'}); "
            "run annotate.py again with a new out=."
        )
    return About(**{name: values[name] for name in names})


def read_annotation(folder: Path) -> Annotation:
    """The annotation in ``folder``; raises `UserError` naming the file that is missing, damaged or does not fit."""
    about = read_about(folder)
    photos = _read(folder / PHOTOS, photos_schema(about.types))
    return Annotation(folder, about, photos, _read(folder / SUGGESTIONS, suggestions_schema(about.kinds)))


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    cure = "run annotate.py again with overwrite=true."
    if not path.is_file():
        raise UserError(f"{path} is missing; {cure}")
    try:
        return pq.read_table(path).select(schema.names).cast(schema)
    except (pa.ArrowException, OSError, KeyError) as error:
        pass_on_refusal(path, error)
        raise UserError(f"{path}: does not fit annotation.json ({str(error).splitlines()[0]}); {cure}") from None
