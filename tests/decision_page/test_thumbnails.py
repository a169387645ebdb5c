"""Which thumbnails go with the page."""

import os
from pathlib import Path

import numpy as np

from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.decision_page.thumbnails import copy_thumbnails, rows_shown, thumbnail_folders
from made_up_annotation import write_made_up_annotation


def test_rows_shown_are_the_photos_and_the_neighbours(tmp_path: Path) -> None:
    annotation = read_annotation(write_made_up_annotation(tmp_path, photos=40))
    new, archive = rows_shown(annotation)
    neighbors = [one for list_ in annotation.photos["neighbours"].to_pylist() for one in list_]
    assert archive.tolist() == sorted({one["row"] for one in neighbors if one["kind"] == "archive"})
    assert new.tolist() == list(range(40))


def test_a_collection_may_lie_elsewhere(tmp_path: Path) -> None:
    places = {"new": "collection", "archive": str(tmp_path / "far" / "archive")}
    annotation = read_annotation(write_made_up_annotation(tmp_path / "a", photos=5, collections=places))
    assert thumbnail_folders(annotation) == [
        tmp_path / "a" / "collection" / "thumbnails",
        tmp_path / "far" / "archive" / "thumbnails",
    ]


def test_only_the_rows_asked_for_are_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("0.webp", "1.webp", "2000.webp", "secret.txt", "x.webp"):
        (source / name).write_text(name)
    steps: list[int] = []
    there = copy_thumbnails(source, np.array([0, 5, 2000]), target, steps.append)
    assert np.flatnonzero(there).tolist() == [0, 2000]
    copied = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert copied == ["0/0.webp", "2/2000.webp"]
    assert (target / "2" / "2000.webp").read_text() == "2000.webp"
    assert sum(steps) == 3


def test_links_folders_and_pipes_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "private").write_text("private")
    (source / "0.webp").symlink_to(tmp_path / "private")
    (source / "1.webp").mkdir()
    os.mkfifo(source / "2.webp")
    assert not copy_thumbnails(source, np.arange(3), tmp_path / "target", lambda _: None).any()
    assert not [path for path in (tmp_path / "target").rglob("*") if path.is_file()]


def test_a_collection_without_thumbnails_is_no_fault(tmp_path: Path) -> None:
    steps: list[int] = []
    there = copy_thumbnails(tmp_path / "none", np.arange(3), tmp_path / "target", steps.append)
    assert (there.tolist(), sum(steps)) == ([False] * 3, 3)
