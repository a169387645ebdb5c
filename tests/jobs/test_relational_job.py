"""model=relational from settings to results: types, towers, thinning, and neighbours that are missing at test time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra import initialize_config_dir

from conftest import ROOT, checked, settings, train_on
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.programs.start import baseline_settings
from love_thy_neighbors.runs.identity import identity, run_name
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.training.batches import hash_seed
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.snapshots import Snapshots

MODEL = ("model=relational", "M=4")


def data_of(collection: Path, cache: Path, *overrides: str) -> NeighborhoodData:
    config = checked(settings("data=collection", f"data.dir={collection}", f"cache={cache}", *MODEL, *overrides))
    data = make_data(config)
    data.setup("fit")
    return data


def kinds(data: NeighborhoodData, part: str) -> list[str | None]:
    return [None if query is None else query.kind for query in data.queries[part]]


@pytest.mark.parametrize(
    ("overrides", "complete"),
    [
        ([], True),
        (["test_relations=[tags,null,groups]"], False),
        (["test_relations=[tags,groups,sets]"], False),
        (["metadata=tags", "rename_test=true"], True),  # other names, the same neighbours
        (["metadata=tags", "overlap=1.0"], True),
        (["metadata=tags", "overlap=0.5"], False),
        (["metadata=tags", "test_metadata=sets"], False),
    ],
)
def test_images_with_other_neighbours_than_in_training_are_not_complete(
    made_up: Path, tmp_path: Path, overrides: list[str], complete: bool
) -> None:
    data = data_of(made_up, tmp_path, *overrides)
    assert data.has_all_relations("val")
    assert data.has_all_relations("test") is complete


@pytest.mark.parametrize(
    ("overrides", "trained", "tested"),
    [
        ([], ["tags", "sets", "groups"], ["tags", "sets", "groups"]),
        (["relations=[sets,tags]"], ["sets", "tags"], ["sets", "tags"]),
        (["metadata=tags"], ["tags"], ["tags"]),
        (["metadata=tags", "test_metadata=sets"], ["tags"], ["sets"]),
        (["test_metadata=sets"], ["tags", "sets", "groups"], [None, "sets", None]),
        (["relations=[tags,groups]", "test_metadata=sets"], ["tags", "groups"], ["sets", "sets"]),
        (["test_relations=[sets,null,tags]"], ["tags", "sets", "groups"], ["sets", None, "tags"]),
    ],
)
def test_what_each_tower_looks_at(
    made_up: Path, tmp_path: Path, overrides: list[str], trained: list[str], tested: list[str | None]
) -> None:
    data = data_of(made_up, tmp_path, *overrides)
    assert data.relations == kinds(data, "train") == kinds(data, "val") == trained
    assert kinds(data, "test") == tested
    taus = {query.kind: query.tau for part in ("train", "test") for query in data.queries[part] if query is not None}
    assert {kind: tau for kind, tau in taus.items() if tau is not None} == ({"tags": 5000} if "tags" in taus else {})


def test_a_batch_has_a_mean_feature_for_each_relation(made_up: Path, tmp_path: Path) -> None:
    data = data_of(made_up, tmp_path, "neighborhoods.thin=1")
    lists = data.lists("val")
    assert lists is not None
    assert lists.shape == (len(data.split.rows["val"]), 3, 4)
    batch = data.gather(next(iter(data.batches["val"])))
    assert batch.z is not None
    assert batch.mask is not None
    assert batch.z.shape == (len(lists), 3, 16)
    assert np.array_equal(batch.mask.numpy(), lists[..., 0] >= 0)
    assert not batch.mask.all()
    assert not batch.z[~batch.mask].any()
    features = data.collection.features.table.astype(np.float32)
    tags = data.collection.metadata["tags"].toarray() > 0
    for place, row in enumerate(data.split.rows["val"]):
        z = [i for i in lists[place, 0] if i >= 0]
        s = np.array([(tags[row] & tags[i]).sum() / (tags[row] | tags[i]).sum() for i in z])
        expected = (s[:, None] * features[z]).sum(axis=0) / (0.3 + s.sum())
        np.testing.assert_allclose(batch.z[place, 0].numpy(), expected, atol=4e-3)  # float16 in the table


@pytest.mark.parametrize(("pool", "share"), [("split", 50 / 139), ("all", None)])
def test_training_lists_are_thinned_by_the_pools_sizes(
    made_up: Path, tmp_path: Path, pool: str, share: float | None
) -> None:
    data = data_of(made_up, tmp_path, f"pool={pool}")
    thinning = data.batches["train"].thinning
    assert data.batches["val"].thinning is data.batches["test"].thinning is None
    if share is None:
        assert thinning is None
    else:
        assert thinning is not None
        assert thinning == (pytest.approx(share), 4)
        neighbors = next(iter(data.batches["train"])).neighbors
        assert neighbors is not None
        assert neighbors.shape == (50, 3, 4)


def test_the_paper_s_model_is_thinned_only_if_asked(made_up: Path, tmp_path: Path) -> None:
    plain = data_of(made_up, tmp_path, "model=neighborhood")
    thinned = data_of(made_up, tmp_path, "model=neighborhood", "neighborhoods.thin=0.4", "neighborhoods.deep=30")
    assert plain.batches["train"].thinning is None
    assert thinned.batches["train"].thinning == (0.4, 4)
    assert thinned.batches["train"].lists[torch.arange(2)].shape == (2, 30)  # type: ignore[index]


def test_a_run_is_kept_and_read_again(made_up: Path, tmp_path: Path) -> None:
    results = train_on(made_up, tmp_path, *MODEL, "epochs=6", "lr=0.01")
    (folder,) = (tmp_path / "logs").iterdir()
    assert "relational" in folder.name
    assert results["test"]["mAP_L"] > 40
    card = (folder / "model" / "README.md").read_text()
    assert "the 4 photos with the most similar tags, the 4 photos with the most similar sets" in card
    model, about = load_model(folder)
    assert about["model"]["arguments"]["relations"] == ["tags", "sets", "groups"]
    assert about["neighbours"]["relations"] == ["tags", "sets", "groups"]
    scores, neighbors = np.load(folder / "scores.npy"), np.load(folder / "neighbors.npy")
    data = data_of(made_up, tmp_path / "cache")
    batch = data.gather(next(iter(data.batches["test"])))
    with torch.inference_mode():
        np.testing.assert_allclose(model(batch.x, batch.z, batch.mask).numpy(), scores, atol=1e-4)
    assert neighbors.shape == (len(scores), 3, 4)
    assert {"split", "all", "none"} == results["confidence"].keys() or "confidence" in results


def test_a_trained_model_is_tested_with_other_types(made_up: Path, tmp_path: Path) -> None:
    whole = train_on(made_up, tmp_path, *MODEL)
    figures = {}
    for name, overrides in {
        "sets": ["test_metadata=sets"],
        "swapped": ["test_relations=[groups,null,tags]"],
        "nobody": ["test_relations=[null,null,null]"],
    }.items():
        figures[name] = train_on(made_up, tmp_path, *MODEL, *overrides)
        assert figures[name]["val"] == whole["val"]  # the same model, with the validation figures of training
    assert len({one["test"]["mAP_L"] for one in [whole, *figures.values()]}) == 4
    folders = {path.name for path in (tmp_path / "logs").iterdir()}
    assert len(folders) == 4  # nothing was trained again
    (nobody,) = (tmp_path / "logs" / name for name in folders if "None" in name and "groups" not in name)
    assert (np.load(nobody / "neighbors.npy") == -1).all()


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["model=neighborhood", "metadata=all"], "metadata=all"),
        (["model=neighborhood", "relations=[tags]"], "relations"),
        (["metadata=tags", "relations=[sets]"], "relations"),
        (["metadata=tags", "test_metadata=all"], "test_metadata=all"),
        (["relations=[tags,colours]"], "relations=colours"),
        (["relations=[tags,tags]"], "relations"),
        (["relations=[]"], "relations"),
        (["relations=[visual,tags]"], "relations=visual"),
        (["metadata=visual"], "metadata=visual"),
        (["test_relations=[tags,sets]"], "test_relations"),
        (["test_relations=[tags,sets,colours]"], "test_relations=colours"),
        (["test_relations=[tags,sets,null]", "test_metadata=sets"], "test_relations"),
        (["neighborhoods.fill=random"], "neighborhoods.fill"),
        (["neighborhoods.thin=0"], "neighborhoods.thin"),
        (["neighborhoods.lambda=-1"], "neighborhoods.lambda"),
        (["loss=hinge"], "loss=hinge"),
        (["schedule=step"], "schedule=step"),
    ],
)
def test_a_mistake_is_named(made_up: Path, overrides: list[str], key: str) -> None:
    with pytest.raises(UserError, match=f"^{key.replace('.', '[.]')}"):
        checked(settings("data=collection", f"data.dir={made_up}", "model=relational", *overrides))


def test_keys_that_the_model_does_not_read_do_not_change_its_name(made_up: Path) -> None:
    def name(*overrides: str) -> str:
        return run_name(checked(settings("data=collection", f"data.dir={made_up}", "model=relational", *overrides)))

    assert name("m=1") == name("m=2") == name("neighborhoods.train=3") == name()
    others: list[Any] = ["M=8", "neighborhoods.lambda=0.5", "neighborhoods.thin=1", "neighborhoods.deep=50"]
    others += ["relations=[tags,sets]", "test_metadata=sets", "loss=asymmetric", "schedule=constant"]
    assert len({name(), *map(name, others)}) == 9


def test_score_parts_are_those_of_the_towers(made_up: Path, tmp_path: Path) -> None:
    results = train_on(made_up, tmp_path, *MODEL, "measure=score_parts")
    assert results["score_parts"]["largest_error"] < 1e-4
    (folder,) = (path for path in (tmp_path / "logs").iterdir() if "score_parts" in path.name)
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("relation_parts", "neighborhood_part", "neighbors")}
    assert arrays["relation_parts"].shape[1] == 3
    np.testing.assert_allclose(arrays["relation_parts"].sum(axis=1), arrays["neighborhood_part"], atol=1e-5)
    nobody = (arrays["neighbors"] < 0).all(axis=2)
    assert nobody.any()
    assert not arrays["relation_parts"][nobody].any()
    assert arrays["relation_parts"][~nobody].any(axis=1).mean() > 0.9  # relu may be 0 in all units


def test_a_collection_s_file_may_have_all_hyperparameters(made_up: Path) -> None:
    chosen = "{relational: {loss: asymmetric, batch_size: 25, M: 12, lambda: 0.5, thin: 0.4, schedule: constant}}"
    given = ("data=collection", f"data.dir={made_up}", f"+data.hyperparameters={chosen}")
    made = checked(settings(*given, "model=relational"))
    assert made.training is not None
    assert (made.training.loss, made.training.batch_size, made.training.schedule) == ("asymmetric", 25, "constant")
    assert (made.neighbors.M, made.neighborhoods.shrinkage, made.neighborhoods.thin) == (12, 0.5, 0.4)
    other = checked(settings(*given, "model=neighborhood"))
    assert other.training is not None
    assert (other.training.loss, other.training.batch_size, other.training.schedule) == ("logistic", 50, "constant")
    assert (other.neighbors.M, other.neighborhoods.thin) == (6, 1)


def test_the_baseline_keeps_its_own_schedule_loss_and_neighbours(made_up: Path) -> None:
    given = ["data=collection", f"data.dir={made_up}", "model=relational", "relations=[tags]", "loss=asymmetric"]
    made = checked(settings(*given))
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        baseline = baseline_settings(made, given)
    assert baseline is not None
    assert baseline.training is not None
    assert (baseline.model.name, baseline.training.loss, baseline.training.schedule) == (
        "visual_only",
        "logistic",
        "constant",
    )


def test_a_continued_training_is_the_whole_one(made_up: Path, tmp_path: Path) -> None:
    """Thinning and the cosine depend on the epoch alone."""
    whole = train_on(made_up, tmp_path / "whole", *MODEL, "epochs=4")
    config = checked(settings("data=collection", f"data.dir={made_up}", *MODEL, "epochs=4", "h=8", *quiet(tmp_path)))
    stopped = Stopped(after=2)
    data = make_data(config)
    arguments = model_arguments(config, data)
    torch.manual_seed(hash_seed(config.seed))
    task = make_task(config, arguments)
    folder = tmp_path / "part" / "run"
    folder.mkdir(parents=True)
    trainer = make_trainer(config.training, [stopped, Snapshots(folder, identity(config))], [], folder)
    with pytest.raises(RuntimeError, match="stopped here"):
        trainer.fit(task, datamodule=data)
    continued = finish(config, folder, overwrite=False, resume=True, wait=False)
    assert continued["test"] == whole["test"]
    assert continued["val"] == whole["val"]


def quiet(place: Path) -> tuple[str, ...]:
    return (f"logs={place}/logs", f"cache={place}/cache", "baseline=null", "trainer.enable_progress_bar=false")


class Stopped(pl.Callback):
    """Raises at the start of an epoch, as if the process had been killed there."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.current_epoch == self.after:
            raise RuntimeError("stopped here")
