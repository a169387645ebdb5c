"""Baselines against simple versions: NumPy loops and scikit-learn."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from love_thy_neighbors.baselines.sparse import BagLogistic, BagTable, NeighborhoodTagVector
from love_thy_neighbors.baselines.voting import LabelVoting, NeighborVoting
from love_thy_neighbors.neighbors.euclidean import nearest_by_euclidean
from love_thy_neighbors.training.rmsprop import FusedRMSprop


def binary(rng: np.random.Generator, rows: int, columns: int, density: float) -> sparse.csr_matrix:
    return sparse.csr_matrix((rng.random((rows, columns)) < density).astype(np.uint8))


def test_a_bag_of_any_rows() -> None:
    matrix = binary(np.random.default_rng(0), 30, 12, 0.15)
    matrix[4] = 0
    matrix.eliminate_zeros()
    rows = torch.tensor([7, 4, 29, 7, 0])
    bag = BagTable(matrix).gather(rows)
    ends = [*bag.offsets.tolist()[1:], len(bag.columns)]
    for row, start, end in zip(rows.tolist(), bag.offsets.tolist(), ends, strict=True):
        assert bag.columns[start:end].tolist() == matrix[row].indices.tolist()


def test_the_logistic_on_a_bag_is_the_dense_one() -> None:
    matrix = binary(np.random.default_rng(1), 20, 9, 0.3)
    model = BagLogistic(dim=3, labels=4, values=9)
    torch.nn.init.normal_(model.W.weight)
    torch.nn.init.normal_(model.b)
    scores = model(torch.zeros(20, 3), BagTable(matrix).gather(torch.arange(20)))
    dense = matrix.toarray() @ model.W.weight.detach().numpy() + model.b.detach().numpy()
    np.testing.assert_allclose(scores.detach(), dense, rtol=1e-5, atol=1e-6)


def test_tag_only_converges_to_scikit_learns_logistic_regression() -> None:
    rng = np.random.default_rng(2)
    matrix = binary(rng, 300, 8, 0.3)
    truth = (rng.random(300) < 1 / (1 + np.exp(-(matrix.toarray() @ rng.normal(0, 2, 8) - 1)))).astype(np.float32)
    l2 = 0.05
    model = BagLogistic(dim=1, labels=1, values=8)
    optimizer = FusedRMSprop([{"params": [model.W.weight], "weight_decay": l2}, {"params": [model.b]}], lr=1e-2)
    bag, y = BagTable(matrix).gather(torch.arange(300)), torch.from_numpy(truth)[:, None]
    for step in range(3000):
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 1e-2 * 0.998**step
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(torch.zeros(300, 1), bag), y).backward()
        optimizer.step()
    # mean loss + l2 / 2 |W|^2 is scikit-learn's C * sum loss + 1 / 2 |W|^2 with C = 1 / (n l2)
    oracle = LogisticRegression(C=1 / (300 * l2), tol=1e-8, max_iter=1000).fit(matrix.toarray(), truth)
    np.testing.assert_allclose(model.W.weight.detach().ravel(), oracle.coef_.ravel(), atol=2e-3)
    np.testing.assert_allclose(model.b.detach(), oracle.intercept_, atol=2e-3)


def test_the_tag_vector_adds_its_own_product_to_the_models_score() -> None:
    torch.manual_seed(0)
    matrix = binary(np.random.default_rng(3), 6, 11, 0.3)
    model = NeighborhoodTagVector(dim=5, labels=4, values=11, hidden=7).eval()
    x, z, mask = torch.randn(6, 5), torch.randn(6, 3, 5), torch.rand(6, 3) < 0.7
    bag = BagTable(matrix).gather(torch.arange(6))
    without = super(NeighborhoodTagVector, model).forward(x, z, mask)
    torch.testing.assert_close(model(x, z, mask, bag=bag), without)  # W_t starts at zero
    torch.nn.init.normal_(model.W_t.weight)
    v = torch.cat([torch.relu(model.W_x(x)), (torch.relu(model.W_z(z)) * mask.unsqueeze(-1)).amax(1)], 1)
    appended = torch.cat([v, torch.from_numpy(matrix.toarray()).float()], 1)
    W = torch.cat([model.W_y.weight, model.W_t.weight.T], 1)
    torch.testing.assert_close(model(x, z, mask, bag=bag), appended @ W.T + model.W_y.bias)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_knn_voting_equals_a_vote_of_scikit_learns_neighbours(k: int) -> None:
    rng = np.random.default_rng(4)
    table, labels = rng.normal(size=(80, 6)).astype(np.float16), rng.random((80, 5)) < 0.3
    train, test = np.arange(60), np.arange(60, 80)
    lists = nearest_by_euclidean(table, test, train, 10)
    model = LabelVoting(k=k, frequency=labels[train].mean(0).tolist())
    scores = model(torch.from_numpy(labels[lists]), torch.from_numpy(lists >= 0)).numpy()
    oracle = (
        NearestNeighbors(n_neighbors=k)
        .fit(table[train].astype(np.float64))
        .kneighbors(table[test].astype(np.float64), return_distance=False)
    )
    expected = (labels[train][oracle].sum(1) + labels[train].mean(0)) / (k + 1)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_absent_voters_do_not_vote() -> None:
    votes = torch.ones(3, 4, 2)
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    scores = LabelVoting(k=3, frequency=[0.5, 0.25])(votes, mask)
    torch.testing.assert_close(scores, torch.tensor([[3.5 / 4, 3.25 / 4], [1.5 / 2, 1.25 / 2], [0.5, 0.25]]))


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_neighbor_voting_is_the_weighted_sum_of_scores(weight: float) -> None:
    torch.manual_seed(1)
    model = NeighborVoting(dim=4, labels=3, weight=weight)
    torch.nn.init.normal_(model.visual.W.bias)
    x, z = torch.randn(6, 4), torch.randn(6, 5, 4)
    mask = torch.arange(5) < torch.tensor([5, 3, 1, 0, 2, 4])[:, None]
    scores = model(x, z, mask)
    for i in range(6):
        own = model.visual(x[i])
        near = [model.visual(z[i, j]) for j in range(5) if mask[i, j]]
        expected = (1 - weight) * own + weight * torch.stack(near).mean(0) if near else own
        torch.testing.assert_close(scores[i], expected)


def test_features_of_absent_neighbours_do_not_matter() -> None:
    model = NeighborVoting(dim=4, labels=3, weight=0.5)
    x, z, mask = torch.randn(2, 4), torch.randn(2, 3, 4), torch.tensor([[True, False, False], [True, True, False]])
    other: Any = z.masked_fill(~mask.unsqueeze(-1), 7.0)
    torch.testing.assert_close(model(x, z, mask), model(x, other, mask))
