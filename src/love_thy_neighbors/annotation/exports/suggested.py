"""The suggested labels of each photo, which the exports share."""

from collections import defaultdict
from dataclasses import dataclass

import pyarrow.compute as pc

from love_thy_neighbors.annotation.files import Annotation


@dataclass(frozen=True)
class Suggested:
    """A photo with suggestions; ``labels`` are (label, probability), most certain first."""

    id: str
    file: str
    labels: list[tuple[str, float]]


def suggested(annotation: Annotation) -> list[Suggested]:
    """The photos that have suggestions and a file, in the order of photos.parquet."""
    table = annotation.suggestions.filter(pc.fill_null(annotation.suggestions["suggested"], False))
    labels: dict[int, list[tuple[str, float]]] = defaultdict(list)
    rows = zip(*(table[name].to_pylist() for name in ("photo", "label", "probability")), strict=True)
    for photo, label, probability in rows:
        labels[photo].append((label, round(probability, 6)))
    ids, files = (annotation.photos[name].to_pylist() for name in ("id", "file"))
    return [
        Suggested(ids[photo], files[photo], sorted(labels[photo], key=lambda one: (-one[1], one[0])))
        for photo in sorted(labels)
        if files[photo] is not None
    ]
