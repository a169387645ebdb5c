"""annotation/scoring.py against the model itself."""

from functools import partial

import numpy as np
import pytest
import torch

from love_thy_neighbors.annotation import relational_scoring
from love_thy_neighbors.annotation.relational_scoring import RelationalScorer
from love_thy_neighbors.annotation.scoring import Scorer
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.model import NeighborhoodModel
from love_thy_neighbors.neighborhoods import expected_max, shares
from love_thy_neighbors.relational import RelationalModel

B, M, D, L = 7, 4, 6, 5


class Another(NeighborhoodModel):
    """The same model under another class: its score is not known to be a sum."""


def inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    mask = np.arange(M) < random.integers(0, M + 1, size=(B, 1))
    lists = np.where(mask, random.integers(0, 9, size=(B, M)), -1)
    x, u = random.normal(size=(B, D)), random.normal(size=(9, D))
    return x.astype(np.float32), u.astype(np.float32), lists, random.random((B, M)) < 0.5


@pytest.mark.parametrize("kind", [NeighborhoodModel, Another])
def test_parts_add_up_to_the_score_of_the_model(kind: type[NeighborhoodModel]) -> None:
    torch.manual_seed(0)
    model = kind(D, L, hidden=8).eval()
    x, u, lists, last = inputs()
    found, z, mask = Scorer(model, 3, D).score(x, u, lists, last), u[lists], lists >= 0
    with torch.inference_mode():
        expected = model(*map(torch.from_numpy, (x, z, mask)), partial(expected_max, m=3))
        alone = model(*map(torch.from_numpy, (x, z, np.zeros_like(mask))), partial(expected_max, m=3))
    np.testing.assert_allclose(found.total, expected, atol=1e-5)
    np.testing.assert_allclose(found.image + found.bias, alone, atol=1e-5)
    photos, labels = (part.ravel() for part in np.mgrid[:B, :L])
    if kind is Another:
        assert found.parts is None
        return
    assert found.parts is not None
    parts = found.parts(photos, labels)
    sums = found.image.ravel() + np.tile(found.bias, B) + parts.sum(axis=1)
    np.testing.assert_allclose(sums, found.total.ravel(), atol=1e-5)
    assert not parts[~mask[photos]].any()


def test_a_feature_of_another_length_is_refused() -> None:
    x, u, lists, last = inputs()
    with pytest.raises(UserError, match=r"9 .* 6"):
        Scorer(NeighborhoodModel(9, L), 3, 9).score(x, u, lists, last)


@pytest.mark.parametrize("complete", [True, False])
def test_parts_of_a_relational_model_add_up(complete: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relational_scoring, "PAIRS", 4)
    torch.manual_seed(0)
    model = RelationalModel(D, L, ["tags", "sets"], hidden=8).eval()
    model.complete = complete
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    x, u, lists, _ = inputs()
    lists = np.hstack([lists, inputs()[2][::-1]])
    similar = np.where(lists >= 0, np.random.default_rng(1).random(lists.shape), 0).astype(np.float32)
    found = RelationalScorer(model, 0.3, D).score(x, u, lists, similar)
    weights = shares(torch.from_numpy(similar).view(B, 2, M), 0.3)
    z = (weights.unsqueeze(-1) * torch.from_numpy(u[lists].reshape(B, 2, M, D))).sum(dim=2)
    mask = torch.from_numpy(lists >= 0).view(B, 2, M).any(dim=2)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x), z, mask)
        towers = model.parts(model.towers(torch.from_numpy(x), z, mask), mask).numpy()
    np.testing.assert_allclose(found.total, expected, atol=1e-4)
    np.testing.assert_allclose(found.image, towers[:, 0], atol=1e-5)
    photos, labels = (part.ravel() for part in np.mgrid[:B, :L])
    assert found.parts is not None
    parts = found.parts(photos, labels)
    assert parts.shape == (B * L, 2 * M)
    by_tower = parts.reshape(B, L, 2, M).sum(axis=3)
    np.testing.assert_allclose(by_tower, towers[:, 1:].transpose(0, 2, 1), atol=1e-4)
    assert not parts[lists[photos] < 0].any()
    assert found.parts(photos[:0], labels[:0]).shape == (0, 2 * M)
