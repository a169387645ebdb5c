"""Jobs that need another run, or no model: Table 4, Figure 8, Figure 3, voting, Table 1 and Figure 6."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import checked, made_up_table, settings, write_made_up
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.build import make_data
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.metrics import annotation_metrics
from love_thy_neighbors.runs.identity import identity, needed_run, run_name
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.runs.settings import Settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


def do(made_up: Path, place: Path, *overrides: str) -> tuple[Settings, dict[str, Any], Path]:
    """Config, results and folder of a job of a second."""
    common = (
        "data=collection", f"data.dir={made_up}", f"logs={place}/runs", f"cache={place}/cache", "h=8", "epochs=3",
        "trainer.enable_progress_bar=false",
    )  # fmt: skip
    config = checked(settings(*common, *overrides))
    folder = place / "runs" / run_name(config)
    return config, finish(config, folder, overwrite=False, resume=False, wait=False), folder


@pytest.mark.parametrize("overrides", [("test_metadata=sets",), ("test_metadata=groups", "pool=all")])
def test_one_training_serves_all_its_test_types(made_up: Path, place: Path, overrides: tuple[str, ...]) -> None:
    trained_config, trained, trained_folder = do(made_up, place, *overrides[1:])
    before = (trained_folder / "model" / "config.json").stat().st_mtime_ns
    config, results, folder = do(made_up, place, *overrides)
    needed = needed_run(config)
    assert needed is not None
    assert run_name(needed) == run_name(trained_config)
    assert (trained_folder / "model" / "config.json").stat().st_mtime_ns == before
    assert not (folder / "model").exists()
    assert results["val"] == trained["val"]
    assert results["test"] != trained["test"]
    # The scores are those of the trained model on the other neighbours.
    model = load_model(trained_folder / "model")[0]
    data = make_data(config)
    data.setup("test")
    (batch,) = [data.on_after_batch_transfer(one, 0) for one in data.batches["test"]]
    assert batch.z is not None
    from love_thy_neighbors.neighborhoods import expected_max

    with torch.inference_mode():
        scores = model(batch.x, batch.z, batch.mask, lambda v, mask: expected_max(v, mask, m=config.neighborhoods.m))
    np.testing.assert_allclose(np.load(folder / "scores.npy"), scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.load(folder / "neighbors.npy"), data.lists("test"))


def test_one_training_serves_all_overlaps(made_up: Path, place: Path) -> None:
    folders = {share: do(made_up, place, f"overlap={share}")[2] for share in (0, 0.5, 1)}
    assert [(folder / "model").is_dir() for folder in folders.values()] == [False, False, True]
    lists = {share: np.load(folder / "neighbors.npy") for share, folder in folders.items()}
    assert not np.array_equal(lists[0], lists[1])
    assert not np.array_equal(lists[0.5], lists[1])


def test_one_training_serves_new_names_at_test_time(
    made_up: Path, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    known, new = (do(made_up, place, "vocabulary=pool", *more) for more in ((), ("rename_test=true",)))
    assert needed_run(new[0]) == replace(known[0], baseline=None)
    assert new[1]["test"] == known[1]["test"]
    assert "no neighbour" not in caplog.text
    lost = do(made_up, place, "vocabulary=train", "rename_test=true")
    assert (np.load(lost[2] / "neighbors.npy") == -1).all()
    (warning,) = [record.getMessage() for record in caplog.records if "no neighbour" in record.getMessage()]
    assert "vocabulary=pool" in warning
    assert "50 of 50 test images" in warning


def test_features_have_no_names_to_change(made_up: Path) -> None:
    with pytest.raises(UserError, match=r"^rename_test=true: "):
        checked(settings("data=collection", f"data.dir={made_up}", "rename_test=true", "test_metadata=visual"))


def test_runs_with_the_papers_vocabulary_keep_their_names(made_up: Path) -> None:
    paper, pool, by_sets = (
        identity(checked(settings("data=collection", f"data.dir={made_up}", *keys)))
        for keys in (("vocabulary=train",), (), ("metadata=sets",))
    )
    assert "vocabulary" not in paper
    assert pool == paper | {"vocabulary": "pool"}
    assert "vocabulary" not in by_sets  # all sets count with both


@pytest.mark.parametrize(("name", "images"), [("nuswide", "train"), ("synthetic", "train"), ("openclipart", "pool")])
def test_only_the_papers_collection_counts_tags_on_training_images(name: str, images: str) -> None:
    assert settings(f"data={name}")["vocabulary"] == images


def test_training_neighbours_do_not_depend_on_the_overlap(made_up: Path, place: Path) -> None:
    common = ("data=collection", f"data.dir={made_up}", f"cache={place}/cache")
    whole, none = (make_data(checked(settings(*common, f"overlap={share}"))) for share in (1, 0))
    for part in ("train", "val"):
        np.testing.assert_array_equal(whole.lists(part), none.lists(part))


def test_a_run_that_needs_no_other_says_so(made_up: Path) -> None:
    for overrides in ((), ("metadata=sets",), ("overlap=1",), ("model=visual_only", "test_metadata=sets"),
                      ("model=knn_voting",), ("measure=statistics",)):  # fmt: skip
        assert needed_run(checked(settings("data=collection", f"data.dir={made_up}", *overrides))) is None


def test_score_parts_add_up_to_the_models_scores(made_up: Path, place: Path) -> None:
    _, trained, trained_folder = do(made_up, place)
    _, results, folder = do(made_up, place, "measure=score_parts")
    image, neighborhood, bias = (
        np.load(folder / f"{name}.npy") for name in ("image_part", "neighborhood_part", "bias")
    )
    scores = np.load(trained_folder / "scores.npy")
    np.testing.assert_allclose(image + neighborhood + bias, scores, atol=1e-5)
    assert results["score_parts"]["largest_error"] < 1e-5
    assert results["test"] == trained["test"]
    assert np.load(folder / "W_y.npy").shape == (5, 16)


def test_parts_of_another_model_are_refused(made_up: Path) -> None:
    with pytest.raises(UserError, match="measure=score_parts: model=visual_only has no image and neighborhood part"):
        checked(settings("data=collection", f"data.dir={made_up}", "model=visual_only", "measure=score_parts"))


@pytest.mark.parametrize("model", ["knn_voting", "tag_voting", "neighbor_voting"])
def test_a_vote_is_chosen_on_validation_and_reported_like_a_training(made_up: Path, place: Path, model: str) -> None:
    config, results, folder = do(made_up, place, f"model={model}")
    collection, rows = load_collection(made_up), np.load(folder / "rows.npy")
    labels = torch.from_numpy(collection.labels[rows].toarray())
    scores = torch.from_numpy(np.load(folder / "scores.npy"))
    assert results["test"] == pytest.approx(annotation_metrics(scores, labels))
    ((number, value),) = results["chosen"].items()
    assert value in config.model.candidates[number]
    best = results["val"]["mAP_L"]
    for other in config.model.candidates[number]:
        alone = do(made_up, place, f"model={model}", f"model.candidates.{number}=[{other}]")[1]
        assert alone["val"]["mAP_L"] <= best
        assert (alone["val"]["mAP_L"] == best) or other != value
    loaded, about = load_model(folder / "model")
    assert about["labels"] == list(collection.label_names)
    assert getattr(loaded, number) == value


def test_voters_are_training_images_and_the_visual_vote_is_a_brute_force_one(made_up: Path, place: Path) -> None:
    config, results, folder = do(made_up, place, "model=knn_voting")
    data = make_data(config)
    train, test = data.split.rows["train"], np.load(folder / "rows.npy")
    x = np.asarray(data.collection.features.table, dtype=np.float64)
    y = data.collection.labels.toarray()
    k = results["chosen"]["k"]
    for place_in_test, row in enumerate(test):
        distance = ((x[train] - x[row]) ** 2).sum(1)
        nearest = train[np.lexsort((train, distance))[:k]]
        expected = (y[nearest].sum(0) + y[train].mean(0)) / (1 + k)
        np.testing.assert_allclose(np.load(folder / "scores.npy")[place_in_test], expected, rtol=1e-5)


@pytest.mark.parametrize("model", ["tag_only", "upper_bound", "neighborhood_tagvec"])
def test_models_with_a_sparse_input_train_and_load(made_up: Path, place: Path, model: str) -> None:
    _, results, folder = do(made_up, place, f"model={model}", "epochs=15", "lr=0.01")
    assert load_model(folder / "model")[0].state_dict()
    assert results["test"]["mAP_L"] > (95 if model == "upper_bound" else 60)


def test_surveys_need_no_model(made_up: Path, place: Path) -> None:
    _, statistics, _ = do(made_up, place, "measure=statistics")
    assert statistics["statistics"]["images"] == 240
    assert statistics["statistics"]["tags"]["values_per_image"] == {"mean": 2.0, "median": 2.0}
    _, results, folder = do(made_up, place, "measure=label_correlation")
    found = results["label_correlation"]
    probability = np.load(folder / "probability.npy")
    assert probability.shape == (len(found["types"]), 20, 5)
    # Tags go with a hidden topic that the first label shows, so neighbours by tags share labels far above chance.
    assert found["mean"]["tags"][0] > 1.5 * found["chance"]
    for kind, of_kind in zip(found["types"], probability, strict=True):
        for mean, row in zip(found["mean"][kind], of_kind, strict=True):
            assert (mean is None and np.isnan(row).all()) or mean == pytest.approx(np.nanmean(row), rel=1e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("overlap=1.5", "overlap=1.5: overlap must be a number from 0 to 1, or null for one vocabulary"),
        (
            "measure=figure7",
            "measure=figure7: measure must be annotation or statistics or label_correlation or score_parts",
        ),
    ],
)
def test_bad_values_are_refused(made_up: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        checked(settings("data=collection", f"data.dir={made_up}", override))


@pytest.mark.parametrize("metadata", ["sets", "visual", "union"])
def test_overlap_is_for_tags(made_up: Path, metadata: str) -> None:
    with pytest.raises(UserError, match="overlap=0.5: divides a vocabulary of tags; give metadata=tags"):
        checked(settings("data=collection", f"data.dir={made_up}", f"metadata={metadata}", "overlap=0.5"))


def test_a_union_of_no_metadata_is_refused(tmp_path: Path) -> None:
    table, features = made_up_table(30)
    bare = write_made_up(tmp_path / "bare", table.drop_columns(["tags", "sets", "groups"]), features)
    with pytest.raises(UserError, match="metadata=union: the collection in .* has no union; it has no metadata at all"):
        checked(settings("data=collection", f"data.dir={bare}", "metadata=union"))
