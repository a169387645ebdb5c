"""annotation/picture_folders.py: when a collection of pictures is used again."""

from pathlib import Path
from typing import Any

import pytest

from love_thy_neighbors.annotation import picture_folders
from love_thy_neighbors.annotation.picture_folders import PictureFolder, collection_of_pictures


def test_a_finished_collection_is_used_again_for_the_same_network_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make(read: Any, options: Any, out: Path, *rest: Any) -> None:
        out.mkdir()
        made.append(out)

    monkeypatch.setattr(picture_folders, "make", make)
    monkeypatch.setattr(picture_folders, "extraction", lambda *arguments: None)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"picture")
    for network, count in (("first", 1), ("first", 1), ("second", 2)):
        about = {"name": network, "sha256_of_weights": "0" * 64}
        (tmp_path / "partial").mkdir(exist_ok=True)
        collection_of_pictures(tmp_path / "photos", about, tmp_path / "partial", PictureFolder())
        assert len(made) == count


def test_a_collection_is_made_again_if_a_service_says_something_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    monkeypatch.setattr(picture_folders, "make", lambda read, options, out, *rest: (out.mkdir(), made.append(out)))
    monkeypatch.setattr(picture_folders, "extraction", lambda *arguments: None)
    (tmp_path / "photos").mkdir()
    (tmp_path / "partial").mkdir()
    files = {"a.jpg": "picture", "a.jpg.json": "{}", ".picasa.ini": "[a.jpg]", "a.json": "{}", "notes.txt": "notes"}
    for count, (name, content) in enumerate(files.items(), 1):
        (tmp_path / "photos" / name).write_text(content)
        collection_of_pictures(tmp_path / "photos", {"name": "x"}, tmp_path / "partial", PictureFolder())
        assert len(made) == min(count, 4), name  # notes say nothing
