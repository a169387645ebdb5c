"""The rows to decide on, as columns."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from love_thy_neighbors.annotation.files import Annotation, read_annotation
from love_thy_neighbors.decision_page.candidates import (
    CHANGED,
    DOUBTFUL,
    GIVEN,
    JUDGED,
    NEIGHBORS,
    STEPS,
    SUGGESTED,
    THUMBNAIL,
    columns_of_photos,
    columns_of_rows,
    sorted_candidates,
)
from love_thy_neighbors.errors import UserError
from made_up_annotation import write_made_up_annotation


@pytest.fixture
def annotation(tmp_path: Path) -> Annotation:
    return read_annotation(write_made_up_annotation(tmp_path, photos=30))


def column(packed: list[str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed[1]), packed[0]).astype(np.int64)


def with_column(annotation: Annotation, name: str, values: Any) -> Annotation:
    table = annotation.suggestions
    place = table.schema.get_field_index(name)
    changed = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return replace(annotation, suggestions=changed)


def test_rows_are_sorted_by_photo_and_then_by_probability(annotation: Annotation) -> None:
    shuffled = np.random.default_rng(1).permutation(annotation.suggestions.num_rows)
    found = sorted_candidates(replace(annotation, suggestions=annotation.suggestions.take(pa.array(shuffled))))
    probability = found.table["probability"].to_numpy()
    assert (np.diff(found.photo) >= 0).all()
    assert (np.diff(probability)[np.diff(found.photo) == 0] <= 0).all()
    assert found.table["label"].to_pylist() == [annotation.about.labels[label] for label in found.label]


@pytest.mark.parametrize(("name", "value"), [("photo", 30), ("photo", -1), ("label", "no such label"), ("label", None)])
def test_a_row_of_an_unknown_photo_or_label_is_named(annotation: Annotation, name: str, value: Any) -> None:
    values = annotation.suggestions[name].to_pylist()
    values[4] = value
    with pytest.raises(UserError, match=r"suggestions\.parquet: row 4 "):
        sorted_candidates(with_column(annotation, name, values))


def test_the_columns_say_what_the_table_says(annotation: Annotation) -> None:
    candidates = sorted_candidates(annotation)
    columns = columns_of_rows(candidates, 30)
    table, flags = candidates.table, column(columns["rowFlags"])
    assert column(columns["perPhoto"]).tolist() == [3] * 30
    np.testing.assert_allclose(column(columns["probability"]) / STEPS, table["probability"], atol=1e-5)
    np.testing.assert_allclose(column(columns["imageAlone"]) / STEPS, table["image_alone"], atol=1e-5)
    assert ((flags & SUGGESTED) > 0).tolist() == table["suggested"].to_pylist()
    assert ((flags & DOUBTFUL) > 0).tolist() == table["doubtful"].to_pylist()
    assert ((flags & JUDGED) > 0).tolist() == [given is not None for given in table["given"].to_pylist()]
    assert ((flags & GIVEN) > 0).tolist() == [bool(given) for given in table["given"].to_pylist()]


@pytest.mark.parametrize(
    ("probability", "alone", "threshold", "changed"),
    [
        (0.9, 0.1, 0.5, True),
        (0.1, 0.9, 0.5, True),
        (0.9, 0.6, 0.5, False),
        (0.1, 0.4, 0.5, False),
        (0.5, 0.4, 0.5, True),  # suggested from the threshold on
        (0.9, 0.1, None, False),  # never suggested
    ],
)
def test_changed_by_neighbours_is_about_the_threshold(
    annotation: Annotation, probability: float, alone: float, threshold: float | None, changed: bool
) -> None:
    for name, value in {"probability": probability, "image_alone": alone, "threshold": threshold}.items():
        annotation = with_column(annotation, name, [value] * annotation.suggestions.num_rows)
    flags = column(columns_of_rows(sorted_candidates(annotation), 30)["rowFlags"])
    assert ((flags & CHANGED) > 0).tolist() == [changed] * flags.size


def test_photos_know_their_thumbnail_and_whether_they_have_neighbours(annotation: Annotation) -> None:
    there = np.arange(30) != 3
    columns = columns_of_photos(annotation.photos, there)
    flags = column(columns["photoFlags"])
    assert ((flags & THUMBNAIL) > 0).tolist() == there.tolist()
    assert np.flatnonzero((flags & NEIGHBORS) == 0).tolist() == [7]
    assert column(columns["collectionRow"])[there].tolist() == pc.filter(annotation.photos["row"], there).to_pylist()


def test_an_annotation_without_rows_has_empty_columns(annotation: Annotation) -> None:
    empty = sorted_candidates(replace(annotation, suggestions=annotation.suggestions.slice(0, 0)))
    columns = columns_of_rows(empty, 30)
    assert column(columns["perPhoto"]).tolist() == [0] * 30
    assert column(columns["label"]).size == 0
