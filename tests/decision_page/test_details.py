"""What the page shows of an opened photo."""

from pathlib import Path

import numpy as np
import pytest

from love_thy_neighbors.annotation.files import Annotation, read_annotation
from love_thy_neighbors.decision_page.candidates import sorted_candidates
from love_thy_neighbors.decision_page.details import PER_PIECE, pieces
from made_up_annotation import write_made_up_annotation


@pytest.fixture
def annotation(tmp_path: Path) -> Annotation:
    return read_annotation(write_made_up_annotation(tmp_path, photos=PER_PIECE + 11))


def test_pieces_hold_every_photo_and_row_in_order(annotation: Annotation) -> None:
    candidates = sorted_candidates(annotation)
    found = list(pieces(annotation.about, annotation.photos, candidates, [np.ones(99, bool)] * 2))
    photos = [photo for piece in found for photo in piece]
    assert [len(piece) for piece in found] == [PER_PIECE, 11]
    assert [photo["id"] for photo in photos] == annotation.photos["id"].to_pylist()
    assert [photo["labels"] for photo in photos] == annotation.photos["labels"].to_pylist()
    rows = [row["probability"] for photo in photos for row in photo["rows"]]
    np.testing.assert_allclose(rows, candidates.table["probability"], atol=1e-5)


def test_the_parts_of_a_row_add_up_to_its_score(annotation: Annotation) -> None:
    for piece in pieces(annotation.about, annotation.photos, sorted_candidates(annotation), [np.ones(99, bool)] * 2):
        for photo in piece:
            for row in photo["rows"]:
                assert len(row["parts"]) == 1 + len(annotation.about.kinds)
                assert sum(row["parts"]) == pytest.approx(row["score"], abs=1e-4)


def test_neighbours_have_their_collection_thumbnail_and_shared_values(annotation: Annotation) -> None:
    thumbnails = [np.zeros(0, bool), np.arange(30) % 2 == 0]  # none of 'new', every second one of 'archive'
    first = next(pieces(annotation.about, annotation.photos, sorted_candidates(annotation), thumbnails))
    for photo, expected in zip(first, annotation.photos["neighbours"].to_pylist(), strict=False):
        for (place, row, name, file, shared, kind), one in zip(photo["neighbors"], expected, strict=True):
            there = one["kind"] == "archive" and one["row"] % 2 == 0
            assert row == (one["row"] if there else -1)
            assert [place, name, file, shared, kind] == [
                ["new", "archive"].index(one["kind"]),
                one["id"],
                one["file"],
                one["shared"],
                one["type"],
            ]


def test_numbers_that_are_not_finite_are_sent_as_unknown(annotation: Annotation) -> None:
    table = annotation.suggestions
    place = table.schema.get_field_index("part_new")
    broken = table.set_column(place, table.schema.field(place), [np.full(table.num_rows, np.nan, np.float32)])
    candidates = sorted_candidates(Annotation(annotation.folder, annotation.about, annotation.photos, broken))
    first = next(pieces(annotation.about, annotation.photos, candidates, [np.zeros(0, bool)] * 2))
    assert first[0]["rows"][0]["parts"][1] is None
