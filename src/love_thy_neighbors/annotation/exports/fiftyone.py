"""Suggestions as ``Classifications`` of FiftyOne.

The layout is that of fiftyone.types.FiftyOneImageClassificationDataset, which people and programs may write:

    fiftyone.Dataset.from_dir(
        dataset_type=fiftyone.types.FiftyOneImageClassificationDataset,
        data_path="photos/", labels_path="fiftyone.json", label_field="suggestions",
    )
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from love_thy_neighbors.annotation.exports.suggested import suggested
from love_thy_neighbors.annotation.files import Annotation
from love_thy_neighbors.atomic import written_whole


def write_fiftyone(annotation: Annotation, path: Path, photos: Path | None = None) -> None:
    """Write the suggestions of each photo that has any to ``path`` (JSON).

    Photos are named by their absolute path below ``photos`` (default: the folder that the annotation names). If neither
    is known, they are named by their path without suffix below data_path, as FiftyOne does it.
    """
    folder = photos or annotation.about.photos_folder
    root = None if folder is None else (annotation.folder / folder).absolute()
    found: dict[str, list[dict[str, Any]]] = {}
    for photo in suggested(annotation):
        name = str(PurePosixPath(photo.file).with_suffix("")) if root is None else str(root / photo.file)
        found[name] = [{"label": label, "confidence": probability} for label, probability in photo.labels]
    with written_whole(path) as temporary:
        values = {"classes": annotation.about.labels, "labels": found}
        temporary.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")
