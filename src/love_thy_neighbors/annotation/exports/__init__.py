"""Suggestions for other programs to look at; the programs' own libraries are not needed to write them."""

from pathlib import Path

from love_thy_neighbors.annotation.exports.fiftyone import write_fiftyone
from love_thy_neighbors.annotation.exports.label_studio import write_label_studio
from love_thy_neighbors.annotation.files import read_annotation


def write_export(folder: Path, kind: str) -> Path:
    """Write the suggestions of the annotation in ``folder`` for 'label_studio' or 'fiftyone'; returns its path."""
    path = folder / f"{kind}.json"
    annotation = read_annotation(folder)
    if kind == "fiftyone":
        write_fiftyone(annotation, path)
    else:
        write_label_studio(annotation, path)
    return path
