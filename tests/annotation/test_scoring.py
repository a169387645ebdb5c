"""annotation/scoring.py against the model itself."""

from functools import partial

import numpy as np
import pytest
import torch

from love_thy_neighbors.annotation.scoring import Scorer
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.model import NeighborhoodModel
from love_thy_neighbors.neighborhoods import expected_max

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
    parts = Scorer(model, 3, D).neighbour_parts(found, photos, labels)
    if kind is Another:
        assert parts is None
        return
    assert parts is not None
    sums = found.image.ravel() + np.tile(found.bias, B) + parts.sum(axis=1)
    np.testing.assert_allclose(sums, found.total.ravel(), atol=1e-5)
    assert not parts[~mask[photos]].any()


def test_a_feature_of_another_length_is_refused() -> None:
    x, u, lists, last = inputs()
    with pytest.raises(UserError, match=r"9 .* 6"):
        Scorer(NeighborhoodModel(9, L), 3, 9).score(x, u, lists, last)
