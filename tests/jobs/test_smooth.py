"""model=smoothed from settings to results: which scores are mixed, with whose, and how the mixture is chosen."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from conftest import checked, made_up_table, settings, write_made_up
from love_thy_neighbors.annotation.annotator import Annotator
from love_thy_neighbors.baselines.smoothed import Neighbors
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs import smooth
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.jobs.smooth import choose, joined
from love_thy_neighbors.metrics import annotation_metrics
from love_thy_neighbors.neighbors.lists import NeighborQuery, neighbor_lists
from love_thy_neighbors.neighbors.similarities import neighbor_similarities
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.runs.identity import needed_run, run_name
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.runs.settings import Settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("smoothed")


def given(collection: Path, place: Path, *overrides: str) -> Settings:
    common = ("data=collection", f"data.dir={collection}", f"logs={place}/runs", f"cache={place}/cache", "h=8")
    return checked(settings(*common, "epochs=2", "trainer.enable_progress_bar=false", *overrides))


def do(collection: Path, place: Path, *overrides: str) -> tuple[Settings, dict[str, Any], Path]:
    """Settings, results and folder of a job of a second."""
    made = given(collection, place, *overrides)
    folder = made.logs / run_name(made)
    return made, finish(made, folder, overwrite=False, resume=False, wait=False), folder


def with_labels(table: pa.Table, lists: list[list[str]]) -> pa.Table:
    place = table.column_names.index("labels")
    return table.set_column(place, "labels", pa.array(lists, table.schema.field(place).type))


ONE = "model.candidates={weight: [0.4], hops: [2], mixed: [scores]}"


@pytest.mark.parametrize("of", ["visual_only", "visual_mlp", "neighborhood", "relational", "neighborhood_tagvec"])
def test_any_trained_model_is_found_or_trained_once(made_up: Path, place: Path, of: str) -> None:
    alone = do(made_up, place, f"model={of}", "baseline=null")
    before = (alone[2] / "results.json").stat().st_mtime_ns
    made, results, folder = do(made_up, place, "model=smoothed", f"model@model.of={of}")
    assert results["scored_by"] == alone[2].name
    assert (alone[2] / "results.json").stat().st_mtime_ns == before
    assert results["val"]["mAP_L"] >= alone[1]["val"]["mAP_L"] - 1e-6
    assert of in folder.name
    scores, rows = np.load(folder / "scores.npy"), np.load(folder / "rows.npy")
    np.testing.assert_array_equal(rows, np.load(alone[2] / "rows.npy"))
    labels = torch.from_numpy(load_collection(made_up).labels[rows].toarray())
    assert results["test"] == pytest.approx(annotation_metrics(torch.from_numpy(scores), labels))
    assert needed_run(made) is not None


def test_the_model_alone_is_kept_if_neighbours_do_not_help(made_up: Path, place: Path) -> None:
    """Choosing on validation may end with a weight of 0: its scores are those of the trained model."""
    made, _, _ = do(made_up, place, "model=smoothed", "model@model.of=visual_only")
    labels = torch.tensor([[1], [1], [0], [0]])
    scores = torch.tensor([[2.0], [1.0], [-1.0], [-2.0]])  # cannot be better
    nearest = Neighbors(torch.arange(4), torch.tensor([[3], [2], [1], [0]]), torch.ones(4, 1))
    found = choose(scores, {"tags": nearest}, torch.arange(4), labels, made.model.candidates)
    assert (found["types"], found["weight"]) == ([], 0)
    assert (joined({"tags": nearest}, []).others == -1).all()


def test_a_type_that_helps_is_taken_and_one_that_harms_is_not(made_up: Path, place: Path) -> None:
    made = given(made_up, place, "model=smoothed", "model@model.of=visual_only")
    labels = torch.tensor([[1], [1], [0], [0]])
    scores = torch.tensor([[2.0], [-1.0], [0.5], [-2.0]])
    good = Neighbors(torch.arange(4), torch.tensor([[1], [0], [3], [2]]), torch.ones(4, 1))
    bad = Neighbors(torch.arange(4), torch.tensor([[3], [2], [1], [0]]), torch.ones(4, 1))
    found = choose(scores, {"bad": bad, "good": good}, torch.arange(4), labels, made.model.candidates)
    assert found["types"] == ["good"]


def fix(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> None:
    """The mixture is this one, whatever validation images say."""
    monkeypatch.setattr(smooth, "choose", lambda *_: arguments)


def own_scores(collection: Collection, run: Path) -> np.ndarray:
    """What a visual-only model says of every image, [N, L]."""
    linear = {name: value.double().numpy() for name, value in load_model(run)[0].state_dict().items()}
    return np.asarray(collection.features.table, np.float64) @ linear["W.weight"].T + linear["W.bias"]


@pytest.mark.parametrize("pool", ["split", "all"])
def test_scores_are_mixed_with_those_of_the_pool(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: str
) -> None:
    """Two hops, recomputed image by image from the weights of the trained model and the lists of neighbours."""
    fix(monkeypatch, types=["tags"], weight=0.4, hops=2, mixed="scores")
    how = ("model=smoothed", "model@model.of=visual_only", f"pool={pool}", "model.M=3")
    made, results, folder = do(made_up, tmp_path, *how)
    collection = load_collection(made_up)
    split = split_collection(collection, made.split)
    own = own_scores(collection, made.logs / results["scored_by"])
    query, pairs = NeighborQuery("tags", 5000, pool, vocabulary="pool"), {}
    for part in ("train", "val", "test"):
        asked = (collection, split, query, 3, part, tmp_path / "cache")
        lists, similarities = neighbor_lists(*asked), neighbor_similarities(*asked)
        pairs |= {int(row): (lists[i], similarities[i]) for i, row in enumerate(split.rows[part])}
    now = own
    for _ in range(2):
        after = own.copy()
        for row, (others, weights) in pairs.items():
            if weights.sum() > 0:
                mean = sum(w * now[z] for z, w in zip(others, weights, strict=True) if z >= 0) / weights.sum()
                after[row] = 0.6 * own[row] + 0.4 * mean
        now = after
    np.testing.assert_allclose(np.load(folder / "scores.npy"), now[split.rows["test"]], rtol=1e-3, atol=1e-4)
    lists = np.stack([pairs[int(row)][0] for row in split.rows["test"]])
    np.testing.assert_array_equal(np.load(folder / "neighbors.npy"), lists[:, None])


def test_labels_of_neighbours_are_not_read(tmp_path: Path) -> None:
    """Test images get other labels: the scores stay, since training and validation images have theirs."""
    table, features = made_up_table()
    how = ("model=smoothed", "model@model.of=visual_only", "pool=all", "baseline=null")
    first = write_made_up(tmp_path / "first", table, features)
    made, _, folder = do(first, tmp_path, *how)
    test = split_collection(load_collection(first), made.split).rows["test"]
    lists = table["labels"].to_pylist()
    for row in test:
        lists[row] = ["label0"]
    second = write_made_up(tmp_path / "second", with_labels(table, lists), features)
    _, _, changed = do(second, tmp_path, *how)
    assert changed != folder
    np.testing.assert_array_equal(np.load(changed / "rows.npy"), np.load(folder / "rows.npy"))
    np.testing.assert_allclose(np.load(changed / "scores.npy"), np.load(folder / "scores.npy"), atol=1e-6)


def test_unlabelled_images_are_neighbours_whose_scores_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, features = made_up_table()
    lists = table["labels"].to_pylist()
    for row in range(0, len(lists), 4):
        lists[row] = []
    collection = write_made_up(tmp_path / "c", with_labels(table, lists), features)
    fix(monkeypatch, types=["groups"], weight=1, hops=1, mixed="scores")
    how = ("model=smoothed", "model@model.of=visual_only", "keep_unlabelled=true", "model.M=200")
    made, results, folder = do(collection, tmp_path, *how)
    read = load_collection(collection)
    split = split_collection(read, made.split)
    there, tested = split.neighbors["test"], split.rows["test"]
    assert len(there) > len(tested)
    own, groups = own_scores(read, made.logs / results["scored_by"]), read.metadata["groups"].toarray()
    # An image has one group: all others of the group have the similarity 1.
    expected = [own[there[(groups[there] == groups[row]).all(axis=1) & (there != row)]].mean(axis=0) for row in tested]
    np.testing.assert_array_equal(np.load(folder / "rows.npy"), tested)
    np.testing.assert_allclose(np.load(folder / "scores.npy"), expected, rtol=1e-3, atol=1e-4)


def test_other_metadata_at_test_time_is_looked_up_by_model_and_mixture(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix(monkeypatch, types=["tags", "sets"], weight=0.4, hops=1, mixed="probabilities")
    common = ("model=smoothed", "model@model.of=relational")
    _, known, folder = do(made_up, tmp_path, *common)
    _, results, changed = do(made_up, tmp_path, *common, "test_metadata=sets")
    assert results["scored_by"] == known["scored_by"]  # trained once
    assert results["val"] == known["val"]
    assert not np.array_equal(np.load(folder / "scores.npy"), np.load(changed / "scores.npy"))


def test_it_is_not_for_new_photos(made_up: Path, place: Path) -> None:
    _, results, folder = do(made_up, place, "model=smoothed", "model@model.of=visual_only")
    with pytest.raises(UserError, match=results["scored_by"]):
        Annotator.load(folder)
    assert "python annotate.py" not in (folder / "model" / "README.md").read_text(encoding="utf-8")
    model, about = load_model(folder)
    assert (model.weight, model.types) == (results["chosen"]["weight"], results["chosen"]["types"])
    assert about["model"]["name"] == "smoothed"


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (("model@model.of=knn_voting",), "model.of=knn_voting"),
        (("model@model.of=upper_bound",), "model.of=upper_bound"),
        (("model.of=relational",), "model.of=relational"),
        (("model.M=0",), "model.M"),
        (("model.candidates.weight=[0,0.5]",), "model.candidates.weight"),
        (("model.candidates.hops=[0]",), "model.candidates.hops"),
        (("model.candidates.mixed=[labels]",), "model.candidates.mixed"),
        (("~model.candidates.hops",), "model.candidates"),
        (("model@model.of=visual_mlp", "relations=[cameras]"), "relations=cameras"),
        (("model@model.of=visual_mlp", "relations=[visual]"), "relations=visual"),
        (("model@model.of=visual_mlp", "test_relations=[tags]"), "test_relations"),
        (("model@model.of=visual_mlp", "test_metadata=visual"), "test_metadata=visual"),
        (("model@model.of=neighborhood", "overlap=0.5"), "overlap=0.5"),
        (("measure=score_parts",), "measure=score_parts"),
        (("lr=-1",), "lr=-1"),
    ],
)
def test_a_wrong_key_is_named(made_up: Path, place: Path, overrides: tuple[str, ...], key: str) -> None:
    with pytest.raises(UserError) as error:
        given(made_up, place, "model=smoothed", *overrides)
    assert str(error.value).startswith(key)


def test_what_changes_the_scores_changes_the_folder(made_up: Path, place: Path) -> None:
    common = ("model=smoothed", "model@model.of=visual_mlp")
    changes = ((), ("pool=all",), ("tau=3",), ("model.M=3",), ("relations=[tags]",), ("lr=0.5",), ("seed=1",), (ONE,),
               ("test_metadata=sets",), ("rename_test=true",), ("batch_size=7",))  # fmt: skip
    assert len({run_name(given(made_up, place, *common, *change)) for change in changes}) == len(changes)
    first = run_name(given(made_up, place, *common))
    for same in (("M=9",), ("neighborhoods.drop=0.5",)):  # of models with neighbours
        assert run_name(given(made_up, place, *common, *same)) == first
