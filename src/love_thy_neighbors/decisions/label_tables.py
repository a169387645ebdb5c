"""Labels as tables that train the next model: what people gave and said yes to, without what they said no to.

labels.csv is read by ``prepare.py source=folder labels=``, labels.jsonl by ``prepare.py source=jsonl records=``.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from love_thy_neighbors.annotation.files import Annotation
from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.decisions.listing import Entry, Listing
from love_thy_neighbors.decisions.reading import Decision
from love_thy_neighbors.ownership import remove_remains

FORMATS = ("csv", "jsonl")


def labels_after(annotation: Annotation, decisions: Sequence[Decision], listing: Listing) -> list[list[str]]:
    """The sorted labels of each photo: given ones and those of a yes, without those of a no."""
    files = annotation.photos["file"].to_pylist()
    ids = annotation.photos["id"].to_pylist()
    given = annotation.photos["labels"].to_pylist()
    found = [set(labels or ()) for labels in given]
    for one in decisions:
        has = one.label in found[one.photo]
        if one.decision == "yes":
            found[one.photo].add(one.label)
        elif one.decision == "no":
            found[one.photo].discard(one.label)
        what = {"yes": "there" if has else "write", "no": "given, but no" if has else None}.get(one.decision)
        if what is not None:
            listing.add(Entry(files[one.photo] or ids[one.photo], what, one.label, ""))
    return [sorted(labels) for labels in found]


def write_labels(annotation: Annotation, labels: Sequence[Sequence[str]], path: Path, kind: str) -> None:
    """Write the photos that have ``labels``; kind: 'csv', for which a photo needs a file, or 'jsonl'."""
    remove_remains(path)
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if kind == "csv":
            rows = zip(annotation.photos["file"].to_pylist(), labels, strict=True)
            csv.writer(file, lineterminator="\n").writerows(
                [("file", "label"), *((name, label) for name, of_photo in rows if name for label in of_photo)]
            )
        else:
            lines = (json.dumps(record, ensure_ascii=False) for record in _records(annotation, labels))
            file.writelines(f"{line}\n" for line in lines)


def _records(annotation: Annotation, labels: Sequence[Sequence[str]]) -> list[dict[str, object]]:
    """The records of photos with labels: id, file, labels, and the metadata that is known."""
    kinds = annotation.about.types
    columns = ["id", "file", *(f"metadata.{kind}" for kind in kinds)]
    records = []
    for photo, of_photo in zip(annotation.photos.select(columns).to_pylist(), labels, strict=True):
        if of_photo:
            metadata = {kind: photo[f"metadata.{kind}"] for kind in kinds if photo[f"metadata.{kind}"] is not None}
            file = {} if photo["file"] is None else {"file": photo["file"]}
            records.append({"id": photo["id"]} | file | {"labels": list(of_photo)} | metadata)
    return records
