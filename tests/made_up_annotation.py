"""A small annotation folder of made-up photos, for tests of the page, the exports and the decisions."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from love_thy_neighbors.annotation.files import (
    ABOUT,
    PHOTOS,
    SCORES,
    SUGGESTIONS,
    About,
    photos_schema,
    suggestions_schema,
)
from love_thy_neighbors.atomic import write_json

LABELS = ["sea", "dog", "snow, fresh", "<b>bold</b>", "places|beach"]
KINDS = ["new", "archive"]
TAGS = [f"tag {number}" for number in range(12)]


def write_made_up_annotation(folder: Path, photos: int = 60, seed: int = 0, **about: Any) -> Path:
    """Write an annotation of ``photos`` photos into ``folder``: unlabelled photos, and every fifth one with labels.

    Photo 7 has no neighbours, photo 3 no thumbnail, and 'dog' is never suggested. ``about`` replaces values of `About`.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    _thumbnails(folder / "collection", photos, random)
    _thumbnails(folder / "archive", 30, random)
    described, rows = _photos(photos, random), []
    scores = random.normal(size=(photos, len(LABELS))).astype(np.float32)
    for number, photo in enumerate(described):
        for column in np.argsort(-scores[number])[:3]:
            rows.append(_suggestion(number, photo, int(column), scores[number], random))
    np.save(folder / SCORES, scores)
    pq.write_table(pa.Table.from_pylist(described, schema=photos_schema(["tags", "sets"])), folder / PHOTOS)
    pq.write_table(pa.Table.from_pylist(rows, schema=suggestions_schema(KINDS)), folder / SUGGESTIONS)
    values: dict[str, Any] = {
        "model": "neighborhood",
        "run": "mine-neighborhood-tags-m3-M6-pool-split-split0-seed0-12345678",
        "collection": "mine",
        "created": "2026-11-27T12:00:00+00:00",
        "precision": 0.9,
        "labels": LABELS,
        "thresholds": [0.6, None, 0.5, 0.7, 0.55],
        "never_suggested": ["dog"],
        "neighbours": "both",
        "metadata": "tags",
        "kinds": KINDS,
        "photos_folder": None,
        "collections": {"new": "collection", "archive": "archive"},
        "types": ["tags", "sets"],
        "counts": {"photos": photos, "suggestions": sum(row["suggested"] for row in rows)},
        "notes": [],
    }
    write_json(folder / ABOUT, asdict(About(**(values | about))))
    return folder


def _thumbnails(collection: Path, count: int, random: np.random.Generator) -> None:
    (collection / "thumbnails").mkdir(parents=True)
    for row in range(count):
        if row == 3:
            continue
        size = (104, 78) if row % 2 else (70, 104)
        color = tuple(int(value) for value in random.integers(0, 255, 3))
        Image.new("RGB", size, color).save(collection / "thumbnails" / f"{row}.webp")


def _photos(count: int, random: np.random.Generator) -> list[dict[str, Any]]:
    found = []
    for number in range(count):
        file = f"{2000 + number % 4}/photo {number}.jpg"
        tags = sorted(random.choice(TAGS, size=3, replace=False).tolist())
        neighbours = [
            {
                "kind": KINDS[place % 2],
                "row": int(random.integers(0, 30)),
                "id": f"neighbour {place} of {number}",
                "file": f"archive/{place}.jpg",
                "shared": tags[: 1 + place % 3],
                "type": "tags" if place < 3 else None,  # of a relational model, and of another one
            }
            for place in range(0 if number == 7 else 6)
        ]
        found.append(
            {
                "id": file,
                "file": file,
                "row": number,
                "labels": ["sea"] if number % 5 == 0 else None,
                "metadata.tags": tags,
                "metadata.sets": [file.split("/")[0]],
                "neighbours": neighbours,
            }
        )
    return found


def _suggestion(
    number: int, photo: dict[str, Any], column: int, scores: np.ndarray, random: np.random.Generator
) -> dict[str, Any]:
    thresholds = [0.6, None, 0.5, 0.7, 0.55]
    label, threshold, score = LABELS[column], thresholds[column], float(scores[column])
    probability = float(1 / (1 + np.exp(-4 * score)))
    given = None if photo["labels"] is None else label in photo["labels"]
    parts = random.normal(size=3) if photo["neighbours"] else np.array([random.normal(), 0, 0])
    parts[0] += score - 0.1 - parts.sum()
    return {
        "photo": number,
        "id": photo["id"],
        "file": photo["file"],
        "label": label,
        "probability": probability,
        "threshold": threshold,
        "suggested": threshold is not None and probability >= threshold and not given,
        "given": given,
        "doubtful": given is not None and (probability < 0.05 if given else probability > 0.95),
        "image_alone": float(1 / (1 + np.exp(-4 * (parts[0] + 0.1)))),
        "score": score,
        "bias": 0.1,
        "part_image": parts[0],
        "part_new": parts[1],
        "part_archive": parts[2],
        "neighbours": [
            {"place": place, "id": one["id"], "part": 0.3 - 0.1 * place, "shared": one["shared"]}
            for place, one in enumerate(photo["neighbours"][:3])
        ],
    }
