"""Index batches: seeded, drawn in pieces, and dealt out to processes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from love_thy_neighbors.neighborhoods import drop, sample, taken, thin
from love_thy_neighbors.training import batches as module
from love_thy_neighbors.training.batches import EXACT, IndexBatches, Relational, Thinning, hash_seed


def batches(n: int, size: int, *, shuffle: bool = True, lists: bool = True, **how: int) -> IndexBatches:
    neighbors = torch.arange(n * 6).view(n, 6) if lists else None
    made = IndexBatches(
        torch.arange(100, 100 + n),
        neighbors,
        m=3,
        samples=1,
        drop=how.get("drop", 0),
        batch_size=size,
        seed=how.get("seed", 0),
        shuffle=shuffle,
    )
    made.rank, made.world = how.get("rank", 0), how.get("world", 1)
    made.epoch = lambda: how.get("epoch", 0)
    return made


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_processes_see_every_row_and_equally_many(n: int, size: int, world: int) -> None:
    whole = list(batches(n, size))
    shares = [list(batches(n, size, rank=rank, world=world)) for rank in range(world)]
    assert len(whole) == len(batches(n, size)) == -(-n // size)
    for step, batch in enumerate(whole):
        parts = [share[step] for share in shares]
        assert len({len(part.rows) for part in parts}) == 1
        assert set(torch.cat([part.rows for part in parts]).tolist()) == set(batch.rows.tolist())
        padding = sum(len(part.rows) for part in parts) - len(batch.rows)
        assert 0 <= padding < world
        # A row's neighborhood is the same whichever process has it.
        drawn = dict(zip(batch.rows.tolist(), batch.neighbors.tolist(), strict=True))  # type: ignore[union-attr]
        for part in parts:
            assert part.neighbors is not None
            assert all(drawn[row] == z for row, z in zip(part.rows.tolist(), part.neighbors.tolist(), strict=True))
    assert sorted(row for batch in whole for row in batch.rows.tolist()) == list(range(100, 100 + n))


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    def drawn(**how: int) -> list[list[int]]:
        return [batch.rows.tolist() + batch.neighbors.flatten().tolist() for batch in batches(40, 7, **how)]  # type: ignore[union-attr]

    assert drawn(epoch=3) == drawn(epoch=3)
    assert drawn(epoch=3) != drawn(epoch=4)
    assert drawn(seed=1) != drawn(seed=2)


def test_neighbours_belong_to_their_row() -> None:
    for batch in batches(40, 7):
        assert batch.neighbors is not None
        assert (batch.neighbors // 6 == (batch.rows - 100).unsqueeze(1)).all()


def test_seeds_are_mixed() -> None:
    seeds = {hash_seed(a, b) for a in range(30) for b in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)


def drawn_at_once(batches: IndexBatches) -> tuple[Tensor, Tensor]:
    """Rows and neighborhoods of an epoch, all drawn in one go: order, neighborhoods, which are left out."""
    assert batches.lists is not None
    generator = torch.Generator().manual_seed(hash_seed(batches.seed, batches.epoch()))
    n = len(batches.rows)
    order = torch.randperm(n, generator=generator) if batches.shuffle else torch.arange(n)
    neighbors = batches.lists[order].long()
    if batches.samples != EXACT:
        neighbors = sample(neighbors, batches.m, int(batches.samples), generator)
    dropping = torch.Generator().manual_seed(hash_seed(batches.seed, batches.epoch(), 1))
    return batches.rows[order], drop(neighbors, batches.drop, dropping)


@given(
    n=st.integers(1, 90),
    size=st.integers(1, 20),
    chunk=st.integers(1, 40),
    samples=st.sampled_from([1, 3, EXACT]),
    left_out=st.sampled_from([0.0, 0.4]),
    shuffle=st.booleans(),
    seed=st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_an_epoch_drawn_in_pieces_is_the_one_drawn_at_once(
    n: int, size: int, chunk: int, samples: int | str, left_out: float, shuffle: bool, seed: int
) -> None:
    lists = torch.arange(n * 6, dtype=torch.int32).view(n, 6)
    lists[torch.rand(n, 6, generator=torch.Generator().manual_seed(seed)).sort(dim=1).values > 0.7] = -1
    made = IndexBatches(
        torch.arange(n), lists, m=3, samples=samples, drop=left_out, batch_size=size, seed=seed, shuffle=shuffle
    )
    rows, neighbors = drawn_at_once(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        pieces = list(made)
    assert torch.equal(torch.cat([piece.rows for piece in pieces]), rows)
    assert torch.equal(torch.cat([piece.neighbors for piece in pieces if piece.neighbors is not None]), neighbors)
    assert [len(piece.rows) for piece in pieces] == [min(size, n - start) for start in range(0, n, size)]


def test_no_more_lists_are_read_at_a_time_than_are_needed() -> None:
    read: list[int] = []

    class Lists:
        """Stands for lists on disk."""

        def __getitem__(self, places: Tensor) -> Tensor:
            read.append(len(places))
            return torch.zeros(len(places), 6, dtype=torch.int32)

    made = batches(20_000, 50)
    made.lists = Lists()  # type: ignore[assignment]
    coming = iter(made)
    next(coming)
    assert read == [8150]
    assert len(list(coming)) == 399
    assert read == [8150, 8150, 3700]


def relational(n: int, thinning: Thinning | None = None, **how: float) -> IndexBatches:
    """Two lists of 8 neighbours an image; those of the first image are empty."""
    lists = torch.arange(n * 16).view(n, 2, 8)
    lists[0] = -1
    similarities = torch.linspace(1, 0.1, 8).expand(n, 2, 8) * (lists >= 0)
    return IndexBatches(
        torch.arange(100, 100 + n),
        lists if thinning is not None else lists[..., :3],
        m=2,
        samples=1,
        drop=how.get("drop", 0),
        batch_size=5,
        seed=0,
        shuffle=False,
        thinning=thinning,
        relational=Relational(similarities if thinning is not None else similarities[..., :3], 0.5),
    )


def test_relational_batches_have_all_neighbours_and_their_weights() -> None:
    batch = next(iter(relational(12)))
    assert batch.neighbors is not None
    assert batch.weights is not None
    assert batch.neighbors.shape == batch.weights.shape == (5, 2, 3)
    assert batch.neighbors[1].tolist() == [[16, 17, 18], [24, 25, 26]]
    s = torch.linspace(1, 0.1, 8)[:3]
    torch.testing.assert_close(batch.weights[1, 0], s / (s.sum() + 0.5))
    assert not batch.weights[0].any()
    assert (batch.neighbors[0] == -1).all()


def test_thinned_batches_change_with_the_epoch_and_keep_similarity_and_neighbour_together() -> None:
    made = relational(12, Thinning(0.5, 3))
    epochs = []
    for epoch in (0, 0, 1):
        made.epoch = lambda epoch=epoch: epoch  # type: ignore[misc]
        neighbors = torch.cat([batch.neighbors for batch in made if batch.neighbors is not None])
        weights = torch.cat([batch.weights for batch in made if batch.weights is not None])
        similarities = torch.linspace(1, 0.1, 8)[neighbors % 8] * (neighbors >= 0)
        torch.testing.assert_close(weights, similarities / (similarities.sum(dim=-1, keepdim=True) + 0.5))
        epochs.append(neighbors)
    assert torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], epochs[2])


def test_a_dropped_neighborhood_is_empty_for_every_relation() -> None:
    batches_ = list(relational(40, drop=0.5))
    empty = torch.cat([(batch.neighbors < 0).all(dim=-1) for batch in batches_ if batch.neighbors is not None])
    assert torch.equal(empty[:, 0], empty[:, 1])
    assert 5 < empty[:, 0].sum() < 35


def test_m_neighbours_are_drawn_from_a_thinned_list() -> None:
    lists = torch.arange(30 * 20).view(30, 20)
    made = IndexBatches(
        torch.arange(30), lists, m=2, samples=1, drop=0, batch_size=30, seed=0, shuffle=False, thinning=Thinning(0.4, 4)
    )
    (batch,) = made
    thinning = torch.Generator().manual_seed(hash_seed(0, 0, 2))
    first = taken(lists, thin(lists, 0.4, 4, thinning), -1)
    assert batch.neighbors is not None
    assert batch.neighbors.shape == (30, 2)
    for drawn, own in zip(batch.neighbors.tolist(), first.tolist(), strict=True):
        assert {*drawn} <= {*own}
        assert drawn[0] != drawn[1]


@pytest.mark.parametrize("probability", [0.3, 0.7])
def test_thinning_leaves_the_order_of_images_and_the_chance_of_drop_alone(probability: float) -> None:
    """So models with and without thinning are compared on the same order and the same dropped images."""
    plain_, thinned = relational(40, drop=0.5), relational(40, Thinning(probability, 3), drop=0.5)
    plain_.shuffle = thinned.shuffle = True
    for one, other in zip(plain_, thinned, strict=True):
        assert torch.equal(one.rows, other.rows)
        assert one.neighbors is not None
        assert other.neighbors is not None
        assert (other.neighbors < 0).flatten(1).all(1)[(one.neighbors < 0).flatten(1).all(1)].all()
