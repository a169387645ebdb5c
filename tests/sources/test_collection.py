"""sources/collection.py: a collection gets another table, or does not change."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from love_thy_neighbors.collection.card import collection_fingerprint
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.collection.writing import NAMES, write_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features import extraction as features
from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import collection as added_features
from love_thy_neighbors.sources.collection import Options, add_features
from love_thy_neighbors.sources.writing import partial_folder

HOW = Extraction(size=32, batch_size=2, workers=0, device="cpu", thumbnail=16)
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0))


class Mine:
    """A collection of five pictures with the given tables, the pictures, and the command on them."""

    def __init__(self, folder: Path, tables: dict[str, np.ndarray], files: bool = True) -> None:
        self.folder, self.root, self.images = folder, folder / "mine", folder / "photos"
        self.images.mkdir()
        for number, colour in enumerate(COLOURS):
            Image.new("RGB", (40, 30), colour).save(self.images / f"{number}.png")
        columns: dict[str, Any] = {"id": [str(number) for number in range(5)]}
        if files:
            columns["file"] = [f"{number}.png" for number in range(5)]
        columns["labels"] = pa.array([["a"]] * 5, pa.list_(pa.string()))
        card = {"name": "mine", "labels": {"names": ["a"]}}
        write_collection(self.root, pa.table(columns), card, tables)

    def add(self, name: str = "alexnet", how: Extraction = HOW, **options: Any) -> None:
        options = {"root": self.root, "images": None if name.endswith(".npy") else self.images} | options
        add_features(Options(features=name, **options), how)

    def error(self, name: str = "alexnet", how: Extraction = HOW, **options: Any) -> str:
        before = content(self.root)
        with pytest.raises(UserError) as caught:
            self.add(name, how, **options)
        assert content(self.root) == before
        return str(caught.value).replace(f"{self.folder}/", "")

    def card(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "card.json").read_text()))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def mean_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, device: torch.device, weights: Path | None = None) -> Backbone:
        sha256 = "0" * 64 if weights is None else weights.read_text()
        return Backbone(name, 3, sha256, lambda pixels: pixels.mean(dim=(2, 3)), {"network": "none"})

    monkeypatch.setattr(features, "load_backbone", load)


@pytest.fixture
def mine(tmp_path: Path) -> Mine:
    return Mine(tmp_path, {"old": np.ones((5, 4), dtype=np.float16)})


def test_a_collection_without_features_gets_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = Mine(tmp_path, {})
    mine.add()
    found = load_collection(mine.root)
    np.testing.assert_array_equal(found.features.table, np.array(COLOURS, dtype=np.float16))
    assert found.features.backbone == "alexnet"
    entry = found.card["features"]["alexnet"]
    assert entry["sha256_of_weights"] == "0" * 64
    assert entry["preprocessing"] == "shorter side scaled to 37 pixels (bicubic), centre 32 x 32"
    assert entry["precision"] == "float32"
    assert entry["network"] == "none"
    assert sorted(path.name for path in (mine.root / "thumbnails").iterdir()) == [f"{row}.webp" for row in range(5)]
    assert f"5 x 3 features in {mine.root}/features/alexnet.npy" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "photos"]


def test_another_table_does_not_change_the_others_or_the_thumbnails(mine: Mine) -> None:
    (mine.root / "thumbnails").mkdir()
    (mine.root / "thumbnails" / "0.webp").write_text("mine")
    before = content(mine.root)
    mine.add()
    after = content(mine.root)
    assert after.keys() - before.keys() == {"features/alexnet.npy"}
    assert [name for name in before if after[name] != before[name]] == ["card.json"]
    assert load_collection(mine.root, "old").features.dim == 4
    assert load_collection(mine.root, "alexnet").features.dim == 3
    assert list(mine.card()["features"]) == ["old", "alexnet"]


def test_a_link_to_a_collection_stays_one(mine: Mine, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(mine.root)
    mine.add(root=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert load_collection(mine.root, "alexnet").features.dim == 3


def test_an_existing_table_is_replaced_only_on_request(mine: Mine, tmp_path: Path) -> None:
    mine.add()
    assert mine.error().startswith("features: mine already has 'alexnet'; overwrite=true ")
    (tmp_path / "w").write_text("1" * 64)
    mine.add(how=replace(HOW, weights=tmp_path / "w", fit="pad"), overwrite=True)
    entry = mine.card()["features"]["alexnet"]
    assert entry["sha256_of_weights"] == "1" * 64
    assert entry["preprocessing"].startswith("longer side scaled")
    assert load_collection(mine.root, "alexnet").features.table[3].tolist() == [255, 255, 255]


def test_an_interrupted_extraction_continues(mine: Mine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(mine.root)
    load, batches = features.load_backbone, 0

    def interrupted(*what: Any) -> Backbone:
        def forward(pixels: torch.Tensor) -> torch.Tensor:
            nonlocal batches
            batches += 1
            if batches == 2:
                raise KeyboardInterrupt
            return pixels.mean(dim=(2, 3))

        return replace(load(*what), forward=forward)

    monkeypatch.setattr(features, "load_backbone", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mine.add()
    assert content(mine.root) == before
    assert (tmp_path / "mine.partial" / "progress.json").exists()
    mine.add()
    assert batches == 4  # one, one cut off, and the two that were left
    np.testing.assert_array_equal(load_collection(mine.root, "alexnet").features.table, np.array(COLOURS))
    assert not (tmp_path / "mine.partial").exists()


@pytest.mark.parametrize(
    ("step", "overwrite"),
    [
        ("written_whole", False),
        ("folder_written_whole", False),
        ("table_entry", False),
        ("write_json", False),
        ("written_whole", True),
        ("table_entry", True),
        ("write_json", True),
    ],
)
def test_an_interruption_at_any_step_leaves_a_readable_collection(
    mine: Mine, step: str, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if overwrite:
        mine.add()
    real, calls = getattr(added_features, step), 0

    def cut(*what: Any) -> Any:
        nonlocal calls
        calls += 1
        if step != "write_json" or calls == 1 + overwrite:  # with overwrite the first write takes the old entry out
            raise KeyboardInterrupt
        return real(*what)

    with monkeypatch.context() as patched:
        patched.setattr(added_features, step, cut)
        with pytest.raises(KeyboardInterrupt):
            mine.add(overwrite=overwrite, how=replace(HOW, fit="pad"))
    assert load_collection(mine.root, "old").features.dim == 4
    assert "alexnet" not in mine.card()["features"]
    mine.add(overwrite=overwrite, how=replace(HOW, fit="pad"))  # the same command
    assert load_collection(mine.root, "alexnet").features.dim == 3


def test_the_first_table_stays_the_default(mine: Mine, capsys: pytest.CaptureFixture[str]) -> None:
    before = collection_fingerprint(mine.root, None)
    mine.add()
    assert (mine.root / "thumbnails").is_dir()
    assert load_collection(mine.root).features.backbone == "old"
    assert "data.backbone=alexnet" in capsys.readouterr().out
    assert collection_fingerprint(mine.root, None) == collection_fingerprint(mine.root, "old") == before
    assert collection_fingerprint(mine.root, "alexnet") != before


def test_a_first_table_that_is_replaced_stays_first(mine: Mine, tmp_path: Path) -> None:
    mine.add()
    np.save(tmp_path / "old.npy", np.full((5, 2), 3.0))
    before = collection_fingerprint(mine.root, None)
    mine.add(f"{tmp_path}/old.npy", overwrite=True)
    assert list(mine.card()["features"]) == ["old", "alexnet"]
    assert load_collection(mine.root).features.dim == 2
    assert collection_fingerprint(mine.root, None) != before


def test_a_given_table(mine: Mine, tmp_path: Path) -> None:
    table = np.arange(10, dtype=np.float64).reshape(5, 2)
    np.save(tmp_path / "bow.npy", table)
    mine.add(f"{tmp_path}/bow.npy")
    found = load_collection(mine.root, "bow")
    np.testing.assert_array_equal(found.features.table, table)
    assert found.card["features"]["bow"]["dtype_given"] == "float64"
    np.save(tmp_path / "bow.npy", table + 1)
    assert mine.error(f"{tmp_path}/bow.npy").startswith("features: mine already has 'bow'; overwrite=true ")
    mine.add(f"{tmp_path}/bow.npy", overwrite=True)
    np.testing.assert_array_equal(load_collection(mine.root, "bow").features.table, table + 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((4, 2)), "a.npy: 4 rows, but mine has 5 images; "),
        (np.zeros((5, 2), dtype=int), "a.npy: int64 [5, 2], not a table [N, d] of floats."),
        (np.zeros(5), "a.npy: float64 [5], not a table [N, d] of floats."),
        (
            np.full((5, 2), np.nan),
            "a.npy: row 0 holds NaN or infinity",
        ),
        (np.full((5, 2), 1e39), "a.npy: row 0 holds a value beyond the range of float32"),
        (None, "a.npy is missing; give the path of a .npy file, or run prepare.py again."),
    ],
)
def test_a_given_table_that_cannot_be_used(mine: Mine, tmp_path: Path, table: np.ndarray | None, message: str) -> None:
    if table is not None:
        np.save(tmp_path / "a.npy", table)
    assert mine.error(f"{tmp_path}/a.npy").startswith(message)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("missing", "mine/images.parquet: row 3 has the file '3.png', which does not exist below images="),
        ("text", "mine/images.parquet: row 3 has the file '3.png', which is a text file"),
        ("link out", "mine/images.parquet: row 3 has the file '3.png', a link that leads out of images="),
        ("large", "mine/images.parquet: row 3 has the file '3.png', which has 400 x 300 pixels"),
    ],
)
def test_a_picture_that_cannot_be_used(mine: Mine, tmp_path: Path, trouble: str, message: str) -> None:
    picture = mine.images / "3.png"
    if trouble == "text":
        picture.write_text("hello")
    elif trouble == "large":
        Image.new("RGB", (400, 300)).save(picture)
    else:
        picture.rename(tmp_path / "elsewhere.png")
        if trouble == "link out":
            picture.symlink_to(tmp_path / "elsewhere.png")
    assert mine.error(how=replace(HOW, max_pixels=9000)).startswith(message)


def test_a_picture_that_is_truncated(mine: Mine) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(mine.images / "3.png")
    (mine.images / "3.png").write_bytes((mine.images / "3.png").read_bytes()[:5000])
    assert mine.error().startswith("mine/images.parquet: row 3 has the file '3.png', which cannot be decoded (")


def test_features_that_are_not_finite(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, device: torch.device, weights: Path | None) -> Backbone:
        return Backbone(name, 3, "0" * 64, lambda pixels: pixels.mean(dim=(2, 3)) * 1e39)

    monkeypatch.setattr(features, "load_backbone", load)
    assert mine.error().startswith("mine/images.parquet: row 0 has the file '0.png', whose feature vector ")


@pytest.mark.parametrize("file", ["/etc/passwd", "../out.png", "a\\b.png", None])
def test_a_path_that_leaves_the_folder(mine: Mine, file: str | None) -> None:
    table = pq.read_table(mine.root / "images.parquet")
    files = pa.array([file, *table["file"].to_pylist()[1:]], pa.string())
    pq.write_table(table.set_column(1, "file", files), mine.root / "images.parquet")
    why = "does not exist" if file == "a\\b.png" else "is not a plain path"
    expected = "has no file" if file is None else f"has the file {file!r}, which {why} below images="
    assert mine.error().startswith(f"mine/images.parquet: row 0 {expected}")


def test_a_collection_without_file_names(tmp_path: Path) -> None:
    mine = Mine(tmp_path, {}, files=False)
    assert mine.error().startswith("mine/images.parquet: column 'file' is missing")


@pytest.mark.parametrize("damage", ["short", "not parquet"])
def test_a_damaged_collection(mine: Mine, damage: str) -> None:
    path = mine.root / "images.parquet"
    if damage == "short":
        pq.write_table(pq.read_table(path).slice(0, 3), path)
        assert mine.error().startswith("mine/images.parquet: 3 rows, but card.json says 5 images")
    else:
        path.write_bytes(b"PAR1")
        assert mine.error().startswith("mine/images.parquet: not a readable Parquet file (")


def test_two_at_the_same_time(mine: Mine, tmp_path: Path) -> None:
    with partial_folder(tmp_path / "mine", NAMES):
        assert "another process is preparing mine" in mine.error()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": None}, "root: give the collection"),
        ({"root": Path("none")}, "root: none is not a collection"),
        ({"features": None}, "features: give the name of a backbone"),
        ({"images": None}, "images: give the folder"),
        ({"images": Path("none")}, "images: none is not a folder"),
        ({"features": "a.npy"}, "images: features=FILE.npy needs no pictures"),
        ({"features": "a b.npy", "images": None}, "features: a b.npy "),
    ],
)
def test_wrong_options(mine: Mine, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Options(**({"root": mine.root, "features": "alexnet", "images": mine.images} | options))
    assert str(caught.value).startswith(message)


def test_an_unknown_backbone(mine: Mine) -> None:
    with pytest.raises(UserError, match=r"^backbone: 'alexnt' is not known; use "):
        Options(mine.root, "alexnt", mine.images)


def test_weights_for_a_given_table(mine: Mine, tmp_path: Path) -> None:
    (tmp_path / "w").write_text("1" * 64)
    np.save(tmp_path / "a.npy", np.zeros((5, 2)))
    message = mine.error(f"{tmp_path}/a.npy", how=replace(HOW, weights=tmp_path / "w"))
    assert message.startswith("weights: features=FILE.npy needs no network")


def test_a_collection_that_is_not_writable(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != mine.root)
    assert mine.error().startswith("root: mine is not writable")


def test_a_table_that_the_card_does_not_list_is_not_replaced(mine: Mine, tmp_path: Path) -> None:
    foreign = mine.root / "features" / "bow.npy"
    foreign.write_text("mine")
    np.save(tmp_path / "bow.npy", np.arange(10.0).reshape(5, 2))
    assert "features/bow.npy" in mine.error(f"{tmp_path}/bow.npy")
    mine.add(f"{tmp_path}/bow.npy", overwrite=True)
    assert load_collection(mine.root, "bow").features.dim == 2


def test_a_link_in_the_place_of_thumbnails_stays(mine: Mine, tmp_path: Path) -> None:
    (mine.root / "thumbnails").symlink_to(tmp_path / "not connected")
    mine.add()
    assert (mine.root / "thumbnails").is_symlink()


def test_thumbnails_that_came_meanwhile_stay(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = added_features.store

    def late(*what: Any) -> Any:
        (mine.root / "thumbnails").mkdir()
        (mine.root / "thumbnails" / "cover.webp").write_text("mine")
        return store(*what)

    monkeypatch.setattr(added_features, "store", late)
    with pytest.raises(UserError, match=r"cover\.webp"):
        mine.add()
    assert [path.name for path in (mine.root / "thumbnails").iterdir()] == ["cover.webp"]
    assert "alexnet" not in mine.card()["features"]


def test_remains_of_a_killed_process_are_removed(mine: Mine) -> None:
    (mine.root / ".thumbnails.0123ab.ltn.tmp").mkdir()
    for name in (".card.json.0123ab.ltn.tmp", "features/.alexnet.npy.0123ab.ltn.tmp"):
        (mine.root / name).touch()
    mine.add()
    assert not list(mine.root.rglob(".*"))
