"""sources/folder_files.py and folder_words.py: which files are pictures, which are the same, and what titles say."""

import os
from pathlib import Path
from typing import Any

import pytest

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.folder.files import find_pictures
from love_thy_neighbors.sources.folder.words import is_automatic, words
from love_thy_neighbors.sources.spelling import one_spelling


def add(folder: Path, path: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).touch()


def test_pictures_are_sorted_by_path_whatever_their_suffix_looks_like(tmp_path: Path) -> None:
    names = ["b/1.JPG", "a/2.jpeg", "a/10.Tif", "B/1.png", "a.webp", "a/b/c/d.gif", "é.bmp", "e.jfif"]
    for name in names:
        add(tmp_path, name)
    assert find_pictures(tmp_path, skip_unreadable=False) == (sorted(names), {})


def test_a_folder_that_goes_away_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path, "a.jpg")
    add(tmp_path, "gone/b.jpg")
    scandir = os.scandir

    def gone(folder: Path) -> Any:
        if folder.name == "gone":
            raise FileNotFoundError(2, "No such file or directory")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", gone)
    with pytest.raises(UserError, match=r"root: the folder .*/gone cannot be read \(No such file or directory\)"):
        find_pictures(tmp_path, skip_unreadable=False)
    assert find_pictures(tmp_path, skip_unreadable=True) == (["a.jpg"], {"folders_not_readable_left_out": 1})


def test_suffixes_are_counted_by_kind_and_strange_ones_together(tmp_path: Path) -> None:
    for kind in range(20):
        for number in range(2 if kind < 12 else 1):
            add(tmp_path, f"{number}.k{kind}")
    for name in ("README", "a.a suffix", "b.überlang", "c.", os.fsdecode(b"d.\xff"), "e.0123456789"):
        add(tmp_path, name)
    os.mkfifo(tmp_path / "pipe.jpg")
    pictures, counts = find_pictures(tmp_path, skip_unreadable=False)
    assert pictures == []
    assert counts == {f"k{kind}_files_left_out": 2 for kind in range(12)} | {"other_files_left_out": 8 + 6 + 1}


SILENT = (
    "IMG_1234 _MG_0001 DSC00012.JPG _DSC1234 DSCN0815.jpg P1010012 100_0345 20190704_123456 IMG-20190704-WA0001 "
    "PXL_20210101_123456789 Untitled"
)


@pytest.mark.parametrize("title", [*SILENT.split(), "IMG_1234 (2)", "2019-07-04 12.30.00", "SONY DSC"])
def test_titles_that_say_nothing(title: str) -> None:
    assert is_automatic(title)


@pytest.mark.parametrize(
    "title", ["Boeing 747", "Area 51", "Route 66 at dawn", "7 swans", "Pi 3", "1984 revisited", "DSC"]
)
def test_titles_that_say_something(title: str) -> None:
    assert not is_automatic(title)


def test_words_of_other_scripts_stay_whole() -> None:
    assert words("Küste über Łódź, l'isola; हिन्दी के चित्र 2019") == {"küste", "łódź", "isola", "हिन्दी", "चित्र"}
    assert one_spelling(["b", "B", "a"]) == {"b": "B", "a": "a"}  # as frequent: the first by order
