"""The losses against their formulas, and which labels the asymmetric one ignores."""

import numpy as np
import torch

from love_thy_neighbors.training.losses import asymmetric, logistic


def test_logistic_is_the_formula() -> None:
    torch.manual_seed(0)
    scores, y = torch.randn(3, 5) * 4, (torch.rand(3, 5) < 0.4).float()
    s, sign = scores.double().numpy(), 2 * y.double().numpy() - 1
    expected = np.log1p(np.exp(-sign * s)).sum() / 3
    np.testing.assert_allclose(logistic(scores, y).item(), expected, rtol=1e-5)


def test_asymmetric_is_the_formula() -> None:
    torch.manual_seed(0)
    scores, y = torch.randn(3, 5) * 4, (torch.rand(3, 5) < 0.4).float()
    p, t = 1 / (1 + np.exp(-scores.double().numpy())), y.double().numpy()
    q = np.maximum(p - 0.05, 0)
    expected = (-t * np.log(p) - (1 - t) * q**2 * np.log(1 - q)).sum() / 3
    np.testing.assert_allclose(asymmetric(scores, y).item(), expected, rtol=1e-5)


def test_no_gradient_flows_through_the_weight() -> None:
    score = torch.tensor([[1.0]], requires_grad=True)
    asymmetric(score, torch.zeros(1, 1)).backward()
    p = torch.sigmoid(torch.tensor(1.0)).item()
    q = p - 0.05
    np.testing.assert_allclose(score.grad.item(), q**2 * p * (1 - p) / (1 - q), rtol=1e-5)  # type: ignore[union-attr]


def test_a_label_that_is_absent_and_improbable_is_ignored() -> None:
    scores = torch.tensor([[-3.0, -3.0]], requires_grad=True)  # probability 0.047
    asymmetric(scores, torch.tensor([[0.0, 1.0]])).backward()
    assert scores.grad is not None
    assert scores.grad[0, 0] == 0
    assert scores.grad[0, 1] < 0


def test_scores_far_from_zero_give_numbers() -> None:
    scores, y = torch.tensor([[200.0, -200.0, 200.0, -200.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    assert torch.isfinite(asymmetric(scores, y))
    assert torch.isfinite(logistic(scores, y))
