"""Eq. 1 in closed form against all subsets; sampling without replacement."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from love_thy_neighbors.neighborhoods import (
    drop,
    expected_max,
    expected_max_parts,
    mean_of_max,
    sample,
    shares,
    taken,
    thin,
)


def average_over_subsets(values: np.ndarray, m: int) -> np.ndarray:
    """Mean over all min(m, r)-subsets of the rows [r, h] of their maximum: Eq. 1 spelled out."""
    r = len(values)
    if r == 0:
        return np.zeros(values.shape[1])
    return np.mean([values[list(z)].max(axis=0) for z in combinations(range(r), min(m, r))], axis=0)


@st.composite
def neighbourhoods(draw: st.DrawFn) -> tuple[Tensor, Tensor, int]:
    M = draw(st.integers(1, 10))
    B, h = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    # Few distinct values, zeros among them: ties are what relu and clip art produce.
    value = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 100, width=32))
    v = torch.tensor(draw(st.lists(value, min_size=B * M * h, max_size=B * M * h)), dtype=torch.float64)
    mask = torch.tensor(draw(st.lists(st.booleans(), min_size=B * M, max_size=B * M)))
    return v.view(B, M, h), mask.view(B, M), draw(st.integers(1, M))


@given(neighbourhoods())
@settings(max_examples=200, deadline=None)
def test_closed_form_is_the_average_over_all_subsets(case: tuple[Tensor, Tensor, int]) -> None:
    v, mask, m = case
    expected = [average_over_subsets(row[there].numpy(), m) for row, there in zip(v, mask, strict=True)]
    np.testing.assert_allclose(expected_max(v, mask, m).numpy(), np.array(expected), rtol=1e-12, atol=1e-12)


@given(neighbourhoods())
@settings(max_examples=50, deadline=None)
def test_closed_form_has_the_gradient_of_finite_differences(
    case: tuple[Tensor, Tensor, int],
) -> None:
    v, mask, m = case
    # At ties the maximum has no derivative; distinct values are what finite differences can be held against.
    spread = torch.randperm(v.numel(), generator=torch.Generator().manual_seed(0)).view_as(v).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: expected_max(t, mask, m), spread, eps=1e-4)


@given(neighbourhoods(), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_closed_form_ignores_the_order_of_neighbours(case: tuple[Tensor, Tensor, int], seed: int) -> None:
    v, mask, m = case
    order = torch.randperm(v.shape[1], generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(expected_max(v[:, order], mask[:, order], m), expected_max(v, mask, m))


def test_weights_of_the_paper_s_setting() -> None:
    v = torch.eye(6).unsqueeze(
        0
    )  # unit j is 1 for neighbour j alone, so it is sorted last: only ordering by value counts
    ranks = torch.arange(1.0, 7.0).view(1, 6, 1)
    weights = torch.tensor([0, 0, 1, 3, 6, 10]) / 20
    assert expected_max(ranks, torch.ones(1, 6, dtype=torch.bool), 3).item() == pytest.approx(
        (weights * ranks.flatten()).sum().item()
    )
    torch.testing.assert_close(expected_max(v, torch.ones(1, 6, dtype=torch.bool), 3), torch.full((1, 6), 0.5))


@pytest.mark.parametrize("pool", [expected_max, mean_of_max])
def test_an_empty_neighborhood_is_zero(pool: object) -> None:
    v, mask = torch.rand(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool)
    assert torch.equal(partial(pool, m=3)(v, mask), torch.zeros(2, 4))  # type: ignore[arg-type]


@given(st.integers(1, 8), st.integers(1, 4), st.data())
@settings(max_examples=100, deadline=None)
def test_sampling_takes_distinct_neighbours(M: int, samples: int, data: st.DataObject) -> None:
    m = data.draw(st.integers(1, M))
    present = data.draw(st.lists(st.integers(0, M), min_size=1, max_size=5))
    lists = torch.full((len(present), M), -1)
    for row, r in enumerate(present):
        lists[row, :r] = torch.arange(r) + 100 * row
    drawn = sample(lists, m, samples, torch.Generator().manual_seed(1)).view(len(present), samples, m)
    for row, r in enumerate(present):
        for neighborhood in drawn[row].tolist():
            there = [z for z in neighborhood if z >= 0]
            assert len(there) == len(set(there)) == min(m, r)
            assert set(there) <= set(lists[row, :r].tolist())


def test_every_subset_is_equally_likely() -> None:
    lists = torch.arange(6).expand(60_000, 6)
    drawn = sample(lists, 3, 1, torch.Generator().manual_seed(0)).sort(dim=1).values
    counts = drawn.unique(dim=0, return_counts=True)[1].double()
    assert len(counts) == 20
    chi_square = ((counts - 3000) ** 2 / 3000).sum().item()
    assert chi_square < 43.8  # 19 degrees of freedom, p = 0.001


def test_sampling_is_seeded() -> None:
    lists = torch.arange(40).view(4, 10)
    first, second, third = (sample(lists, 3, 2, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_many_samples_approach_the_closed_form() -> None:
    v = torch.rand(5, 6, 7)
    lists = torch.arange(6).expand(5, 6)
    drawn = sample(lists, 3, 4000, torch.Generator().manual_seed(0))
    sampled = mean_of_max(v.gather(1, drawn.unsqueeze(-1).expand(-1, -1, 7)), drawn >= 0, 3)
    torch.testing.assert_close(sampled, expected_max(v, torch.ones(5, 6, dtype=torch.bool), 3), atol=0.02, rtol=0)


@given(st.floats(0, 0.9), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_dropping_empties_complete_neighborhoods_and_changes_no_other(probability: float, seed: int) -> None:
    neighborhoods = torch.arange(4000 * 3).view(4000, 3)
    left = drop(neighborhoods, probability, torch.Generator().manual_seed(seed))
    emptied = (left < 0).any(dim=1)
    assert (left[emptied] == -1).all()
    assert torch.equal(left[~emptied], neighborhoods[~emptied])
    assert abs(emptied.double().mean().item() - probability) < 0.04


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_neighbours_parts_add_up_to_the_expected_maximum(M: int, m: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    v = torch.randint(0, 4, (3, M, 5), generator=generator).double()  # with ties
    mask = torch.arange(M) < torch.randint(0, M + 1, (3, 1), generator=generator)
    parts = expected_max_parts(v, mask, min(m, M))
    assert torch.allclose(parts.sum(dim=1), expected_max(v, mask, min(m, M)))
    assert not parts[~mask].any()


@st.composite
def neighbour_lists(draw: st.DrawFn) -> Tensor:
    """Lists [N, 2, D] with -1 at the end of each."""
    N, D = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    lengths = torch.tensor(draw(st.lists(st.integers(0, D), min_size=2 * N, max_size=2 * N))).view(N, 2, 1)
    return torch.arange(2 * N * D).view(N, 2, D).masked_fill(torch.arange(D) >= lengths, -1)


@given(neighbour_lists(), st.integers(1, 9), st.floats(0.05, 1), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_thinned_lists_are_the_first_of_a_part_of_the_list(
    lists: Tensor, M: int, probability: float, seed: int
) -> None:
    M = min(M, lists.shape[-1])
    thinned = taken(lists, thin(lists, probability, M, torch.Generator().manual_seed(seed)), -1)
    drawn = torch.rand(lists.shape, generator=torch.Generator().manual_seed(seed)) < probability
    assert thinned.shape == (*lists.shape[:-1], M)
    for short, whole, kept in zip(thinned.view(-1, M), lists.flatten(0, 1), drawn.flatten(0, 1), strict=True):
        expected = [z for z, keep in zip(whole.tolist(), kept.tolist(), strict=True) if keep and z >= 0][:M]
        assert short.tolist() == expected + [-1] * (M - len(expected))


def test_thinning_with_probability_one_gives_the_first_entries() -> None:
    lists = torch.tensor([[4, 7, 9, 2], [3, -1, -1, -1]])
    places = thin(lists, 1.0, 3, torch.Generator().manual_seed(0))
    assert taken(lists, places, -1).tolist() == [[4, 7, 9], [3, -1, -1]]
    assert taken(torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.5, 0, 0, 0]]), places, 0)[1].tolist() == [0.5, 0, 0]


def test_thinned_lists_are_those_of_a_smaller_pool() -> None:
    """Out of a random share p of the pool, an image's nearest neighbour has rank k in the whole pool with probability
    p (1 - p)^k."""
    lists, p = torch.arange(40).expand(20_000, 40), 0.36
    first = thin(lists, p, 5, torch.Generator().manual_seed(0))[:, 0]
    share = torch.stack([(first == k).float().mean() for k in range(4)]).numpy()
    np.testing.assert_allclose(share, [p * (1 - p) ** k for k in range(4)], atol=0.015)


def test_shares_are_shrunk_towards_zero() -> None:
    s = torch.tensor([[0.5, 0.2, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = shares(s, 0.3)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.2, 0.0], [0.1 * 2.5, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(shares(s, 0.0).sum(dim=1), torch.tensor([1.0, 1.0, 0.0]))
