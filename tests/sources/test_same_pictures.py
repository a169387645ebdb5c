"""same_pictures.py: pictures that are the same file under many ids."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.jsonl import Options, read
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.same_pictures import same_pictures

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=32, batch_size=4, workers=1, device="cpu", thumbnail=16)


def collection(folder: Path, pictures: str, **options: Any) -> Collection:
    """A collection with one photo a letter of ``pictures``; the same letter is the same file, byte for byte."""
    (folder / "photos").mkdir(exist_ok=True)
    lines = []
    for number, letter in enumerate(pictures):
        colour = (ord(letter), 0, 0)
        Image.new("RGB", (8, 8), colour).save(folder / "photos" / f"{number}.jpg", comment=letter)
        lines.append(f'{{"id": "p{number}", "file": "{number}.jpg", "labels": ["a"]}}\n')
    (folder / "photos.jsonl").write_text("".join(lines))
    options = {"images": folder / "photos", **options}
    make(read, Options(records=folder / "photos.jsonl", **options), folder / "mine", True, HOW)
    return load_collection(folder / "mine")


def listed(folder: Path) -> list[dict[str, str]]:
    with (folder / "mine" / "same_pictures.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_picture_of_many_ids_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = collection(tmp_path, "abxcxxdxefxghh")
    assert found.ids.to_pylist() == ["p0", "p1", "p3", "p6", "p8", "p9", "p11", "p12", "p13"]
    assert found.features.table[:, 0].tolist() == pytest.approx([ord(letter) for letter in "abcdefghh"], abs=1)
    counts = found.card["clean_up"]
    assert counts["pictures_with_a_copy_under_another_id"] == 7
    assert counts["same_pictures_left_out"] == 5
    assert [(row["picture"], row["id"], row["left_out"]) for row in listed(tmp_path)] == [
        *(("1", f"p{row}", "true") for row in (2, 4, 5, 7, 10)),
        ("2", "p12", "false"),
        ("2", "p13", "false"),
    ]
    assert str(tmp_path / "mine" / "same_pictures.csv") in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize(
    ("pictures", "share", "left"),
    [
        ("xxxxab", 0.0, 6),  # four may be copies that people made
        ("xxxxxabcde", 0.6, 10),
        ("xxxxxabcde", 0.5, 10),  # not more than half
        ("xxxxxabcde", 0.4, 5),
        ("xxxxxyyyyyab", 0.1, 2),
        ("xxxxxabcde", 1, 10),
    ],
)
def test_the_share_decides(pictures: str, share: float, left: int, tmp_path: Path) -> None:
    assert len(collection(tmp_path, pictures, same_picture_share=share)) == left
    assert len(listed(tmp_path)) == max(len(pictures) - len(set(pictures)) + len({*pictures} & {*"xy"}), 0)


def test_different_pictures_are_not_listed(tmp_path: Path) -> None:
    found = collection(tmp_path, "abc")
    assert "same_pictures_left_out" not in found.card["clean_up"]
    assert not (tmp_path / "mine" / "same_pictures.csv").exists()


def test_if_no_picture_is_left_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"photos\.jsonl: .*same_picture_share=1"):
        collection(tmp_path, "xxxxxx")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("share", [-0.1, 1.1, "all", True, np.nan])
def test_a_share_that_is_none(share: object) -> None:
    with pytest.raises(UserError, match="^same_picture_share: "):
        Options(records=Path(__file__), images=Path(), same_picture_share=share)  # type: ignore[arg-type]


def test_files_are_the_same_only_if_their_contents_are(tmp_path: Path) -> None:
    long = b"x" * (1 << 18)
    contents = [long + b"1", b"a", long + b"2", b"b", long + b"1", b"aa", b"a"]
    paths = [tmp_path / f"{place}" for place in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    steps: list[int] = []
    assert same_pictures([*paths, tmp_path / "none"], steps.append) == [[0, 4], [1, 6], [2], [3], [5], [7]]
    assert sum(steps) == 2 * (len(paths) + 1)
