"""A folder with everything that is no photo, or a photo of an unusual kind: what is taken, left out, counted and said."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from fixtures.folder import picture, saved
from fixtures.photo_folder_junk import (
    COLOURS,
    DECOMPOSED,
    IN_PAIR,
    JUNK,
    NO_PICTURES,
    NOT_UTF_8,
    RAW_COLOURS,
    raw,
    write,
)
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features import raw_previews
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.folder import Options, read
from love_thy_neighbors.sources.folder.files import find_pictures
from love_thy_neighbors.sources.prepare import make

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=20, batch_size=16, workers=0, device="cpu", thumbnail=16)
EXCLUDE = ["trash", "draft*.jpg", "2018/raw*"]
with_exiftool = pytest.param(
    True, marks=pytest.mark.skipif(shutil.which("exiftool") is None, reason="apt-get install libimage-exiftool-perl")
)


def prepare(root: Path, **options: Any) -> Path:
    out = root.parent / "mine"
    make(read, Options(root=root, **options), out, False, HOW)
    return out


def rows(out: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in pq.read_table(out / "images.parquet").to_pylist()}


def clean_up(out: Path) -> dict[str, Any]:
    return json.loads((out / "card.json").read_text())["clean_up"]


@pytest.mark.parametrize("exiftool", [False, with_exiftool])
def test_what_is_taken_and_what_is_left_out_and_why(
    exiftool: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not exiftool:
        monkeypatch.setattr(raw_previews, "exiftool", lambda: None)
    root = tmp_path / "photos"
    write(root)
    out = prepare(root, exclude=EXCLUDE, max_rejected=0.4)
    colours = COLOURS | (RAW_COLOURS if exiftool else {})
    collection = load_collection(out)
    found = dict(zip(collection.ids.to_pylist(), np.asarray(collection.features.table, dtype=float), strict=True))
    assert found.keys() == colours.keys()
    for path, colour in colours.items():
        assert np.abs(found[path] - colour).max() < 12, path
    assert rows(out)["2019/IMG_1.JPG"].get("tags") == (["of the RAW file"] if exiftool else None)
    total = len(colours) + len(NO_PICTURES) + 1 + exiftool  # a name that is not UTF-8, the RAW file of a pair
    rejected = {entry["reason"] for entry in map(json.loads, (out / "rejected.jsonl").read_text().splitlines())}
    expected = {f"has the file {path!r}, which {why}" for path, (_, why) in NO_PICTURES.items()}
    expected.add(f"has the file {NOT_UTF_8!r}, which has a name that is not UTF-8")
    assert len(rejected) == len(expected)
    assert all(any(reason.startswith(one) for one in expected) for reason in rejected)
    counts = clean_up(out)
    assert counts["hidden_or_system_files_left_out"] + counts["hidden_or_system_folders_left_out"] == len(JUNK)
    assert counts["folders_inside_photo_libraries_left_out"] == 2
    assert counts["files_inside_photo_libraries_left_out"] == 1
    assert (counts["excluded_files"], counts["excluded_folders"]) == (1, 3)
    assert counts["pictures"] == total
    assert counts.get("nef_files_left_out", 0) == (0 if exiftool else 2)
    assert counts["other_formats_of_a_picture_merged"] == exiftool
    printed = capsys.readouterr().out
    assert f"5 of {total} pictures" in printed
    assert "'2019/caf\\udce9.jpg', which has a name that is not UTF-8" in printed  # the first by path
    assert ("2 RAW pictures are left out; with exiftool" in printed) is not exiftool


@pytest.mark.parametrize("exiftool", [False, with_exiftool])
def test_labels_of_all_these_names(exiftool: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exiftool:
        monkeypatch.setattr(raw_previews, "exiftool", lambda: None)
    root = tmp_path / "photos"
    write(root)
    names = {
        "2018\\SCAN.PNG": "2018/scan.png",
        f"photos/{IN_PAIR}" if exiftool else "photos/2019/IMG_1.JPG": "2019/IMG_1.JPG",
        str(root / "2019/IMG_2.heic"): "2019/IMG_2.heic",
        "2019//IMG_3": "2019/IMG_3.jpg",
        "img_4.avif": "2019/IMG_4.avif",
        "2019/Küste.jpg": DECOMPOSED,
        "2019/back\\slash.jpg": "2019/back\\slash.jpg",
    }
    lines = [f'"{name}","label {number}"' for number, name in enumerate(names)]
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "\n".join(lines) + "\n2019/Kueste.jpg,sea\n")
    out = prepare(root, exclude=EXCLUDE, max_rejected=0.4, labels=table)
    found = rows(out)
    assert {path: found[path]["labels"] for path in names.values()} == {
        path: [f"label {number}"] for number, path in enumerate(names.values())
    }
    (rejected,) = map(json.loads, (out / "labels_rejected.jsonl").read_text().splitlines())
    assert rejected["line"] == len(names) + 2
    assert clean_up(out)["label_lines_found_under_another_spelling"] == len(names) - 1  # one has a backslash in it


def test_a_raw_picture_counts_if_its_jpeg_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("apt-get install libimage-exiftool-perl")
    root = tmp_path / "photos"
    (root / "a").mkdir(parents=True)
    (root / "a/1.jpg").write_bytes(b"")
    (root / "a/1.nef").write_bytes(raw(saved(picture((200, 40, 40)))))
    assert list(rows(prepare(root, max_rejected=0.5))) == ["a/1.nef"]


def few(root: Path, good: int, bad: dict[str, bytes]) -> Path:
    root.mkdir()
    for number in range(good):
        (root / f"{number:02}.jpg").write_bytes(saved(picture(seed=number)))
    for name, content in bad.items():
        (root / name).write_bytes(content)
    return root


def test_one_bad_photo_of_many_is_left_out_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = few(tmp_path / "photos", 38, {"07b.jpg": b"", "99.jpg": saved(picture())[:-100]})
    out = prepare(root)
    assert len(rows(out)) == 38
    printed = capsys.readouterr().out
    assert (
        f"left out: 2 of 40 pictures (5.0 %), see {out / 'rejected.jsonl'}. The first is picture 9: has the file"
        in printed
    )
    assert "'07b.jpg', which is empty (0 bytes)" in printed
    assert len((out / "rejected.jsonl").read_text().splitlines()) == 2


def test_too_many_bad_photos_stop_it_before_features_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {f"e{number}.jpg": b"" for number in range(4)} | {"h1.jpg": b"<html>", "h2.jpg": b"<html>", "t.jpg": b"text"}
    root = few(tmp_path / "photos", 13, bad | {"x.bmp": b"BM\0\0"})
    monkeypatch.setattr("love_thy_neighbors.features.extraction.extract_features", lambda *_: pytest.fail("extracted"))
    with pytest.raises(UserError) as caught:
        prepare(root)
    message = str(caught.value)
    assert message.startswith(f"{root}: 8 of 21 pictures (38.1 %)")
    assert "max_rejected=0.05" in message
    assert "file: is empty (4); file: is a web page (2); file: is a text file (1)" in message
    assert "picture 14: has the file 'e0.jpg'" in message
    assert not (tmp_path / "mine").exists()


def test_too_many_that_cannot_be_decoded_stop_it_and_it_continues(tmp_path: Path) -> None:
    """Their headers are sound: it is found while features are made."""
    cut = saved(picture(seed=99))[:-100]
    root = few(tmp_path / "photos", 40, {"10b.jpg": cut, "39b.jpg": cut + b"x", "39c.jpg": cut + b"xy"})
    with pytest.raises(UserError, match=r"3 of 43 pictures .*max_rejected=0\.05.*cannot be decoded \(3\).*'10b.jpg'"):
        prepare(root)
    assert (tmp_path / "mine.partial/progress.json").is_file()
    out = prepare(root, max_rejected=0.1)
    assert len(rows(out)) == 40
    assert clean_up(out)["pictures_rejected"] == 3
    assert not (tmp_path / "mine.partial").exists()


def test_on_error_stop_names_the_first(tmp_path: Path) -> None:
    root = few(tmp_path / "photos", 40, {"10b.jpg": b""})
    with pytest.raises(UserError, match=r"photos, picture 12: has the file '10b.jpg', which is empty.*on_error=skip"):
        prepare(root, on_error="stop")


@pytest.mark.parametrize("value", [-0.1, 1.5, "5 %", True])
def test_max_rejected_is_a_share(value: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="max_rejected: must be a number from 0 to 1"):
        Options(root=tmp_path, max_rejected=value)


FILES = ("2019/a.jpg", "2019/Trash/b.jpg", "2018/2019/c.PNG", "2018/Küste/d.jpg", "2018/e[1].jpg", "2019.jpg")


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (None, set(FILES)),
        ([], set(FILES)),
        ("trash", set(FILES) - {"2019/Trash/b.jpg"}),  # one without brackets
        (["*.png"], set(FILES) - {"2018/2019/c.PNG"}),
        ([2019], {"2018/Küste/d.jpg", "2018/e[1].jpg", "2019.jpg"}),  # at any depth
        (["/2019"], {"2018/Küste/d.jpg", "2018/e[1].jpg", "2019.jpg"}),
        (["2018/2019/"], set(FILES) - {"2018/2019/c.PNG"}),
        (["2018/*.jpg"], set(FILES) - {"2018/Küste/d.jpg", "2018/e[1].jpg"}),
        (["Ku\u0308ste", "?.jpg"], {"2018/2019/c.PNG", "2018/e[1].jpg", "2019.jpg"}),
        (["e[[]1[]].jpg"], set(FILES) - {"2018/e[1].jpg"}),
    ],
)
def test_exclude(exclude: Any, left: set[str], tmp_path: Path) -> None:
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    options = Options(root=tmp_path, exclude=exclude)
    pictures, _, counts = find_pictures(tmp_path, False, options.patterns)
    assert set(pictures) == left
    assert "exclude_patterns_that_match_nothing" not in counts


def test_a_pattern_that_matches_nothing_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert find_pictures(tmp_path, False, ["b", "a.jpg", "c/*"])[2] == {
        "excluded_files": 1,
        "exclude_patterns_that_match_nothing": 2,
    }


def test_patterns_must_be_texts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exclude: must be a list of patterns"):
        Options(root=tmp_path, exclude=[["a"]])
