"""sources/prepare.py: a collection from the release of any source."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from conftest import made_up_table, train_on
from love_thy_neighbors.annotation.photos import new_photos
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.neighbors.euclidean import nearest_by_euclidean
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.rejects import Rejects
from love_thy_neighbors.sources.release import FinishedTable, GivenTable, Release
from love_thy_neighbors.training.data import FeatureTable

HOW = Extraction(device="cpu")
TABLE, FEATURES = made_up_table()


@dataclass(frozen=True)
class Options:
    root: Path | None = None


def release(**changes: object) -> Release:
    plain = Release("made-up", TABLE, Rejects("made-up.txt", "photo", "skip"), about={"licence": "none"})
    return replace(plain, **changes)  # type: ignore[arg-type]


def made(found: Release, out: Path) -> Path:
    make(lambda options, how, partial: found, Options(), out, False, HOW)
    assert sorted(path.name for path in out.parent.iterdir() if path.is_dir()) == [out.name]
    return out


def test_a_collection_without_features_says_how_to_add_them(tmp_path: Path) -> None:
    out = made(release(), tmp_path / "mine")
    with pytest.raises(UserError, match="the collection has no features yet; add them with"):
        load_collection(out)


def test_a_finished_table_is_moved_in(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", FEATURES)
    finished = FinishedTable("net", tmp_path / "table.npy", {"network": "none"})
    collection = load_collection(made(release(features=finished), tmp_path / "mine"))
    np.testing.assert_array_equal(collection.features.table, FEATURES)
    assert collection.card["features"]["net"]["network"] == "none"
    assert not (tmp_path / "table.npy").exists()


@pytest.mark.parametrize(("offset", "scale"), [(1000, 0.01), (0, 1e-9)])
def test_features_that_need_float32_are_stored_so_and_read_everywhere(
    offset: float, scale: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (np.random.default_rng(0).normal(size=(len(FEATURES), 4)) * scale + offset).astype(np.float32)
    np.save(tmp_path / "given.npy", given)
    out = made(release(features=GivenTable(tmp_path / "given.npy", len(given), "made-up.txt")), tmp_path / "mine")
    collection = load_collection(out)
    np.testing.assert_array_equal(collection.features.table, given)
    assert "float32" in collection.card["features"]["given"]["stored"]
    assert "float32" in capsys.readouterr().out
    rows = np.array([3, 8, 1])
    found = FeatureTable(collection).gather(torch.from_numpy(rows), torch.device("cpu"))
    np.testing.assert_array_equal(found.numpy(), given[rows])
    photos = new_photos(collection, None, "new", ())
    np.testing.assert_array_equal(photos.features(rows), given[rows])
    everyone = np.arange(len(given))
    nearest = nearest_by_euclidean(collection.features.table, everyone, everyone, 1)[:, 0]
    exact = ((given.astype(np.float64)[:, None] - given) ** 2).sum(axis=2)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_array_equal(nearest, exact.argmin(axis=1))


def test_given_features_follow_the_entries_that_are_kept(tmp_path: Path) -> None:
    rows = np.array([0, 5, 7, 100])
    given = np.arange(300 * 4, dtype=np.float64).reshape(300, 4)
    given[5, 2] = np.nan
    np.save(tmp_path / "given.npy", given)
    found = release(
        table=TABLE.take(pa.array(rows)),
        numbers=rows + 1,
        features=GivenTable(tmp_path / "given.npy", 300, "made-up.txt"),
        splits=np.array([[0, 1, 2, -1]]),
    )
    collection = load_collection(made(found, tmp_path / "mine"))
    np.testing.assert_array_equal(collection.features.table, given[[0, 7, 100]])
    assert collection.ids.to_pylist() == ["image0", "image7", "image100"]
    np.testing.assert_array_equal(collection.splits, [[0, 2, -1]])
    rejected = json.loads((collection.folder / "rejected.jsonl").read_text())
    assert rejected["photo"] == 6
    assert collection.card["clean_up"] == {
        "photos_rejected": 1,
        "reasons": {"feature row: holds NaN or infinity": 1},
    }


def test_rows_without_numbers_are_numbered_before_some_are_dropped() -> None:
    found = release(files=[Path(f"{row}.jpg") for row in range(240)])
    found.keep(np.array([3, 9]))
    found.keep(np.array([1]))
    assert found.entry_numbers().tolist() == [10]
    assert found.files == [Path("9.jpg")]
    assert found.table["id"].to_pylist() == ["image9"]


def test_a_table_of_another_length_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "given.npy", FEATURES)
    found = release(features=GivenTable(tmp_path / "given.npy", 241, "made-up.txt"))
    with pytest.raises(UserError, match="given.npy: 240 rows, .*made-up.txt .*241 photos"):
        made(found, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_published_counts_stand_beside_comparable_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = release(
        published={"labels": (81, (5701.3, 1682), (2.4, 2)), "albums": (7, None, None)},
        published_as="somebody, 2012",
        comparable=TABLE.slice(0, 10),
        counts={"broken_lines": 1234, "nothing_wrong": 0, "how": "a text"},
    )
    made(found, tmp_path / "mine")
    printed = capsys.readouterr().out
    assert "somebody, 2012" in printed
    assert "5701.3 / 1682" in printed
    assert "broken lines: 1,234" in printed
    assert "nothing wrong" not in printed


def test_splits_of_the_release_are_what_is_trained_on(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", FEATURES)
    parts = np.full((2, 240), -1, dtype=np.int8)
    parts[0, :100], parts[0, 100:150], parts[0, 150:200] = 0, 1, 2
    parts[1, ::2], parts[1, 1::4], parts[1, 3::4] = 0, 1, 2
    features = FinishedTable("net", tmp_path / "table.npy", {})
    out = made(release(features=features, splits=parts), tmp_path / "mine")
    for split, expected in enumerate((np.arange(150, 200), np.arange(3, 240, 4))):
        results = train_on(out, tmp_path, "split_by=release", f"split={split}")
        folder = next(path for path in (tmp_path / "logs").iterdir() if f"split{split}" in path.name)
        np.testing.assert_array_equal(np.sort(np.load(folder / "rows.npy")), expected)
        assert results["test"]["mAP_L"] > 20
    with pytest.raises(UserError, match=r"has splits 0 to 1, but split=2 is asked for"):
        train_on(out, tmp_path, "split_by=release", "split=2")


def test_a_collection_without_splits_of_its_own(made_up: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="split_by=release: the collection in .* has no splits of its own"):
        train_on(made_up, tmp_path, "split_by=release")


def test_like_reasons_are_counted_together() -> None:
    rejects = Rejects("photos", "line", "skip")
    for number in (1, 2):
        rejects.refuse(number, f"has the file 'a{number}.bin', which is not in a format that is read (JPEG, PNG, TIFF)")
        rejects.refuse(number + 2, f"has the file 'a, b{number}.jpg', a link that leads out of images=")
        rejects.refuse(number + 4, f"has the id '{number}', which line 7 has already")
    assert rejects.counted() == {
        "file: is not in a format that is read": 2,
        "file: a link that leads out of images=": 2,
        "has the id": 2,
    }


def test_weights_that_cannot_be_had_are_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "damaged.pth").write_bytes(b"no checkpoint")
    how = Extraction(device="cpu", backbone="alexnet", weights=tmp_path / "damaged.pth")
    with pytest.raises(UserError, match=r"weights: .*damaged.pth cannot be read as a checkpoint"):
        make(lambda *_: pytest.fail("read"), Options(), tmp_path / "mine", False, how)
    assert not (tmp_path / "mine").exists()
