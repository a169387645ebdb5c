"""sources/synthetic: about the paper's counts, topics that connect labels, metadata and features, and the same bytes."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from conftest import run_program, train_on
from fixtures.messages import names_the_same
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.sources import synthetic
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.synthetic import Options, read
from love_thy_neighbors.sources.synthetic.metadata import (
    FULL,
    KINDS,
    Entries,
    Homes,
    linked,
    long_tailed,
    made_up_entries,
    number_of_values,
)

HOW = Extraction(device="cpu")


def made(out: Path, **options: int) -> Path:
    make(read, Options(**options), out, False, HOW)
    return out


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """3,000 images in 64 dimensions, to be read only."""
    return load_collection(made(tmp_path_factory.mktemp("synthetic") / "made", images=3000, dim=64))


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


@pytest.mark.parametrize(
    ("number", "total", "skew", "least", "most"),
    [(81, 461_805, 3.4, 1, 68_000), (10_000, 2_703_000, 3, 1, 19_000), (1000, 2000, 2, 0, 20), (1, 7, 1, 1, 7), (4, 4, 1, 1, 1)],
)  # fmt: skip
def test_long_tailed_counts_have_their_sum_and_bounds(
    number: int, total: int, skew: float, least: int, most: int
) -> None:
    counts = long_tailed(number, total, skew, least, most)
    assert (len(counts), counts.sum()) == (number, total)
    assert counts.min() >= least
    assert counts.max() <= 1.2 * most
    assert (np.diff(counts) <= 0).all()
    if skew > 1:
        assert counts.mean() > np.median(counts)


@settings(max_examples=60, deadline=None)
@given(images=st.integers(81, 3000), seed=st.integers(0, 2**63))
def test_any_size_has_every_value_and_an_image_has_none_twice(images: int, seed: int) -> None:
    entries, owners = made_up_entries(images, seed)
    assert len(owners) == images
    for kind, found in entries.items():
        rows = np.repeat(np.arange(images), np.diff(found.offsets))
        assert found.values == number_of_values(kind, images)
        assert len(np.unique(found.codes)) == found.values
        assert len(np.unique(rows * found.values + found.codes)) == len(found.codes)
        mean = TABLE_1[kind][2][0]
        assert 0.85 * mean <= len(found.codes) / images <= 1.05 * mean
    assert np.diff(entries["labels"].offsets).min() >= 1
    assert np.diff(entries["tags"].offsets).min() >= 1


def test_linking_gives_every_image_and_every_value_its_number() -> None:
    rng = np.random.default_rng(5)
    per_image, per_value = rng.permutation(long_tailed(400, 2000, 2, 0, 20)), long_tailed(60, 2000, 2, 1, 200)
    found = linked(rng, rng.permutation(400) / 400, per_image, per_value, Homes(0.9, reach=0.001, crowd=1, blur=0))
    assert np.array_equal(np.diff(found.offsets), per_image)
    images = np.bincount(found.codes, minlength=60)
    assert images.min() >= 1
    assert np.corrcoef(images, per_value)[0, 1] > 0.9  # values that an image had twice were replaced


def test_topics_are_as_near_as_asked() -> None:
    rng = np.random.default_rng(5)
    places, counts, sizes = rng.permutation(2000) / 2000, np.full(2000, 3), np.full(200, 30)

    def width(topical: float) -> float:
        homes = Homes(topical=topical, reach=0.01, crowd=0, blur=0.005)
        found = linked(np.random.default_rng(6), places, counts, sizes, homes)
        at = np.repeat(places, counts)
        return float(np.mean([at[found.codes == value].std() for value in range(200)]))

    assert width(1) < 0.05
    assert width(0.5) > 0.15
    assert width(0) > 0.25


@pytest.mark.slow
def test_a_full_size_collection_has_the_means_of_table_1_and_a_long_tail() -> None:
    entries, _ = made_up_entries(FULL, 1)
    for kind, (values, (images, median), (per_image, median_per_image)) in TABLE_1.items():
        found = entries[kind]
        assert found.values == values
        of_value, of_image = np.bincount(found.codes, minlength=values), np.diff(found.offsets)
        assert of_value.mean() == pytest.approx(images, rel=0.02)
        assert of_image.mean() == pytest.approx(per_image, rel=0.02)
        assert median <= np.median(of_value) <= 1.5 * median
        assert abs(np.median(of_image) - median_per_image) <= 1
        assert of_value.max() > 5 * of_value.mean()
        if kind in KINDS:
            assert of_value.max() < 1.2 * KINDS[kind].share * FULL
            assert of_image.max() < 1.2 * KINDS[kind].most


def shared(collection: Collection, kind: str) -> tuple[float, float]:
    """How often an image shares a label with the one nearest by Jaccard of ``kind``, and with any image."""
    matrix = collection.metadata[kind].astype(np.float32)
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    both = (matrix @ matrix.T).toarray()
    similar = both / np.maximum(sizes[:, None] + sizes - both, 1)
    np.fill_diagonal(similar, -1)
    labels = (collection.labels.astype(np.float32) @ collection.labels.T.astype(np.float32)).toarray() > 0
    with_neighbor = similar.max(axis=1) > 0
    nearest = labels[np.arange(len(similar)), similar.argmax(axis=1)]
    return float(nearest[with_neighbor].mean()), float(labels.mean())


@pytest.mark.parametrize("kind", ["tags", "sets", "groups"])
def test_neighbors_share_labels_more_often_than_chance(collection: Collection, kind: str) -> None:
    nearest, chance = shared(collection, kind)
    assert nearest > chance + 0.12


def test_a_set_is_one_owners(collection: Collection) -> None:
    owners = np.unique(collection.owners.to_pylist(), return_inverse=True)[1]
    of_set = collection.metadata["sets"].tocoo()
    pairs = np.unique(np.stack([of_set.col, owners[of_set.row]]), axis=1)
    assert len(np.unique(of_set.col)) == pairs.shape[1]
    assert np.bincount(of_set.col).max() > 20


def test_few_groups_are_large_and_most_are_tiny(collection: Collection) -> None:
    sizes = np.asarray(collection.metadata["groups"].sum(axis=0)).ravel()
    assert sizes.max() > 20 * sizes.mean()
    assert (sizes <= 2).mean() > 0.5


def test_features_are_sparse_and_show_labels_through_noise(collection: Collection) -> None:
    table = collection.features.table
    assert table.dtype == np.float16
    assert table.min() == 0
    assert 0.4 < (table == 0).mean() < 0.8
    frequent = np.argsort(-np.asarray(collection.labels.sum(axis=0)).ravel())[:10]
    areas = []
    for label in frequent:
        has = collection.labels[:, [label]].toarray().ravel() == 1
        direction = table[has].mean(axis=0, dtype=np.float32) - table[~has].mean(axis=0, dtype=np.float32)
        ranks = np.argsort(np.argsort(table.astype(np.float32) @ direction))
        areas.append((ranks[has].mean() - (has.sum() - 1) / 2) / (~has).sum())  # under the ROC curve
    assert min(areas) > 0.6
    assert max(areas) < 0.98


def test_every_place_says_that_it_is_made_up(collection: Collection) -> None:
    card = collection.card
    assert card["name"] == "synthetic"
    assert "numbers on it say nothing about photographs" in card["what"]
    assert "numbers on it say nothing about photographs" in card["features"]["synthetic"]["source"]
    assert {key: card["source"][key] for key in ("images", "dim", "seed")} == {"images": 3000, "dim": 64, "seed": 0}
    texts = [*collection.label_names, collection.ids[0].as_py(), collection.owners[0].as_py()]
    texts += [values[0] for values in collection.values.values()]
    assert all(text.startswith("made_up_") for text in texts)
    assert len(set(collection.ids.to_pylist())) == 3000


def test_only_a_collection_of_the_papers_size_is_compared_with_the_paper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(Options(images=100, dim=2), HOW, tmp_path / "a").published == {}
    monkeypatch.setattr(synthetic, "FULL", 100)
    assert read(Options(images=100, dim=2), HOW, tmp_path / "b").published == TABLE_1


def test_the_same_arguments_give_the_same_bytes_on_any_number_of_threads(tmp_path: Path) -> None:
    arguments = ("source=synthetic", "images=2100", "dim=48", "seed=3")
    for threads in ("1", "4"):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        run = run_program("prepare.py", *arguments, f"out={tmp_path / threads}", cwd=tmp_path, **limits)
        assert run.returncode == 0, run.stderr
    assert digest(tmp_path / "1") == digest(tmp_path / "4")
    assert digest(made(tmp_path / "again", images=2100, dim=48, seed=3)) == digest(tmp_path / "1")


def test_another_seed_is_another_collection_and_another_dim_the_same_metadata(tmp_path: Path) -> None:
    first, seed, dim = (
        made(tmp_path / str(number), images=200, **options)
        for number, options in enumerate([{"dim": 8}, {"dim": 8, "seed": 1}, {"dim": 9}])
    )
    parquet, features = "images.parquet", "features/synthetic.npy"
    for file in (parquet, features):
        assert (first / file).read_bytes() != (seed / file).read_bytes()
    assert (first / parquet).read_bytes() == (dim / parquet).read_bytes()


def test_blocks_do_not_repeat(tmp_path: Path) -> None:
    table = load_collection(made(tmp_path / "made", images=2100, dim=32)).features.table
    assert table.shape == (2100, 32)
    assert len(np.unique(table, axis=0)) == 2100


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space left")])
def test_nothing_is_left_of_an_interrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    whole, calls = synthetic._features, []

    def stops(rng: np.random.Generator, labels: Entries, rows: slice, prototypes: np.ndarray) -> np.ndarray:
        calls.append(rows)
        if len(calls) == 2:
            raise error
        return whole(rng, labels, rows, prototypes)

    monkeypatch.setattr(synthetic, "_features", stops)
    with pytest.raises((KeyboardInterrupt, OSError)):
        made(tmp_path / "made", images=1100, dim=8)
    assert list(tmp_path.iterdir()) == []


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"images": 80}, "images: must be a whole number of 81 or more, not 80."),
    ({"images": 1000.0}, "images: must be a whole number of 81 or more, not 1000.0."),
    ({"images": None}, "images: must be a whole number of 81 or more, not None."),
    ({"images": 2**22 + 1}, "images: 4194305 is more than 4194304, the most that can be made up; give fewer."),
    ({"dim": 0}, "dim: must be a whole number of 1 or more, not 0."),
    ({"dim": True}, "dim: must be a whole number of 1 or more, not True."),
    ({"seed": -1}, "seed: must be a whole number of 0 or more, not -1."),
    ({"seed": "x"}, "seed: must be a whole number of 0 or more, not x."),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Options(**options)
    assert names_the_same(str(caught.value), message)


def test_the_smallest_collection(tmp_path: Path) -> None:
    collection = load_collection(made(tmp_path / "made", images=81, dim=1))
    assert len(collection.label_names) == 81
    assert collection.features.table.shape == (81, 1)
    assert sparse.csr_matrix.sum(collection.labels, axis=1).min() >= 1


def test_it_goes_to_a_trained_model(tmp_path: Path) -> None:
    folder = made(tmp_path / "made", images=300, dim=16)
    for kind in ("tags", "sets", "groups"):
        results = train_on(folder, tmp_path, f"metadata={kind}")
        assert 0 < results["test"]["mAP_L"] < 100


@pytest.mark.slow
def test_neighbors_help(collection: Collection, tmp_path: Path) -> None:
    scores = {
        model: train_on(collection.folder, tmp_path, f"model={model}", f"epochs={epochs}", "h=500")["test"]["mAP_L"]
        for model, epochs in (("visual_only", 60), ("neighborhood", 20))
    }
    assert scores["neighborhood"] > scores["visual_only"] + 2
