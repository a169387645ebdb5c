"""Suggestions as predictions of Label Studio (https://labelstud.io/guide/predictions).

``tasks.json`` is imported into a project whose labelling setup is ``tasks.xml``, written beside it. Label Studio reads
the pictures from its local files: set LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT to the photos' folder.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from love_thy_neighbors.annotation.exports.suggested import Suggested, suggested
from love_thy_neighbors.annotation.files import Annotation
from love_thy_neighbors.atomic import written_whole

LOCAL_FILES = "/data/local-files/?d="


def write_label_studio(
    annotation: Annotation, path: Path, model_version: str | None = None, pictures: str = LOCAL_FILES
) -> Path:
    """Write a task for each photo with suggestions to ``path`` (JSON) and the labelling setup beside it (.xml).

    model_version: how Label Studio names the predictions; the run's name by default. pictures: what comes before a
    photo's path in the address of its picture. Returns the path of the setup.
    """
    version = model_version or annotation.about.run
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        lines = (json.dumps(_task(photo, version, pictures), ensure_ascii=False) for photo in suggested(annotation))
        file.write("[\n" + ",\n".join(lines) + "\n]\n")
    setup = path.with_suffix(".xml")
    with written_whole(setup) as temporary:
        temporary.write_text(_setup(annotation.about.labels), encoding="utf-8")
    return setup


def _task(photo: Suggested, model_version: str, pictures: str) -> dict[str, Any]:
    """One choice of several labels. Its score is that of the least certain one, so that tasks sorted by score begin
    with the doubtful ones; ``probabilities`` has all of them."""
    score = photo.labels[-1][1]
    result = {
        "from_name": "label",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [label for label, _ in photo.labels]},
        "score": score,
    }
    return {
        "data": {
            "image": pictures + quote(photo.file),
            "id": photo.id,
            "file": photo.file,
            "probabilities": dict(photo.labels),
        },
        "predictions": [{"model_version": model_version, "score": score, "result": [result]}],
    }


def _setup(labels: Sequence[str]) -> str:
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image")
    choices = SubElement(view, "Choices", name="label", toName="image", choice="multiple", showInline="true")
    for label in labels:
        SubElement(choices, "Choice", value=label)
    indent(view)
    return tostring(view, encoding="unicode") + "\n"
