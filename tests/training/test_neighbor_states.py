"""Hidden states of neighbours that are computed once give the scores that come from the neighbours' features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from conftest import checked, settings
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.model import NeighborhoodModel
from love_thy_neighbors.training import neighbor_states
from love_thy_neighbors.training.data import Batch
from love_thy_neighbors.training.neighbor_states import NeighborStates, are_worth_it, states_as_input


class Seen(pl.Callback):
    """The batches that are tested."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def on_test_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, *_: Any) -> None:
        self.batches.append(batch)


def evaluated(made_up: Path, folder: Path, *how: str) -> tuple[torch.Tensor, dict[str, float], list[Batch]]:
    """Scores and figures of an untrained model, and what it saw."""
    config = checked(
        settings("data=collection", f"data.dir={made_up}", f"cache={folder}", "epochs=1", "h=8", "M=20", *how)
    )
    data, seen = make_data(config), Seen()
    torch.manual_seed(1)
    task = make_task(config, model_arguments(config, data))
    make_trainer(config.training, [seen], [], folder).test(task, datamodule=data, verbose=False)
    return task.scores, task.figures, seen.batches


@pytest.mark.parametrize("model", ["neighborhood", "neighborhood_tagvec"])
@pytest.mark.parametrize("test", ["exact", "10"])
@pytest.mark.parametrize("pool", ["split", "all"])
def test_scores_are_the_same(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, test: str, pool: str
) -> None:
    how = f"model={model}", f"neighborhoods.test={test}", f"pool={pool}", "metadata=groups"
    monkeypatch.setattr(neighbor_states, "BLOCK", 7)
    once, figures, batches = evaluated(made_up, tmp_path, *how)
    assert all(batch.has_states for batch in batches)
    monkeypatch.setattr(neighbor_states, "MOST_BYTES", 0)
    each, expected, batches = evaluated(made_up, tmp_path, *how)
    assert all(not batch.has_states for batch in batches)
    torch.testing.assert_close(once, each, rtol=1e-5, atol=1e-6)
    assert figures == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "how",
    [["model=visual_mlp"], ["trainer.limit_test_batches=1", "data.split_sizes=[40,20,180]"], ["metadata=sets", "M=3"]],
    ids=["no neighbours", "cut short", "few neighbours"],
)
def test_elsewhere_nothing_is_computed_ahead(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    if "limit" in how[0]:
        monkeypatch.setattr("love_thy_neighbors.training.data.EVALUATION_BATCH", 64)
    _, _, batches = evaluated(made_up, tmp_path, *how)
    assert not any(batch.has_states for batch in batches)


def test_a_model_that_takes_states_gets_its_W_z_back() -> None:
    model = NeighborhoodModel(dim=4, labels=2, hidden=3).eval()
    x, z, mask = torch.randn(5, 4), torch.randn(5, 6, 4), torch.rand(5, 6) < 0.5
    keys = list(model.state_dict())
    with torch.inference_mode():
        states = torch.relu(model.W_z(z))
        with states_as_input(model):
            found = model(x, states, mask)
        assert torch.equal(found, model(x, z, mask))
    assert list(model.state_dict()) == keys
    with pytest.raises(ZeroDivisionError), states_as_input(model):
        _ = 1 // 0
    assert list(model.state_dict()) == keys


def test_states_are_forgotten_when_training_goes_on(made_up: Path, tmp_path: Path) -> None:
    config = checked(settings("data=collection", f"data.dir={made_up}", f"cache={tmp_path}", "epochs=2", "h=8", "M=20"))
    data = make_data(config)
    task = make_task(config, model_arguments(config, data))
    make_trainer(config.training, [], [], tmp_path).fit(task, datamodule=data)
    assert data.states is None
    assert task.scores.isfinite().all()


def test_gather_finds_the_states_of_rows_and_something_finite_for_none() -> None:
    table = torch.arange(20.0).view(10, 2)
    lists = torch.tensor([[7, 3, -1], [3, 9, 7]])
    model = NeighborhoodModel(dim=2, labels=1, hidden=2)
    torch.nn.init.eye_(model.W_z.weight)
    with torch.inference_mode():
        states = NeighborStates(lambda rows: table[rows], model, lists, 10, torch.device("cpu"))
    assert len(states.states) == 3
    found = states.gather(lists)
    assert torch.equal(found[lists >= 0], table[lists[lists >= 0]])
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("lists", "worth"),
    [
        ([[1, 2], [2, 1], [1, 2]], True),
        ([[1, 2], [3, 4]], False),  # as many images as entries
        ([[1, -1], [-1, -1]], False),
        ([[-1, -1], [-1, -1]], False),
    ],
)
def test_worth_it_is_what_saves_half(lists: list[list[int]], worth: bool) -> None:
    assert are_worth_it(torch.from_numpy(np.array(lists)), 8) == worth
