"""Mixing of scores against the recursion of its equation, image by image, and what holds for every collection."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.baselines.smoothed import PROBABILITIES, SCORES, Neighbors, Smoothed


def made_up(seed: int, images: int = 12, labels: int = 3, K: int = 4) -> tuple[torch.Tensor, Neighbors]:
    """Scores of all images, and neighbours of some of them; one of these has none."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(images, 9, replace=False))
    others = rng.integers(-1, images, (len(rows), K))
    others[0] = -1
    similarities = np.where(others < 0, 0, rng.uniform(0.1, 1, others.shape))
    scores = torch.from_numpy(rng.normal(0, 3, (images, labels)).astype(np.float32))
    found = Neighbors(torch.from_numpy(rows), torch.from_numpy(others), torch.from_numpy(similarities).float())
    return scores, found


def brute_force(scores: np.ndarray, neighbors: Neighbors, weight: float, hops: int) -> np.ndarray:
    """s_K, one image and one neighbour after the other."""
    now = scores.copy()
    for _ in range(hops):
        after = scores.copy()
        for row, others, similarities in zip(*(one.numpy() for one in neighbors), strict=True):
            pairs = [(now[z], s) for z, s in zip(others, similarities, strict=True) if z >= 0]
            if pairs:
                mean = sum(s * of_other for of_other, s in pairs) / sum(s for _, s in pairs)
                after[row] = (1 - weight) * scores[row] + weight * mean
        # An image that is not smoothed, or has no neighbours, keeps its score in every step.
        now = after
    return now


@given(
    seed=st.integers(0, 50), weight=st.sampled_from([0.0, 0.2, 0.7, 1.0]), hops=st.integers(1, 3),
    mixed=st.sampled_from([SCORES, PROBABILITIES]),
)  # fmt: skip
def test_scores_are_those_of_the_equation(seed: int, weight: float, hops: int, mixed: str) -> None:
    scores, neighbors = made_up(seed)
    found = Smoothed(["tags"], weight, hops, mixed)(scores, neighbors)
    assert found.dtype == scores.dtype
    start = scores.double().numpy()
    if mixed == SCORES:
        expected = brute_force(start, neighbors, weight, hops)
    else:
        p = brute_force(1 / (1 + np.exp(-start)), neighbors, weight, hops)
        expected = np.log(p) - np.log(1 - p)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mixed", [SCORES, PROBABILITIES])
def test_an_image_without_neighbours_keeps_its_scores(mixed: str) -> None:
    scores, neighbors = made_up(3)
    found = Smoothed(["tags"], 0.6, 2, mixed)(scores, neighbors)
    kept = np.setdiff1d(np.arange(len(scores)), neighbors.rows[1:].numpy())
    np.testing.assert_allclose(found[kept], scores[kept], atol=1e-5)
    assert not np.allclose(found[neighbors.rows[1:]], scores[neighbors.rows[1:]])


def test_large_scores_keep_their_order_as_probabilities() -> None:
    scores = torch.tensor([[-40.0], [-20.0], [20.0], [30.0]])
    nobody = Neighbors(torch.arange(4), torch.full((4, 1), -1), torch.zeros(4, 1))
    found = Smoothed([], 0, 1, PROBABILITIES)(scores, nobody)
    assert (found.diff(dim=0) > 0).all()
    assert found.isfinite().all()
